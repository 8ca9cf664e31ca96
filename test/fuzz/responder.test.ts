/** Whatever comes, by whichever carrier: nothing throws, nothing grows, nobody gets more than they sent. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Table } from '../../appliance/registry/table.ts';
import { createResponder } from '../../appliance/responder/responder.ts';
import { address } from '../../sdk/wire/address.ts';
import { encodeAnycast } from '../../sdk/wire/anycast.ts';
import { anycastQueryFrame } from '../../sdk/wire/arp.ts';
import { anycastMessage } from '../support/arbitraries.ts';
import { virtualWorld } from '../support/virtual.ts';
import { CLIENT, directory, ListedLinks, link, MANAGER, queryBytes } from '../unit/responder/support.ts';

const VIP = address('10.9.0.1');
const SERVERS = Object.fromEntries(
  Array.from({ length: 30 }, (_, index) => [`10.1.1.${index + 1}`, ['tcp/80 http www.cell 500']]),
);

/** Good bytes with some of them changed, cut or followed by others; as they are; or noise. */
const damaged = (good: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> =>
  fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    good,
    fc
      .tuple(
        good,
        fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 4 }),
        fc.option(fc.nat(400), { nil: undefined }),
        fc.uint8Array({ maxLength: 20 }),
      )
      .map(([bytes, changes, cut, more]) => {
        const changed = Uint8Array.from([...bytes, ...more]);
        for (const [at, value] of changes) if (at < changed.length) changed[at] = value;
        return changed.subarray(0, cut ?? changed.length);
      }),
  );

const message = fc.oneof(
  { arbitrary: anycastMessage.map(encodeAnycast), weight: 2 },
  // Often, so that many of them are still good.
  { arbitrary: fc.constant(queryBytes({ vip: VIP, want: 1, padding: 300 })), weight: 4 },
  {
    arbitrary: fc.constant(queryBytes({ name: 'www.cell', selector: { ports: [{ first: 80, last: 80 }] } })),
    weight: 1,
  },
);
const frame = message
  .filter(bytes => bytes.length < 1400)
  .map(bytes => anycastQueryFrame(CLIENT, address('10.1.0.99'), VIP, bytes));

async function start() {
  const world = virtualWorld();
  const links = new ListedLinks();
  links.links = [link()];
  const responder = await createResponder({
    clock: world.clock,
    random: world.random,
    net: world.network.host('manager', '10.1.0.1').net,
    links,
    signer: undefined,
    log: world.log,
    config: {
      manager: MANAGER,
      name: 'cell',
      access: ['lan0'],
      port: 9747,
      validity: 5000,
      rate: 100_000,
      ring: 65536,
      registration: { address: undefined, port: 9746, tls: false },
    },
  });
  responder.setDirectory(directory({ [VIP]: SERVERS }));
  responder.setArp({ vips: Table.from([[VIP, true as const]]) });
  return { world, links, responder };
}

test('frames', async () => {
  const { world, links, responder } = await start();
  world.clock.advanceSync(10_000);
  fc.assert(
    fc.property(damaged(frame), bytes => {
      links.sent.length = 0;
      links.receive('lan0', bytes);
      expect(links.sent.length).toBeLessThanOrEqual(64);
      for (const sent of links.sent) expect(sent.length).toBeLessThanOrEqual(1514);
    }),
    { numRuns: 3000 },
  );
  expect(responder.counters.link.answered).toBeGreaterThan(5);
  expect(responder.counters.link.malformed).toBeGreaterThan(5);
  responder.close();
});

test('datagrams', async () => {
  const { world, responder } = await start();
  let back = 0;
  const client = await world.network.host('client', '10.1.0.99').net.datagram(
    { address: address('10.1.0.99'), port: 0 },
    bytes => (back += bytes.length),
    () => {},
  );
  await fc.assert(
    fc.asyncProperty(damaged(message.filter(bytes => bytes.length < 20_000)), async bytes => {
      back = 0;
      client.send(bytes, 9747, address('10.1.0.1'));
      await world.clock.advance(100);
      expect(back).toBeLessThanOrEqual(bytes.length);
    }),
    { numRuns: 1500 },
  );
  expect(responder.counters.udp.answered).toBeGreaterThan(5);
  expect(responder.counters.udp.malformed).toBeGreaterThan(5);
  responder.close();
});
