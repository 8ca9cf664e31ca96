import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Cell, farm, VIP } from '../support/dataplane.ts';
import { poll } from '../support/netns.ts';

const cell = new Cell();
let driver: Awaited<ReturnType<Cell['driver']>>;
const [A, B, C] = ['10.1.0.11', '10.1.0.12', '10.1.0.13'];

beforeAll(async () => {
  await Promise.all([cell.serve(11), cell.serve(12), cell.serve(13)]);
  driver = await cell.driver();
});
beforeEach(async () => {
  expect(await driver.apply()).toEqual([]);
});
afterAll(() => cell.dispose());

test('affinity: a client stays while it is quiet for less than the time, and leaves a server that drains or dies', async () => {
  await driver.apply(farm([A, B, C], { affinity: 2 }));
  const first = (await cell.open()).server;
  expect(await cell.spread(6)).toEqual({ [first]: 6 });
  await new Promise(resolve => setTimeout(resolve, 1300));
  expect(await cell.spread(2)).toEqual({ [first]: 2 });
  await new Promise(resolve => setTimeout(resolve, 1300));
  expect(await cell.spread(2)).toEqual({ [first]: 2 });
  const members = [A, B, C].map(at => ({ at, accepts: at !== first }));
  await driver.apply(farm(members, { affinity: 2 }));
  const second = (await cell.open()).server;
  expect(second).not.toBe(first);
  expect(await cell.spread(4)).toEqual({ [second]: 4 });
  await driver.apply(
    farm(
      [A, B, C].filter(at => at !== second),
      { affinity: 2 },
    ),
  );
  const third = (await cell.open()).server;
  expect(third).not.toBe(second);
  expect(await cell.spread(4)).toEqual({ [third]: 4 });
});

test('affinity is kept alive by the packets of a long flow', async () => {
  await driver.apply(farm([A, B, C], { affinity: 1 }));
  const talk = await cell.open();
  for (let at = 0; at < 6; at++) {
    await new Promise(resolve => setTimeout(resolve, 400));
    expect(await talk.echo()).toBe(true);
  }
  expect(await cell.spread(3)).toEqual({ [talk.server]: 3 });
  talk.socket.destroy();
});

test('a process on the appliance itself reaches the farm, whether the VIP is an address there or not', async () => {
  await driver.apply(farm([A]));
  cell.appliance.ip(`route add 10.50.0.0/24 dev lan`);
  expect((await cell.open(80, VIP, cell.appliance)).server).toBe(A);
  cell.appliance.ip(`addr add ${VIP}/32 dev lo`);
  expect((await cell.open(80, VIP, cell.appliance)).server).toBe(A);
  expect((await cell.open()).server).toBe(A);
  cell.appliance.ip(`addr del ${VIP}/32 dev lo`);
  cell.appliance.ip(`route del 10.50.0.0/24 dev lan`);
});

test('flows that other software of the router marks are none of ours: they go on, and ours beside them', async () => {
  const rule = 'ct mark 0 ct mark set 0x8001 counter';
  cell.appliance.runSync(
    'nft',
    ['-f', '-'],
    `table inet other { chain marks { type filter hook prerouting priority -151; tcp dport 81 ${rule}; }; chain kept { type filter hook postrouting priority 400; ct mark 0x8001 tcp dport 81 counter; }; }`,
  );
  await driver.apply(farm([A], { ports: { first: 81, last: 81 } }));
  const theirs = await cell.open(81, B);
  const ours = await cell.open(81);
  expect([theirs.server, ours.server]).toEqual([B, A]);
  expect(await theirs.echo()).toBe(true);
  expect(cell.appliance.runSync('nft', ['list', 'chain', 'inet', 'other', 'kept'])).toMatch(/packets [1-9]/);
  await driver.apply();
  await poll(() => ours.ended, 1000);
  expect(await theirs.echo()).toBe(true);
  theirs.socket.destroy();
  cell.appliance.runSync('nft', ['delete', 'table', 'inet', 'other']);
});
