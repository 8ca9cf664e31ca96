/** A GSLB polls managers in virtual time: the first handshake, scores, links, round trips, losses, and strangers. */
import { expect, test } from 'vitest';
import { Poller } from '../../../appliance/gslb/poller.ts';
import type { GslbEvent } from '../../../appliance/gslb/view.ts';
import { verify } from '../../../appliance/host/keys.ts';
import type { Signer } from '../../../appliance/host/ports.ts';
import { PollAnswerer } from '../../../appliance/polls/answerer.ts';
import { Prober } from '../../../appliance/polls/prober.ts';
import { LinkRates, readCounters } from '../../../appliance/polls/rates.ts';
import { offerKey, offerTag } from '../../../appliance/polls/tag.ts';
import { Table } from '../../../appliance/registry/table.ts';
import { type Address, address } from '../../../sdk/wire/address.ts';
import { encodeAnycast } from '../../../sdk/wire/anycast.ts';
import type { Offer } from '../../../sdk/wire/model.ts';
import { MESSAGE } from '../../../sdk/wire/numbers.ts';
import { decodePoll, encodePoll } from '../../../sdk/wire/polls.ts';
import { VirtualClock, type VirtualWorld, virtualWorld } from '../../support/virtual.ts';
import { certificateOf, newSigner, trust } from '../notices/world.ts';
import { offer } from './world.ts';

const PORT = 9747;
const AT = address('10.0.0.1');

/** A manager that answers polls. */
async function answering(
  world: VirtualWorld,
  offers: readonly Offer[],
  signer = newSigner(),
  revoked = new Set<string>(),
) {
  const host = world.network.host('manager', AT);
  const scores = new Map<string, number>();
  const sizes: number[] = [];
  const answerer = new PollAnswerer({
    ...{ clock: world.clock, random: world.random, signer, verify },
    trust: () => trust(revoked),
    certificate: () => certificateOf(signer),
    offers: () => table,
    score: one => scores.get(offerKey(one)) ?? one.score,
    links: () => [{ name: 'wan0', input: 8000, output: 16_000, rate: 64_000, use: 250 }],
    paths: () => [],
  });
  const table = Table.from(offers.map(one => [offerKey(one), one] as const));
  const socket = await host.net.datagram(
    { address: address('0.0.0.0'), port: PORT },
    (bytes, from, port) => {
      answerer.receive(bytes, from, reply => {
        sizes.push(reply.length);
        socket.send(reply, port, from);
      });
    },
    () => {},
  );
  return { host, answerer, signer, scores, sizes };
}

/** A GSLB that polls it. */
async function polling(world: VirtualWorld, manager: Signer, role = 'gslb', own = newSigner()) {
  const host = world.network.host('gslb', '10.0.0.9');
  const events: GslbEvent[] = [];
  const sent: Uint8Array[] = [];
  const poller = new Poller({
    ...{ clock: world.clock, random: world.random, log: world.log, signer: own, verify, interval: 1000 },
    trust: () => trust(),
    certificate: () => certificateOf(own, role),
    send: (bytes, port, to) => {
      sent.push(bytes);
      socket.send(bytes, port, to);
    },
    emit: event => void events.push(event),
  });
  const socket = await host.net.datagram(
    { address: address('0.0.0.0'), port: 0 },
    (bytes, from) => poller.receive(bytes, from),
    () => {},
  );
  poller.want(manager.id, [AT], PORT);
  return { poller, events, sent, host, socket };
}

const last = (events: readonly GslbEvent[]) => {
  const event = events.at(-1);
  if (event?.type !== 'polled') throw new Error(`not polled but ${event?.type}`);
  return event;
};

test('the third exchange brings scores, links and the round trip; those that follow need no certificate', async () => {
  const world = virtualWorld({ quality: { latency: 5 } });
  const web = offer('a');
  const { signer, scores, answerer } = await answering(world, [web]);
  const { events, sent } = await polling(world, signer);
  await world.clock.advance(100);
  expect(events).toHaveLength(1);
  expect(last(events).scores).toEqual(new Map([[offerTag(signer.id, offerKey(web)), 500]]));
  expect(last(events).links).toEqual([
    { name: 'wan0', input: 8000, output: 16_000, rate: 64_000, use: 0.25 },
  ]);
  expect(last(events).own.rtt).toBeCloseTo(10, 0);
  scores.set(offerKey(web), 123);
  await world.clock.advance(5000);
  expect([...last(events).scores.values()]).toEqual([123]);
  expect(sent.length).toBeGreaterThan(6);
  expect(sent.slice(2).every(bytes => bytes.length === 36)).toBe(true);
  expect(answerer.counters).toMatchObject({ cookie: 1, passed: 1 });
});

