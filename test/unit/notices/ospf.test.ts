/** Notices by OSPF alone, in virtual time: what the database holds, who learns what from it, and what is not believed. */
import { expect, test } from 'vitest';
import { address } from '../../../sdk/wire/address.ts';
import { decodeNotice } from '../../../sdk/wire/notices.ts';
import { VirtualOspf, type VirtualOspfd } from '../../support/virtual/ospfd.ts';
import { virtualWorld } from '../../support/virtual.ts';
import { binding, certificateOf, Manager, wanted } from './world.ts';

const OSPF = { port: 2607, opaqueType: 187, sockets: '/run/frr', refresh: 5000 };
const ALONE = { groups: [], interfaces: [], ospf: OSPF };
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, at) => from + at);
const bindings = (numbers: readonly number[], epoch = 1) => numbers.map(number => binding(number, { epoch }));

async function scene(seed = 1) {
  const world = virtualWorld({ seed });
  const ospf = new VirtualOspf();
  const join = async (name: string, at: string, role = 'manager') => {
    const manager = new Manager(world, name, at);
    const router = await ospf.router(manager.host).start();
    const start = () =>
      manager.start(ALONE, { ospf: router, certificate: certificateOf(manager.signer, role) });
    return { manager, router, start };
  };
  return { world, ospf, join };
}

/** LSAs that are not flushed, of whomever. */
const alive = (router: VirtualOspfd): number =>
  [...router.database.values()].filter(({ flushed }) => !flushed).length;

test('a change is told by a new LSA at once, and by no datagram', async () => {
  const { world, join } = await scene();
  const [a, b] = [await join('a', '10.0.0.1'), await join('b', '10.0.0.2')];
  await a.start();
  await b.start();
  await world.clock.advance(1000);
  for (let epoch = 1; epoch < 10; epoch++) {
    a.manager.announce(bindings([1], epoch));
    await world.clock.advance(7);
    expect(b.manager.believes(a.manager)).toEqual(wanted([1], epoch));
  }
  expect(b.manager.notices.counters()['repair-asked']).toBe(1);
});

test('who comes late learns all from the database, and asks only for a sign of life', async () => {
  const { world, join } = await scene();
  const [a, b] = [await join('a', '10.0.0.1'), await join('b', '10.0.0.2', 'gslb')];
  await a.start();
  a.manager.announce(bindings(range(0, 400)));
  await world.clock.advance(1000);
  a.manager.announce(bindings(range(100, 300), 2));
  await world.clock.advance(60_000);
  // 200 bindings in full notices, and a refresh.
  expect(alive(a.router)).toBeLessThan(25);
  await b.start();
  await world.clock.advance(500);
  expect(b.manager.believes(a.manager)).toEqual(wanted(range(100, 300), 2));
  expect(a.manager.notices.counters()['repair-answered']).toBeUndefined();
  expect(b.manager.notices.counters()['image-recalled']).toBe(1);
});

test('what is gone leaves no trace', async () => {
  const { world, join } = await scene();
  const a = await join('a', '10.0.0.1');
  await a.start();
  a.manager.announce(bindings(range(0, 200)));
  await world.clock.advance(30_000);
  a.manager.announce([]);
  await world.clock.advance(30_000);
  const left = [...a.router.database.values()].filter(({ flushed }) => !flushed);
  const told = left.map(({ data }) => decodeNotice(cut(data)));
  expect(told.map(({ type }) => type).sort()).toEqual(['notice', 'refresh']);
  expect(told.flatMap(message => (message.type === 'notice' ? message.bindings : []))).toEqual([]);
});

test.each([1, 2, 3])('whoever was cut off for a quarter of an hour knows all again (seed %i)', async seed => {
  const { world, ospf, join } = await scene(seed);
  const [a, b] = [await join('a', '10.0.0.1'), await join('b', '10.0.0.2')];
  await a.start();
  await b.start();
  a.manager.announce(bindings(range(0, 100)));
  await world.clock.advance(2000);
  expect(b.manager.believes(a.manager)).toHaveLength(100);
  world.network.partition(a.manager.host, b.manager.host, true);
  b.router.cut = true;
  b.router.reach(a.router, false);
  await world.clock.advance(100);
  // OSPF says so: three refreshes need not be missed.
  expect(b.manager.silent.has(a.manager.signer.id)).toBe(true);
  // So long that nobody remembers any more what is gone.
  for (const epoch of range(2, 8)) {
    a.manager.announce(bindings(range(epoch * 10, 100), epoch));
    await world.clock.advance(150_000);
  }
  world.network.partition(a.manager.host, b.manager.host, false);
  b.router.cut = false;
  ospf.synchronize();
  b.router.reach(a.router, true);
  await world.clock.advance(15_000);
  expect(b.manager.believes(a.manager)).toEqual(wanted(range(70, 100), 7));
  expect(b.manager.silent.size).toBe(0);
  expect(a.manager.notices.counters()['repair-answered']).toBeUndefined();
});

