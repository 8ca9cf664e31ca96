import { afterAll, beforeAll, expect, test } from 'vitest';
import { openNftables } from '../../appliance/commands/dataplane.ts';
import { LAYOUT, PROBE_MARK } from '../../appliance/dataplane/layout.ts';
import { synTo } from '../../appliance/dataplane/syn.ts';
import { createClock } from '../../appliance/host/clock.ts';
import { createExec } from '../../appliance/host/exec.ts';
import { openMarkedSender } from '../../appliance/host/netlink.ts';
import { address, addressBytes } from '../../sdk/wire/address.ts';
import { Cell, farm, inside, type Talk, VIP, VIP6, wanted } from '../support/dataplane.ts';
import { poll } from '../support/netns.ts';

const cell = new Cell();
const quiet = { clock: createClock(), exec: createExec(), log: () => {} };
const [A, B, D] = ['10.1.0.11', '10.1.0.12', '10.1.0.14'];
const direct = farm([D], { mode: 'direct', ports: { first: 81, last: 81 }, affinity: 60 });
const farms = [
  farm(
    [
      { at: A, weight: 3 },
      { at: B, weight: 2 },
    ],
    { affinity: 30 },
  ),
  farm([A, B], { transport: 'udp', ports: { first: 5000, last: 5002 }, scheduler: 'source-hash' }),
  farm(['fd01::11', { at: 'fd01::12', accepts: false }], { vip: VIP6 }),
  farm([{ ...farm([A]).members[0]!, at: A, port: 8080 }], { ports: { first: 443, last: 443 } }),
  direct,
];
const ruleset = (): string =>
  cell.appliance.runSync('nft', ['-a', '-s', 'list', 'ruleset']).replace(/ expires \S+/g, '');

/** Whether conntrack has seen a packet with this mark to a client of the VIP. */
const probed = (mark: number): Promise<boolean> =>
  inside(cell.appliance, async () => {
    const sender = openMarkedSender(mark);
    // One that is not there, and so ends no flow by its answer.
    const client = address('10.9.0.99');
    const clientPort = 4000 + (mark & 1);
    const flow = { vip: VIP, vipPort: 80, client, clientPort, mark: 0, established: true } as const;
    const packet = synTo({ ...flow, transport: 'tcp' });
    await sender.send([{ packet, to: addressBytes(client) }]);
    sender.close();
    return cell.appliance.runSync('conntrack', ['-L', '-s', VIP]).includes(`dport=${clientPort}`);
  });

beforeAll(async () => {
  await Promise.all([cell.serve(11), cell.serve(12), cell.serve(14, 'direct')]);
});
afterAll(() => cell.dispose());

test('a daemon that is killed and comes back adopts all, touches nothing, and no flow is lost', async () => {
  const first = await cell.driver();
  const state = wanted(farms, [VIP]);
  expect((await inside(cell.appliance, () => first.driver.apply(state))).problems).toEqual([]);
  const talks: Talk[] = [];
  for (let at = 0; at < 5; at++)
    talks.push(await cell.open(), await cell.open(81), await cell.open(80, VIP6));
  first.driver.detach();

  const before = ruleset();
  const monitor = cell.appliance.spawn('nft', ['monitor']);
  await poll(() => cell.appliance.runSync('cat', ['/proc/net/netlink']).includes(` ${monitor.pid} `));
  const second = await cell.driver();
  const { reached, problems } = await inside(cell.appliance, () => second.driver.apply(wanted(farms, [VIP])));
  expect(problems).toEqual([]);
  expect([...reached.entries()].sort()).toEqual(farms.map(each => [each.key, each.members.length]).sort());
  expect(ruleset()).toBe(before);
  // The same again, as a reload with nothing new in it.
  await inside(cell.appliance, () => second.driver.apply(wanted(structuredClone(farms), [VIP])));
  expect(ruleset()).toBe(before);
  expect(
    monitor
      .stdout()
      .split('\n')
      .filter(line => /^(add|delete)/.test(line)),
  ).toEqual([]);
  for (const talk of talks) expect(await talk.echo()).toBe(true);
  await monitor.stop();

  // What differs from what was found is changed, and nothing else.
  await second.apply(...farms.slice(1));
  await poll(() => talks[0]!.ended, 30_000);
  expect(talks[0]!.ended).toBe('ECONNRESET');
  expect(await talks[1]!.echo()).toBe(true);
  expect(await second.driver.connections()).toEqual(
    new Map([
      [direct.key, new Map([[`${D}|0`, 5]])],
      [farms[2]!.key, new Map([['fd01::11|0', 5]])],
    ]),
  );

  await inside(cell.appliance, () => second.driver.release());
  expect(ruleset()).toBe('');
  expect(cell.appliance.ip('rule')).not.toContain('9747');
  expect(cell.appliance.runSync('sysctl', ['-n', 'net.ipv4.conf.lan.send_redirects']).trim()).toBe('1');
});

