/** Notices by OSPF alone, over FRR's ospfd as Debian has it, all its timers untouched, with a router between that has no API. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { many, Row } from '../support/flooding.ts';
import { poll } from '../support/netns.ts';

let row: Row;
beforeAll(async () => {
  row = await Row.start();
}, 120_000);
afterEach(() => row.quiet());
afterAll(() => row?.dispose());

const LIMIT = 60_000;

test('a change is two hops away at once, though FRR lets no LSA change within 5 s', async () => {
  const [a, b] = [await row.speak('a'), await row.speak('b')];
  a.announce(many(3, 1));
  await poll(() => b.bindings.size === 3, LIMIT, 'three bindings');
  const took: number[] = [];
  for (let epoch = 2; epoch < 22; epoch++) {
    const from = performance.now();
    a.announce(many(3, epoch));
    await poll(() => [...b.bindings.values()].every(value => value === epoch), LIMIT, 'the epoch', 0);
    took.push(performance.now() - from);
  }
  took.sort((one, other) => one - other);
  // On a busy machine, too.
  expect(took[10]).toBeLessThan(2000);
}, 120_000);

test('who comes late learns all from OSPF’s database', async () => {
  const a = await row.speak('a');
  // What is announced before ospfd is reached is in the first image.
  await poll(() => a.log.of('ospf-api-ready').length > 0, LIMIT, 'the API');
  a.announce(many(300, 1));
  a.announce(many(200, 2));
  // The table anew, and what came before it taken back.
  await poll(() => (a.notices.counters()['lsa-flushed'] ?? 0) > 10, LIMIT, 'the flush', 50);
  await poll(async () => (await row.flooded('m')) < 25, LIMIT, 'an image alone', 200);
  const b = await row.speak('b', { role: 'gslb' });
  expect(await poll(() => b.bindings.size === 200, LIMIT, '200 bindings')).toBe(true);
  expect([...b.bindings.values()].every(epoch => epoch === 2)).toBe(true);
  expect(b.notices.counters()['image-recalled']).toBeGreaterThan(0);
  // Nothing has to be asked; who is held up by a busy machine may ask.
  expect(a.notices.counters()['repair-answered'] ?? 0).toBeLessThan(5);
  a.announce([]);
  await poll(() => b.bindings.size === 0, LIMIT, 'none');
  // A refresh, and an image of nothing.
  expect(await poll(async () => (await row.flooded('m')) <= 2, LIMIT, 'no trace', 200)).toBe(true);
}, 180_000);

test('a thousand changes are one flow, and no storm', async () => {
  const [a, b] = [await row.speak('a'), await row.speak('b')];
  a.announce(many(1, 1));
  await poll(() => b.bindings.size === 1, LIMIT, 'one');
  const before = await row.updates('b');
  a.announce(many(1000, 2));
  await poll(() => b.bindings.size === 1000, LIMIT, 'a thousand');
  const told = (await row.updates('b')) - before;
  // Some 80, and what a busy machine sends twice.
  expect(told).toBeLessThan(250);
  const sent = a.notices.counters()['lsa-sent']!;
  await poll(() => (a.notices.counters()['lsa-flushed'] ?? 0) >= sent / 2, LIMIT, 'the flush', 50);
  // All of it once more in an image, and the first flushed.
  expect((await row.updates('b')) - before).toBeLessThan(700);
  // Nothing has to be asked; who is held up by a busy machine may ask.
  expect(a.notices.counters()['repair-answered'] ?? 0).toBeLessThan(5);
}, 180_000);

test('cut off and back, a manager is silent meanwhile, and then known as it is', async () => {
  const [a, b] = [await row.speak('a'), await row.speak('b')];
  a.announce(many(100, 1));
  await poll(() => b.bindings.size === 100, LIMIT, 'a hundred');
  row.m.ip('link set e1 down');
  try {
    const from = performance.now();
    await poll(() => b.heard.some(event => event.type === 'peer-silent'), LIMIT, 'silence');
    // OSPF says so, long before three refreshes are missed.
    expect(performance.now() - from).toBeLessThan(15_000);
    a.announce(many(50, 2));
  } finally {
    row.m.ip('link set e1 up');
  }
  expect(
    await poll(
      () => b.bindings.size === 50 && [...b.bindings.values()].every(epoch => epoch === 2),
      LIMIT,
      'fifty',
    ),
  ).toBe(true);
  expect(await poll(() => b.notices.status().every(peer => !peer.silent), LIMIT)).toBe(true);
}, 180_000);

test('ospfd may crash and come back, at either end', async () => {
  const [a, b] = [await row.speak('a'), await row.speak('b')];
  a.announce(many(100, 1));
  await poll(() => b.bindings.size === 100, LIMIT, 'a hundred');
  await row.frr.a.restart('SIGKILL');
  a.announce(many(100, 2));
  await poll(() => [...b.bindings.values()].every(epoch => epoch === 2), LIMIT, 'after the restart of a');
  await row.frr.b.restart('SIGKILL');
  a.announce(many(70, 3));
  expect(
    await poll(
      () => b.bindings.size === 70 && [...b.bindings.values()].every(epoch => epoch === 3),
      LIMIT,
      'of b',
    ),
  ).toBe(true);
  expect(a.log.of('ospf-api-ready').length).toBeGreaterThan(1);
  await row.full();
}, 240_000);

test('a stop in good order is heard, and leaves nothing behind; a crash is no farewell', async () => {
  const [a, b] = [await row.speak('a'), await row.speak('b')];
  a.announce(many(20, 1));
  await poll(() => b.bindings.size === 20, LIMIT, 'twenty');
  // The connection ends, as by SIGKILL: ospfd flushes, but nobody has signed that.
  a.notices.close(false);
  await poll(async () => (await row.flooded('b')) <= 1, LIMIT, 'the flush', 100);
  expect(b.bindings.size).toBe(20);
  expect(b.heard.some(event => event.type === 'peer-gone')).toBe(false);
  const again = await row.speak('a', { signer: a.signer, boot: 2 });
  again.announce(many(10, 2));
  await poll(() => b.bindings.size === 10, LIMIT, 'ten');
  again.notices.close(true);
  expect(await poll(() => b.heard.some(event => event.type === 'peer-gone'), LIMIT, 'the farewell')).toBe(
    true,
  );
  expect(await poll(async () => (await row.flooded('m')) <= 1, LIMIT, 'no trace', 100)).toBe(true);
}, 180_000);

test('with the filter of docs/operations.md nobody from outside reaches the API, and this manager does', async () => {
  const reaches = async (): Promise<boolean> => {
    const script = `const s = require('net').connect({ port: 2607, host: '10.91.1.1', timeout: 2000 }); const end = what => { console.log(what); process.exit(); }; s.on('connect', () => end('yes')).on('timeout', () => end('no')).on('error', () => end('no'))`;
    return (await row.m.run(process.execPath, ['-e', script])).stdout.includes('yes');
  };
  // This is why: ospfd listens at all addresses.
  expect(await poll(reaches, LIMIT, 'it is reached')).toBe(true);
  const text = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  const file = join(row.directory, 'filter.nft');
  writeFileSync(file, /```nft\n([^`]+)```/.exec(text)![1]!);
  expect((await row.a.run('nft', ['-f', file])).stderr).toBe('');
  try {
    expect(await reaches()).toBe(false);
    const [a, b] = [await row.speak('a'), await row.speak('b')];
    a.announce(many(1, 1));
    expect(await poll(() => b.bindings.size === 1, LIMIT, 'one')).toBe(true);
  } finally {
    await row.a.run('nft', ['delete', 'table', 'inet', 'ospf-api']);
  }
}, 120_000);

test('a router without `capability opaque` on the way passes nothing on', async () => {
  const narrow = await Row.start({ opaque: false });
  try {
    const [a, b] = [await narrow.speak('a'), await narrow.speak('b')];
    a.announce(many(3, 1));
    expect(await poll(async () => (await narrow.flooded('a')) >= 2, LIMIT, 'flooded', 50)).toBe(true);
    expect(await narrow.flooded('m')).toBe(0);
    expect(b.bindings.size).toBe(0);
    // Turned on, all comes that is there.
    await narrow.tell('m', 'configure terminal', 'router ospf', 'capability opaque');
    expect(await poll(() => b.bindings.size === 3, LIMIT, 'three bindings')).toBe(true);
  } finally {
    await narrow.dispose();
  }
}, 180_000);