test('an LSA that a peer flushes says nothing; a signed farewell does', async () => {
  const { world, join } = await scene();
  const [a, b] = [await join('a', '10.0.0.1'), await join('b', '10.0.0.2')];
  await a.start();
  await b.start();
  a.manager.announce(bindings([1, 2]));
  await world.clock.advance(1000);
  a.manager.notices.close(false);
  await world.clock.advance(1000);
  expect(alive(b.router)).toBe(1);
  expect(b.manager.believes(a.manager)).toHaveLength(2);
  await world.clock.advance(20_000);
  expect(b.manager.silent.has(a.manager.signer.id)).toBe(true);
  a.manager.boot = 2;
  await a.start();
  await world.clock.advance(1000);
  expect(b.manager.believes(a.manager)).toHaveLength(2);
  a.manager.notices.close(true);
  await world.clock.advance(10);
  expect(b.manager.heard.at(-1)).toEqual({ type: 'peer-gone', manager: a.manager.signer.id });
  await world.clock.advance(1000);
  expect(alive(b.router)).toBe(1);
});

test('ospfd may crash at either end, and be long in coming', async () => {
  const { world, ospf, join } = await scene();
  const [a, b] = [await join('a', '10.0.0.1'), await join('b', '10.0.0.2')];
  await a.start();
  await b.start();
  a.manager.announce(bindings(range(0, 50)));
  await world.clock.advance(1000);
  for (const { router } of [a, b]) {
    router.crash();
    await world.clock.advance(8000);
    a.manager.announce(bindings(range(10, 50), router === a.router ? 2 : 3));
    router.configured = false;
    await router.start();
    await world.clock.advance(20_000);
    router.configured = true;
    await world.clock.advance(12_000);
    ospf.synchronize();
    await world.clock.advance(6000);
  }
  expect(b.manager.believes(a.manager)).toEqual(wanted(range(10, 50), 3));
  expect(b.manager.silent.size).toBe(0);
  const said = world.log.of('ospf-api-unreachable').map(({ fields }) => String(fields['sentence']));
  expect(said.some(sentence => sentence.includes('no `router ospf` yet'))).toBe(true);
  expect(world.log.of('ospf-api-ready')).toHaveLength(4);
});

test('where ospfd has no API the log says how to give it one', async () => {
  const { world, join } = await scene();
  const a = await join('a', '10.0.0.1');
  a.manager.host.listeners.delete(2607);
  await a.start();
  await world.clock.advance(60_000);
  const said = world.log.of('ospf-api-unreachable');
  expect(said).toHaveLength(1);
  expect(said[0]!.fields['sentence']).toContain('start ospfd with -a');
  expect(a.manager.problems).toEqual([[said[0]!.fields['sentence']]]);
  await a.router.start();
  await world.clock.advance(20_000);
  expect(a.manager.problems.at(-1)).toEqual([]);
});

test('more changes than OSPF is to carry are left to the next image', async () => {
  const { world, join } = await scene();
  const [a, b] = [await join('a', '10.0.0.1'), await join('b', '10.0.0.2')];
  await a.start();
  await b.start();
  for (let epoch = 1; epoch <= 1000; epoch++) {
    a.manager.announce(bindings([1], epoch));
    await world.clock.advance(6);
  }
  await world.clock.advance(10_000);
  expect(b.manager.believes(a.manager)).toEqual(wanted([1], 1000));
  expect(a.manager.notices.counters()['lsa-deferred']).toBeGreaterThan(100);
  expect(a.router.originated).toBeLessThan(700);
  await world.clock.advance(20_000);
  expect(alive(a.router)).toBeLessThan(6);
});