test('more offers than a datagram holds come in parts, none longer than 1232 bytes', async () => {
  const world = virtualWorld();
  const offers = Array.from({ length: 200 }, (_, at) => offer('a', { name: `s${at}.example`, score: at }));
  const { signer, sizes } = await answering(world, offers);
  const { events } = await polling(world, signer);
  await world.clock.advance(200);
  const told = events.flatMap(event => (event.type === 'polled' ? [...event.scores] : []));
  expect(new Map(told)).toEqual(new Map(offers.map(one => [offerTag(signer.id, offerKey(one)), one.score])));
  expect(Math.max(...sizes)).toBeLessThanOrEqual(1232);
});

test('a manager that does not answer is said to be lost after three polls, and found again', async () => {
  const world = virtualWorld();
  const { signer, host } = await answering(world, [offer('a')]);
  const { events } = await polling(world, signer);
  await world.clock.advance(1500);
  host.silent = true;
  await world.clock.advance(2200);
  expect(events.at(-1)).toEqual({ type: 'poll-lost', manager: signer.id });
  expect(events.filter(event => event.type === 'poll-lost')).toHaveLength(1);
  host.silent = false;
  await world.clock.advance(2500);
  expect(last(events).own.loss).toBeGreaterThan(0);
});

test('a way that has become much longer is measured anew', async () => {
  const world = virtualWorld({ quality: { latency: 1 } });
  const { signer, host: manager } = await answering(world, [offer('a')]);
  const { events, host } = await polling(world, signer);
  await world.clock.advance(3000);
  expect(last(events).own.rtt).toBeCloseTo(2, 0);
  world.network.path(host, manager, { latency: 300 });
  await world.clock.advance(60_000);
  expect(last(events).own.rtt).toBeGreaterThan(500);
});

test('whoever is no GSLB, and whoever was revoked, is told nothing', async () => {
  for (const [role, outcome] of [
    ['server', 'role'],
    ['gslb', 'untrusted'],
  ] as const) {
    const world = virtualWorld();
    const own = newSigner();
    const revoked = new Set(outcome === 'untrusted' ? [own.id as string] : []);
    const { signer, answerer } = await answering(world, [offer('a')], newSigner(), revoked);
    const { events } = await polling(world, signer, role, own);
    await world.clock.advance(3000);
    expect(events.filter(event => event.type === 'polled')).toEqual([]);
    expect(answerer.counters[outcome]).toBeGreaterThan(0);
  }
});

test('a reply that another key signed, a nonce that is not open, and a changed byte are refused', async () => {
  const world = virtualWorld();
  const { signer, host } = await answering(world, [offer('a')]);
  const { poller, events, sent } = await polling(world, signer);
  await world.clock.advance(50);
  const before = events.length;
  host.silent = true;
  await world.clock.advance(1000);
  const open = decodePoll(sent.at(-1)!);
  const forged = encodePoll({
    ...{ type: 'poll-reply', manager: signer.id, part: 1, parts: 1, links: [], paths: [] },
    nonce: open.type === 'poll' ? open.nonce : new Uint8Array(8),
    signature: new Uint8Array(64),
  });
  poller.receive(forged, AT);
  poller.receive(encodePoll({ type: 'echo', nonce: new Uint8Array(8) }), AT);
  poller.receive(Uint8Array.of(1, 2, 3), AT);
  const unasked = encodeAnycast({ type: 'cookie', nonce: new Uint8Array(8), cookie: new Uint8Array(16) });
  // Of one that is asked it is only late.
  poller.receive(unasked, AT);
  poller.receive(unasked, address('10.0.0.66'));
  expect(poller.counters).toMatchObject({
    late: 1,
    'refused-signature': 1,
    'refused-malformed': 1,
    'refused-nonce': 1,
  });
  const said = world.log.of('poll-refused').map(({ fields }) => fields['why']);
  expect(said).toEqual(['signature', 'malformed', 'nonce']);
  expect(events.slice(before).filter(event => event.type === 'polled')).toEqual([]);
});

test('no stranger gets more bytes than it sent', async () => {
  const world = virtualWorld();
  const { answerer } = await answering(world, [offer('a')]);
  const nonce = new Uint8Array(8);
  for (const bytes of [
    encodePoll({ type: 'poll', nonce, part: 1, padding: 0 }),
    encodePoll({ type: 'poll', nonce, part: 1, padding: 36 }),
    encodePoll({ type: 'poll', nonce, part: 1, cookie: new Uint8Array(8), padding: 0 }),
    encodePoll({ type: 'probe', nonce }),
    Uint8Array.of(0x42, 0x56, 1, MESSAGE.poll),
  ]) {
    let given = 0;
    answerer.receive(bytes, '192.0.2.1' as Address, reply => {
      given += reply.length;
    });
    expect(given).toBeLessThanOrEqual(bytes.length);
  }
  expect(answerer.counters).toEqual({ 'too-short': 1, cookie: 2, echo: 1, malformed: 1 });
});

test('who asks without end is not answered without end', async () => {
  const world = virtualWorld();
  const { answerer } = await answering(world, [offer('a')]);
  let given = 0;
  for (let asked = 0; asked < 500; asked++)
    answerer.receive(encodePoll({ type: 'probe', nonce: new Uint8Array(8) }), AT, () => void given++);
  expect(given).toBeLessThanOrEqual(40);
});

