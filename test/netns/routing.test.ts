/**
 * The routing driver with real FRR: what is added at A is in the kernel of C, two OSPF hops away.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Frr } from '../../appliance/routing/frr.ts';
import { poll } from '../support/netns.ts';
import {
  driverOn,
  execIn,
  learned,
  type Row,
  routes,
  routingConfig,
  threeRouters,
  untilLearned,
} from '../support/routing.ts';
import type { RecordingLog } from '../support/virtual/log.ts';

describe.each(['external', 'internal'] as const)('VIPs as %s routes', kind => {
  let row: Row;
  let frr: Frr;
  let log: RecordingLog;

  beforeAll(async () => {
    row = await threeRouters({ bare: ['a'] });
    ({ frr, log } = driverOn(row.a, routingConfig(row.a, kind)));
    await poll(() => log.of('frr-ready').length >= 2, 30_000, 'the driver has set up FRR');
    await untilLearned(row.c, '10.9.1.0/24');
  });
  afterAll(async () => {
    frr?.detach();
    await row?.dispose();
  });

  it('come and go two hops away', async () => {
    expect(await frr.apply(routes(['10.50.0.1', '10.50.0.2']))).toMatchObject({ problems: [] });
    await untilLearned(row.c, '10.50.0.1');
    await untilLearned(row.c, '10.50.0.2');
    const { reached } = await frr.apply(routes(['10.50.0.2']));
    expect([...reached.entries()]).toEqual([['10.50.0.2', 20]]);
    await untilLearned(row.c, '10.50.0.1', false);
    expect(learned(row.c)).toContain('10.50.0.2');
  });

  it('answer at the appliance, and refuse at once what nobody serves', async () => {
    await frr.apply(routes(['10.50.0.9']));
    await untilLearned(row.c, '10.50.0.9');
    // The router between may learn it later than C does, and A of C.
    const answers = async (): Promise<boolean> =>
      (await row.c.namespace.run('ping', ['-c1', '-W2', '10.50.0.9'])).status === 0;
    expect(await poll(answers, undefined, 'an answer')).toBe(true);
    const tried = await row.c.namespace.node(
      "const s=require('net').connect(81,'10.50.0.9');s.on('error',e=>{console.log(e.code);process.exit()})",
    );
    await tried.exited;
    expect(tried.stdout().trim()).toBe('ECONNREFUSED');
  });

  it('come a thousand at once, and go', async () => {
    const vips = Array.from({ length: 1000 }, (_, n) => `10.50.${4 + (n >> 8)}.${n & 255}`);
    const { reached, problems } = await frr.apply(routes(vips));
    expect(problems).toEqual([]);
    expect(reached.size).toBe(1000);
    const count = () => learned(row.c).filter(one => one.startsWith('10.50.')).length;
    await poll(() => count() === 1000, 100_000, 'a thousand VIPs at C');
    await frr.apply(routes([]));
    await poll(() => count() === 0, 100_000, 'none left at C');
  });

  it('are reported with their neighbours', async () => {
    await frr.apply(routes(['10.50.0.3']));
    await untilLearned(row.c, '10.50.0.3');
    const status = await frr.status();
    expect(status).toMatchObject({
      kind,
      neighbours: [{ router: '10.255.0.2', address: '10.9.1.2', interface: 'ab', state: 'Full' }],
      routes: [{ vip: '10.50.0.3', metric: 20, advertised: true }],
      problems: [],
    });
  });

  it('leave what is not theirs alone, and say so', async () => {
    row.a.namespace.ip('address add 10.50.0.7/32 dev lo');
    const refused = await frr.apply(routes(['10.50.0.7', '10.50.0.8']));
    expect(refused.problems.join()).toMatch(/10\.50\.0\.7.*not from Bivouac/);
    expect([...refused.reached.keys()]).toEqual(['10.50.0.8']);
    await frr.apply(routes([]));
    expect(row.a.namespace.ip('address show dev lo')).toContain('10.50.0.7/32');
    row.a.namespace.ip('address delete 10.50.0.7/32 dev lo');
    expect((await frr.apply(routes(['10.50.0.7']))).problems).toEqual([]);
  });

  it('are adopted by the next driver, which takes out only what is not wanted', async () => {
    await frr.apply(routes(['10.50.1.1', '10.50.1.2']));
    await untilLearned(row.c, '10.50.1.2');
    const before = await row.c.frr.json('zebra', 'show ip route 10.50.1.1/32 json');
    const next = driverOn(row.a, routingConfig(row.a, kind));
    const { reached, problems } = await next.frr.apply(routes(['10.50.1.1', '10.50.1.3']));
    expect(problems).toEqual([]);
    expect([...reached.keys()].sort()).toEqual(['10.50.1.1', '10.50.1.3']);
    await untilLearned(row.c, '10.50.1.2', false);
    await untilLearned(row.c, '10.50.1.3');
    const after = await row.c.frr.json('zebra', 'show ip route 10.50.1.1/32 json');
    // The route at C is as old as it was: it was never away.
    expect(uptime(after)).toBeGreaterThanOrEqual(uptime(before));
    await next.frr.release();
    await untilLearned(row.c, '10.50.1.1', false);
    expect(await ours(row)).toBe('');
    await frr.apply(routes([]));
  });

  it('survive a crash and restart of FRR, which is set up again', async () => {
    await frr.apply(routes(['10.50.2.1']));
    await untilLearned(row.c, '10.50.2.1');
    const configured = log.of('frr-configured').length;
    await row.a.frr.restart('SIGKILL');
    await poll(() => log.of('frr-configured').length >= configured + 2, 30_000, 'FRR set up again');
    await poll(
      async () => (await frr.status()).neighbours.some(({ state }) => state === 'Full'),
      30_000,
      'the neighbour is back',
    );
    await untilLearned(row.c, '10.50.2.1');
    expect((await frr.apply(routes(['10.50.2.1', '10.50.2.2']))).problems).toEqual([]);
    await untilLearned(row.c, '10.50.2.2');
  });
});

/** Seconds since a route was made, from zebra's `hh:mm:ss`. */
function uptime(route: unknown): number {
  const [first] = Object.values(route as Record<string, { uptime: string }[]>);
  return first![0]!.uptime.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
}

/** What a router's kernel carries of ours. */
async function ours(row: Row): Promise<string> {
  const exec = execIn(row.a.namespace);
  const shown = await Promise.all([
    exec.run('ip', ['route', 'show', 'table', 'all', 'proto', '98']),
    exec.run('sh', ['-c', 'ip address show dev lo | grep "metric 98" || true']),
  ]);
  return shown.map(({ stdout }) => stdout).join('');
}
