/**
 * The same VIP at two managers, A and C, with a router between them.
 */
import { afterEach, expect, it } from 'vitest';
import type { RouteKind, RoutingConfig } from '../../appliance/routing/config.ts';
import type { Frr } from '../../appliance/routing/frr.ts';
import { address } from '../../sdk/wire/address.ts';
import { poll } from '../support/netns.ts';
import {
  driverOn,
  type Router,
  type Row,
  routes,
  routingConfig,
  threeRouters,
  untilLearned,
} from '../support/routing.ts';
import type { RecordingLog } from '../support/virtual/log.ts';

const VIP = '10.50.0.1';
const running: { row?: Row; drivers: Frr[] } = { drivers: [] };

afterEach(async () => {
  for (const driver of running.drivers.splice(0)) driver.detach();
  await running.row?.dispose();
});

async function twoManagers(
  kinds: readonly [RouteKind, RouteKind],
  more: Partial<RoutingConfig> = {},
): Promise<{ row: Row; a: Frr; c: Frr; logOfA: RecordingLog }> {
  const row = await threeRouters({ bare: ['a', 'c'] });
  running.row = row;
  const [a, c] = [
    driverOn(row.a, routingConfig(row.a, kinds[0], more)),
    driverOn(row.c, routingConfig(row.c, kinds[1], more)),
  ];
  running.drivers.push(a.frr, c.frr);
  await untilLearned(row.c, '10.9.1.0/24');
  await untilLearned(row.a, '10.9.2.0/24');
  return { row, a: a.frr, c: c.frr, logOfA: a.log };
}

/** Starts a server that says which router it runs on, on all addresses. */
const serve = (router: Router, name: string): Promise<true> => {
  const server = router.namespace.node(
    `require('net').createServer(s=>s.end('${name}')).listen(80,'0.0.0.0',()=>console.log('ready'))`,
  );
  return poll(() => server.stdout().includes('ready') || undefined, 30_000, 'the server listens');
};

/** How many of `count` connections from a router each server answered. */
async function answers(from: Router, count: number): Promise<Record<string, number>> {
  const client = from.namespace.node(
    `const r={};const put=k=>{r[k]=(r[k]||0)+1};let n=${count};const next=()=>{if(n--===0)return console.log(JSON.stringify(r));` +
      `const s=require('net').connect(80,'${VIP}');let t='';s.setTimeout(2000,()=>s.destroy(new Error('timeout')));` +
      `s.on('data',d=>t+=d).on('end',()=>{put(t);next()}).on('error',e=>{put(e.message);next()})};next()`,
  );
  await client.exited;
  return JSON.parse(client.stdout());
}

/** How many ways the router between has to the VIP. */
const ways = (row: Row): number => {
  const shown = row.b.namespace.ip(`route show ${VIP}`);
  return shown === '' ? 0 : Math.max(1, shown.split('nexthop').length - 1);
};

it.each(['external', 'internal'] as const)(
  'shares clients between two %s origins as near, and moves them when one leaves',
  async kind => {
    const { row, a, c } = await twoManagers([kind, kind]);
    await Promise.all([serve(row.a, 'a'), serve(row.c, 'c')]);
    await Promise.all([a.apply(routes([VIP])), c.apply(routes([VIP]))]);
    await poll(() => ways(row) === 2, 30_000, 'two ways at B');
    const both = await answers(row.b, 60);
    expect(Object.keys(both).sort()).toEqual(['a', 'c']);
    await a.apply(routes([]));
    await poll(() => ways(row) === 1, 30_000, 'one way at B');
    expect(await answers(row.b, 20)).toEqual({ c: 20 });
    // And back, with A itself served by C meanwhile.
    await untilLearned(row.a, VIP);
    expect(await answers(row.a, 5)).toEqual({ c: 5 });
    await a.apply(routes([VIP]));
    await poll(() => ways(row) === 2, 30_000, 'two ways again');
  },
);

it('sends clients to the better of two external metrics', async () => {
  const { row, a, c } = await twoManagers(['external', 'external'], { metrics: [20, 120, 220] });
  await Promise.all([serve(row.a, 'a'), serve(row.c, 'c')]);
  await Promise.all([a.apply(routes([VIP], 20)), c.apply(routes([VIP], 120))]);
  const via = (): string => /via (\S+)/.exec(row.b.namespace.ip(`route show ${VIP}`))?.[1] ?? '';
  await poll(() => via() === '10.9.1.1' && ways(row) === 1, 30_000, 'A is nearer');
  expect(await answers(row.b, 10)).toEqual({ a: 10 });
  // A's servers are worn: it gets dearer than C.
  const { reached } = await a.apply(routes([VIP], 220));
  expect(reached.get(address(VIP))).toBe(220);
  await poll(() => via() === '10.9.2.3' && ways(row) === 1, 30_000, 'C is nearer');
  expect(await answers(row.b, 10)).toEqual({ c: 10 });
  await a.apply(routes([VIP], 120));
  await poll(() => ways(row) === 2, 30_000, 'both are as near');
});

it('warns when two managers advertise a VIP in two ways, and says whom clients reach', async () => {
  const { row, a, c, logOfA } = await twoManagers(['external', 'internal']);
  await Promise.all([a.apply(routes([VIP, '10.50.0.2'])), c.apply(routes([VIP]))]);
  await poll(async () => (await a.conflicts()).length > 0, 30_000, 'A sees the conflict');
  const [conflict] = await a.conflicts();
  expect(conflict).toMatchObject({ vip: VIP, router: '10.9.2.3', ours: 'external', theirs: 'internal' });
  expect(conflict!.reason).toMatch(/every client to 10\.9\.2\.3.*none to this manager/);
  expect((await c.conflicts())[0]).toMatchObject({ vip: VIP, router: '10.9.1.1', theirs: 'external-1' });
  expect((await a.status()).problems).toEqual([conflict!.reason]);
  await poll(() => logOfA.of('route-conflict').length > 0, 30_000, 'it is logged');
  // It is true: the router between knows one way only.
  expect(row.b.namespace.ip(`route show ${VIP}`)).toContain('via 10.9.2.3');
  await c.apply(routes([]));
  await poll(async () => (await a.conflicts()).length === 0, 30_000, 'the conflict is over');
});