test('round trips to many managers, in their turns, never more than 20 probes in a second', async () => {
  const world = virtualWorld({ quality: { latency: 3 } });
  const { host } = await answering(world, []);
  const asker = world.network.host('asker', '10.0.0.7');
  let sent = 0;
  let thinnest = 0;
  const prober = new Prober({
    clock: world.clock,
    random: world.random,
    send(bytes, port, to) {
      sent++;
      socket.send(bytes, port, to);
    },
    thinnest: () => thinnest,
  });
  const socket = await asker.net.datagram(
    { address: address('0.0.0.0'), port: 0 },
    bytes => prober.receive(bytes),
    () => {},
  );
  const managers = Array.from({ length: 30 }, () => newSigner().id);
  for (const id of managers) prober.want(id, { addresses: [AT], port: PORT });
  await world.clock.advance(1000);
  expect(sent).toBeLessThanOrEqual(21);
  await world.clock.advance(2000);
  expect(prober.told()).toHaveLength(30);
  expect(prober.told().every(({ rtt, loss }) => Math.abs(rtt - 6000) < 1000 && loss === 0)).toBe(true);
  host.silent = true;
  await world.clock.advance(30_000);
  expect(prober.told().every(({ loss }) => loss > 100)).toBe(true);
  prober.forget(managers[0]!);
  expect(prober.told()).toHaveLength(29);
  // 1 % of 64 kbit/s.
  thinnest = 64_000;
  sent = 0;
  await world.clock.advance(60_000);
  expect((sent * 720) / 60).toBeLessThan(64_000 * 0.011);
  expect(sent).toBeGreaterThan(40);
  prober.close();
});

test('a notice that all appliances hear makes none of them ask at the same moment, and many managers are asked less often each', async () => {
  const world = virtualWorld();
  const asked: number[] = [];
  const make = () =>
    new Prober({
      ...{ clock: world.clock, random: world.random, thinnest: () => 0 },
      send: () => void asked.push(world.clock.now()),
    });
  const crowd = Array.from({ length: 100 }, make);
  const target = { addresses: [AT], port: PORT };
  for (const prober of crowd) prober.want(newSigner().id, target);
  await world.clock.advance(1100);
  expect(asked).toHaveLength(100);
  for (let from = 0; from < 1000; from += 100)
    expect(asked.filter(at => at >= from && at < from + 100).length).toBeLessThan(30);
  for (const prober of crowd) prober.close();
  const one = make();
  asked.length = 0;
  for (let count = 0; count < 200; count++) one.want(`${count}`.padStart(64, '0') as never, target);
  await world.clock.advance(60_000);
  asked.length = 0;
  await world.clock.advance(100_000);
  // Each manager of 201 is asked by 200 others as often as it asks them: about 5 a second.
  expect(asked.length / 100).toBeLessThan(6.5);
  expect(asked.length / 100).toBeGreaterThan(4);
  one.close();
});

test('what a link can carry is asked of the kernel where nobody has said it', async () => {
  const clock = new VirtualClock();
  const read = (path: string): string => {
    if (path === '/proc/net/dev') return proc(clock.now());
    if (path === '/sys/class/net/wan0/speed') return '100\n';
    throw Object.assign(new Error('EINVAL: invalid argument, read'), { code: 'EINVAL' });
  };
  const rates = new LinkRates(clock, { read }, [
    { interface: 'wan0', rate: 0 },
    { interface: 'lo', rate: 0 },
  ]);
  await clock.advance(10_000);
  expect(rates.told().map(({ name, rate }) => [name, rate])).toEqual([
    ['wan0', 100_000_000],
    ['lo', 0],
  ]);
  expect(rates.thinnest).toBe(100_000_000);
  rates.close();
});

const proc = (bytes: number): string => `Inter-|   Receive                            |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 5 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0
  wan0:${bytes} 9 0 0 0 0 0 0 ${bytes / 2} 9 0 0 0 0 0 0
`;

test('rates are averages over 5 minutes, and use over 30 seconds, of what the kernel counts', async () => {
  const clock = new VirtualClock();
  let bytes = 0;
  const rates = new LinkRates(clock, { read: () => proc(bytes) }, [
    { interface: 'wan0', rate: 16_000 },
    { interface: 'gone0', rate: 0 },
  ]);
  expect(rates.told()).toEqual([]);
  // 1000 bytes a second, then nothing.
  for (let second = 0; second < 60; second += 5) {
    bytes += 5000;
    await clock.advance(5000);
  }
  expect(rates.told()).toEqual([{ name: 'wan0', input: 8000, output: 4000, rate: 16_000, use: 500 }]);
  await clock.advance(30_000);
  const [wan] = rates.told();
  expect(wan!.input).toBeCloseTo(8000 * Math.exp(-0.1), -1);
  expect(wan!.use).toBeCloseTo(500 * Math.exp(-1), -1);
  rates.close();
  expect([...readCounters('nonsense\n x: 1 2\n').keys()]).toEqual([]);
});
