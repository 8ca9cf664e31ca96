/**
 * FRR restarted in good order after `graceful-restart prepare ip ospf` (RFC 3623): nobody in the network sees a VIP go, so that the flows
 * of an anycast VIP stay where they are, and the appliance itself forwards on.
 */
import { afterEach, expect, it } from 'vitest';
import { poll } from '../support/netns.ts';
import { driverOn, type Row, routes, routingConfig, threeRouters, untilLearned } from '../support/routing.ts';

let row: Row | undefined;
afterEach(() => row?.dispose());

it.each([
  ['internal', 'Bivouac', { bare: ['a'] }],
  ['external', 'Bivouac', { bare: ['a'] }],
  ['external', 'its own file', { extra: { a: 'router ospf\n redistribute kernel metric-type 1\nexit\n' } }],
] as const)('a %s VIP stays, where OSPF is set up by %s', async (kind, by, options) => {
  row = await threeRouters({ ...options, graceful: true });
  const { a, c } = row;
  const { ospf, ...rest } = routingConfig(a, kind);
  const { frr, log } = driverOn(a, by === 'Bivouac' ? { ...rest, ospf: ospf! } : rest);
  try {
    expect((await frr.apply(routes(['10.50.0.1']))).problems).toEqual([]);
    await untilLearned(c, '10.50.0.1', true, 30_000);
    await untilLearned(a, '10.9.2.0/24', true, 30_000);
    const seen = c.namespace.spawn('ip', ['monitor', 'route']);
    // To the router itself, whose way back is a route that it has learnt: the VIP needs no server here.
    const ping = c.namespace.spawn('ping', ['-i', '0.02', '-W', '1', '10.9.1.1']);
    await poll(() => ping.stdout().includes('icmp_seq=10 '), 30_000, 'pings');
    const ready = log.of('frr-ready').length;
    await a.frr.restart();
    await poll(() => log.of('frr-ready').length >= ready + 2, 30_000, 'FRR is set up again');
    const full = async (): Promise<boolean> =>
      (await frr.status()).neighbours.some(({ state }) => state === 'Full');
    await poll(full, 30_000, 'the neighbour');
    // Whatever comes later than the adjacency comes within the time of its own hellos.
    await untilLearned(a, '10.9.2.0/24', true, 30_000);
    await frr.apply(routes(['10.50.0.1', '10.50.0.2']));
    await untilLearned(c, '10.50.0.2', true, 30_000);
    expect(seen.stdout()).not.toContain('10.50.0.1');
    // What was out before the restart is still its own: it can be taken back.
    await frr.apply(routes(['10.50.0.2']));
    await untilLearned(c, '10.50.0.1', false, 30_000);
    await ping.stop('SIGINT');
    expect(ping.stdout()).toContain(' 0% packet loss');
  } finally {
    frr.detach();
  }
});
