/**
 * Picks the best H.323 conference server, by TCP, and says which one.
 *
 *     node pick-conference.js [VIP, name or manager]
 */
import { BivouacError, pick } from '@bivouac/sdk';

const via = process.argv[2];
try {
  const { server, service, port, socket, answer } = await pick(
    { protocol: 'h323', transport: 'tcp' },
    { ...(via !== undefined && { via }), signal: AbortSignal.timeout(5000) },
  );
  console.log(`${service.name} at ${server.address}:${port}, score ${server.score} of 1000`);
  console.log(
    `(${answer.servers.length} known to ${answer.from}, asked in ${answer.roundTrip.toFixed(1)} ms)`,
  );
  socket?.end();
} catch (error) {
  if (!(error instanceof BivouacError)) throw error;
  console.error(`no conference server: ${error.message} (${error.code})`);
  process.exitCode = 1;
}
