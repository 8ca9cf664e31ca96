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

/**
 * Says `word` each `pause` ms until that has gone on for twice `time`, the affinity in ms, with no longer silence; then the next connections
 * must be to where the words went. A busy machine may be silent for longer: then it begins anew. Gives the server.
 */
async function staying(time: number, pause: number, word: () => Promise<string>): Promise<string> {
  for (let attempt = 0; attempt < 5; attempt++) {
    const since = performance.now();
    const first = await word();
    let spoken = since;
    const servers = new Set([first]);
    // What was said may have been said at the begin of its turn already.
    const spoke = async (say: () => Promise<string>): Promise<boolean> => {
      const begin = performance.now();
      const server = await say();
      const silent = performance.now() - spoken;
      spoken = begin;
      if (silent < time - 200) servers.add(server);
      return silent < time - 200;
    };
    let kept = true;
    while (kept && performance.now() - since < 2 * time) {
      await new Promise(resolve => setTimeout(resolve, pause));
      kept = await spoke(word);
    }
    for (let at = 0; kept && at < 3; at++) kept = await spoke(async () => (await cell.open()).server);
    expect([...servers]).toEqual([first]);
    if (kept) return first;
  }
  throw new Error('this machine is never at it for long enough');
}

test('affinity: a client stays while it is quiet for less than the time, and leaves a server that drains or dies', async () => {
  await driver.apply(farm([A, B, C], { affinity: 4 }));
  await staying(4000, 2500, async () => (await cell.open()).server);
  // From here on it is to last as long as a busy machine takes.
  await driver.apply(farm([A, B, C], { affinity: 60 }));
  const first = (await cell.open()).server;
  expect(await cell.spread(6)).toEqual({ [first]: 6 });
  const members = [A, B, C].map(at => ({ at, accepts: at !== first }));
  await driver.apply(farm(members, { affinity: 60 }));
  const second = (await cell.open()).server;
  expect(second).not.toBe(first);
  expect(await cell.spread(4)).toEqual({ [second]: 4 });
  await driver.apply(
    farm(
      [A, B, C].filter(at => at !== second),
      { affinity: 60 },
    ),
  );
  const third = (await cell.open()).server;
  expect(third).not.toBe(second);
  expect(await cell.spread(4)).toEqual({ [third]: 4 });
});

test('affinity is kept alive by the packets of a long flow', async () => {
  await driver.apply(farm([A, B, C], { affinity: 2 }));
  const talk = await cell.open();
  const server = await staying(2000, 800, async () => {
    expect(await talk.echo()).toBe(true);
    return talk.server;
  });
  talk.socket.destroy();
  expect(server).toBe(talk.server);
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
  await poll(() => ours.ended, 30_000);
  expect(await theirs.echo()).toBe(true);
  theirs.socket.destroy();
  cell.appliance.runSync('nft', ['delete', 'table', 'inet', 'other']);
});
