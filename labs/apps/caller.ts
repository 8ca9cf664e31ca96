/**
 * A conference client: node caller.mjs --to ADDRESS[:PORT], or --ask VIP|NAME|any [--via MANAGER|GSLB,…] [--link INTERFACE] [--timeout
 * 1000], which asks by anycast ARP which conference servers there are and calls the best of them. Then [--ms 1000] of media. Prints one
 * line of JSON.
 */
import { parseArgs } from 'node:util';
import { pick } from '../../sdk/index.ts';
import { call } from './call.ts';

const { values } = parseArgs({
  options: {
    to: { type: 'string' },
    ask: { type: 'string' },
    via: { type: 'string' },
    link: { type: 'string' },
    timeout: { type: 'string', default: '1000' },
    ms: { type: 'string', default: '1000' },
  },
});

try {
  const { address, port, asked } = values.ask === undefined ? given(values.to) : await askFor(values.ask);
  const result = await call({ address, port, duration: Number(values.ms) });
  console.log(JSON.stringify({ ...asked, address, port, ...result }));
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException;
  console.error(`caller: ${message}${code ? ` (${code})` : ''}`);
  process.exitCode = 1;
}
// libpcap's handle, if one was opened, would keep the process.
process.exit();

function given(to: string | undefined): { address: string; port: number; asked: object } {
  const [address, port = '1720'] = (to ?? '').split(':');
  if (!address) throw new Error('--to ADDRESS[:PORT] or --ask VIP|NAME is missing');
  return { address, port: Number(port), asked: {} };
}

async function askFor(what: string): Promise<{ address: string; port: number; asked: object }> {
  const start = performance.now();
  const picked = await pick(
    { protocol: 'h323', transport: 'tcp', ...(what === 'any' ? {} : wanted(what)) },
    {
      ...(values.via === undefined ? {} : { via: values.via.split(',') }),
      timeout: Number(values.timeout),
      ...(values.link === undefined ? {} : { link: values.link }),
      signal: AbortSignal.timeout(20_000),
    },
  );
  picked.socket?.destroy();
  const servers = picked.answer.servers.map(({ address, score }) => ({ address, score }));
  return {
    address: picked.server.address,
    port: picked.port,
    asked: {
      ...{ from: picked.answer.from, roundTrip: picked.answer.roundTrip, servers },
      ...{ manager: picked.answer.manager, via: picked.answer.via, picked: performance.now() - start },
    },
  };
}

function wanted(what: string): { vip: string } | { name: string } {
  return /^[\d.]+$|:/.test(what) ? { vip: what } : { name: what };
}