test('what somebody floods who is no manager, or floods again, is not believed', async () => {
  const { world, join } = await scene();
  const [a, b, mallory] = [
    await join('a', '10.0.0.1'),
    await join('b', '10.0.0.2'),
    await join('mallory', '10.0.0.66'),
  ];
  await a.start();
  await b.start();
  a.manager.announce(bindings([1, 2, 3]));
  await world.clock.advance(30_000);
  const old = [...a.router.database.values()].map(({ data }) => data);
  a.manager.announce(bindings([1], 2));
  await world.clock.advance(30_000);
  const believed = b.manager.believes(a.manager);
  expect(believed).toEqual(wanted([1], 2));
  let id = 0;
  const flood = (data: Uint8Array): void =>
    mallory.router.install({
      ...{ router: address('10.0.0.66'), id: 187 * 2 ** 24 + id++, sequence: 1, flushed: false, data },
    });
  const fresh = [...a.router.database.values()].map(({ data }) => data);
  // All that a ever said, an image among it, once more and changed; and what is no message at all.
  for (const data of [...old, ...fresh]) {
    flood(data);
    for (let at = 0; at < data.length; at += 37) {
      const changed = data.slice();
      changed[at] = changed[at]! ^ 0x41;
      flood(changed);
    }
    flood(data.slice(0, 100));
  }
  await world.clock.advance(30_000);
  expect(b.manager.believes(a.manager)).toEqual(believed);
  expect(b.manager.silent.size).toBe(0);
  // Who comes now finds all of it in its database.
  const c = await join('c', '10.0.0.3');
  for (const lsa of mallory.router.database.values()) c.router.install(lsa);
  await c.start();
  await world.clock.advance(30_000);
  expect(c.manager.believes(a.manager)).toEqual(believed);
});

test('an image that the manager does not name any more is not taken in, though all is missing', async () => {
  const { world, join } = await scene();
  const a = await join('a', '10.0.0.1');
  await a.start();
  a.manager.announce(bindings([1, 2, 3]));
  await world.clock.advance(30_000);
  const old = [...a.router.database.values()].filter(({ flushed }) => !flushed);
  a.manager.announce(bindings([1], 2));
  await world.clock.advance(30_000);
  const c = await join('c', '10.0.0.3');
  a.router.cut = true;
  const refresh = [...a.router.database.values()].find(
    ({ data, flushed }) => !flushed && decodeNotice(cut(data)).type === 'refresh',
  );
  c.router.install(refresh!);
  await c.start();
  for (let at = 0; at < 2000 && c.manager.notices.status().length === 0; at++) await world.clock.advance(0.1);
  // Believed, but what it has to tell is lost on the way.
  world.network.partition(a.manager.host, c.manager.host, true);
  expect(c.manager.notices.status()).toMatchObject([{ known: 0 }]);
  for (const lsa of old) c.router.install({ ...lsa, router: address('10.0.0.66'), sequence: 9 });
  await world.clock.advance(1000);
  expect(c.manager.believes(a.manager)).toEqual([]);
  expect(c.manager.notices.counters()['dropped-unasked']).toBeGreaterThan(0);
});

test('OSPF and multicast together: each change is taken once, and silence is seen as soon as by multicast', async () => {
  const world = virtualWorld();
  const ospf = new VirtualOspf();
  const both = { ospf: OSPF };
  const a = new Manager(world, 'a', '10.0.0.1');
  const b = new Manager(world, 'b', '10.0.0.2');
  for (const manager of [a, b]) await manager.start(both, { ospf: await ospf.router(manager.host).start() });
  a.announce(bindings([1]));
  await world.clock.advance(20_000);
  expect(b.believes(a)).toEqual(wanted([1]));
  const heard = (): number => b.notices.counters()['lsa-heard'] ?? 0;
  // Right after a refresh that allows for the longer silence.
  for (const before = heard(); heard() === before; ) await world.clock.advance(1);
  a.host.silent = true;
  for (const router of ospf.routers) router.cut = true;
  await world.clock.advance(3700);
  expect(b.silent.has(a.signer.id)).toBe(true);
});

/** The message in an LSA. */
const cut = (data: Uint8Array): Uint8Array => data.subarray(0, 12 + data[4]! * 256 + data[5]!);