test('a table without the part for farms is adopted as it is, and gets it with the first farm, or from a driver that is for farms', async () => {
  const later = () => cell.act(async () => openNftables(quiet, { farmsLater: true }));
  const chains = (): string => cell.appliance.runSync('nft', ['list', 'chains', 'inet']);
  const first = await later();
  await inside(cell.appliance, () => first.driver.apply(wanted([], [VIP, VIP6])));
  const bare = ruleset();
  expect(bare).toContain(VIP);
  expect(chains()).not.toContain('nat_dispatch');
  first.driver.detach();
  expect(await probed(PROBE_MARK)).toBe(false);
  expect(await probed(0)).toBe(true);

  const second = await later();
  await inside(cell.appliance, () => second.driver.apply(wanted([], [VIP, VIP6])));
  expect(ruleset()).toBe(bare);
  const { problems } = await inside(cell.appliance, () =>
    second.driver.apply(wanted([farm([A]), direct], [VIP, VIP6])),
  );
  expect(problems).toEqual([]);
  const talks = [await cell.open(), await cell.open(81)];
  // Farms that were adopted are as good as any.
  second.driver.detach();
  const third = await later();
  await inside(cell.appliance, () => third.driver.apply(wanted([farm([A]), direct], [VIP, VIP6])));
  for (const talk of talks) expect(await talk.echo()).toBe(true);
  await inside(cell.appliance, () => third.driver.release());
  expect(ruleset()).toBe('');

  const fourth = await later();
  await inside(cell.appliance, () => fourth.driver.apply(wanted([], [VIP])));
  fourth.driver.detach();
  const plain = await cell.driver();
  expect(await plain.apply()).toEqual([]);
  expect(chains()).toContain('nat_dispatch');
  expect(await plain.apply(farm([B]))).toEqual([]);
  expect(await cell.spread(2)).toEqual({ [B]: 2 });
  await inside(cell.appliance, () => plain.driver.release());
  expect(ruleset()).toBe('');
});

test('a table of another layout is replaced at once, and its nat flows go on', async () => {
  const first = await cell.driver();
  await first.apply(farm([A, B]));
  const talks = [await cell.open(), await cell.open()];
  first.driver.detach();
  cell.appliance.runSync(
    'nft',
    ['-f', '-'],
    `add chain inet bivouac layout-0-9747\ndelete chain inet bivouac layout-${LAYOUT}-9747\n`,
  );
  const second = await cell.driver();
  expect(await second.apply(farm([A, B]))).toEqual([]);
  for (const talk of talks) expect(await talk.echo()).toBe(true);
  expect(cell.appliance.runSync('nft', ['list', 'chains'])).not.toContain('layout-0');

  // Somebody flushes the ruleset: the next change finds out, and the one after it has all back.
  cell.appliance.runSync('nft', ['flush', 'ruleset']);
  expect((await second.apply(farm([A]))).length).toBeGreaterThan(0);
  expect(await second.apply(farm([A]))).toEqual([]);
  expect(await cell.spread(2)).toEqual({ [A]: 2 });

  // What cannot be carried is said, and does not hinder the rest.
  const problems = await second.apply(
    farm([A]),
    farm([A], { mode: 'tunnel', ports: { first: 90, last: 90 } }),
    farm(['192.0.2.1'], { mode: 'direct', ports: { first: 91, last: 91 } }),
  );
  expect(problems.filter(problem => problem.includes("'tunnel'"))).toHaveLength(1);
  expect(problems.filter(problem => problem.includes('192.0.2.1'))).toHaveLength(1);
  expect(await cell.spread(2)).toEqual({ [A]: 2 });
});
