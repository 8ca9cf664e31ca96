/** Whatever comes, by UDP or TCP: nothing throws, nothing grows, every answer is a message, and nobody gets much more than they sent. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { startDns } from '../../appliance/dns/server.ts';
import { STREAM_LIMITS } from '../../appliance/dns/streams.ts';
import { hmac } from '../../appliance/host/keys.ts';
import { address, parsePrefix } from '../../sdk/wire/address.ts';
import { decodeDns } from '../support/dns.ts';
import { anyQuery } from '../support/dns-queries.ts';
import { KEYS } from '../support/tsig.ts';
import { virtualWorld } from '../support/virtual.ts';
import { OPTIONS, startDesk, view } from '../unit/dns/support.ts';

const VIEW = view(
  {
    'www.cell': ['A 10.0.0.1', 'AAAA fd00::1', 'east: A 10.1.1.1'],
    '_sip._udp.cell': ['SRV 0 10 5060 www.cell', 'SRV 10 10 5060 b.deep.cell'],
    'b.deep.cell': ['A 10.0.0.2', 'TXT some words'],
    'alias.cell': ['CNAME www.cell'],
    'many.cell': Array.from({ length: 100 }, (_, index) => `A 10.0.1.${index}`),
  },
  { topology: { '10.1.0.0/16': 'east', 'fd01::/32': 'east' } },
);
const TSIG = 250;
const source = fc.constantFrom('10.1.0.9', '192.0.2.1', 'fd01::1', 'fe80::1');

test('datagrams', () => {
  const { raw, desk, publish } = startDesk({ nsid: new Uint8Array(64).fill(65), keys: KEYS });
  publish(VIEW);
  const codes = new Set<number>();
  fc.assert(
    fc.property(anyQuery, source, (bytes, from) => {
      const answer = raw(bytes, from);
      if (answer === undefined) {
        expect(bytes.length < 12 || bytes[2]! >= 0x80).toBe(true);
        return;
      }
      const message = decodeDns(answer);
      codes.add(message.rcode);
      expect([message.flags.qr, message.id]).toEqual([true, (bytes[0]! << 8) | bytes[1]!]);
      // These have proved nothing, but for those that are signed.
      if (message.additional.every(({ type }) => type !== TSIG) || message.rcode === 9)
        expect(answer.length).toBeLessThan(2 * bytes.length);
      if (message.question !== undefined) {
        const { length } = message.question.name;
        expect(Buffer.from(answer.subarray(12, 12 + length))).toEqual(
          Buffer.from(bytes.subarray(12, 12 + length)),
        );
      }
    }),
    { numRuns: 20_000 },
  );
  expect([...codes].sort((one, other) => one - other)).toEqual([0, 1, 3, 4, 5, 9, 16, 23]);
  // Only what is there is kept: of each name, a shelf for each type and place.
  expect(desk.book.answers).toBeLessThan(60);
  expect(desk.book.size).toBe(8);
});

test('streams', async () => {
  const world = virtualWorld();
  const { clock, random, log } = world;
  const server = await startDns(
    { clock, random, hmac, log, net: world.network.host('server', '10.0.0.1').net, seconds: () => 0 },
    {
      ...OPTIONS,
      ...{ addresses: [address('10.0.0.1')], port: 53, workers: 0, notify: [], zones: [] },
      transfers: [parsePrefix('10.0.0.0/8')!],
    },
  );
  server.publish(VIEW);
  const host = world.network.host('client', '10.0.0.7');
  let answered = 0;
  const run = async (messages: readonly Uint8Array[], cut: number): Promise<void> => {
    let closed = false;
    const stream = host.net.connect(
      { address: address('10.0.0.1'), port: 53 },
      {
        onData: bytes => {
          answered += bytes.length;
        },
        onClose: () => {
          closed = true;
        },
      },
    );
    await clock.advance(5);
    const bytes = Uint8Array.from(
      messages.flatMap(message => [message.length >> 8, message.length & 255, ...message]),
    );
    stream.write(bytes.subarray(0, cut));
    await clock.advance(5);
    if (!closed) stream.write(bytes.subarray(cut));
    await clock.advance(5);
    if (!closed) stream.destroy();
  };
  await fc.assert(fc.asyncProperty(fc.array(anyQuery, { maxLength: 8 }), fc.nat(300), run), { numRuns: 800 });
  await clock.advance(STREAM_LIMITS.idle + 1000);
  expect(server.connections).toBe(0);
  expect(answered).toBeGreaterThan(10_000);
  await server.close();
});
