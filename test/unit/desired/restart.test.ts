import { expect, test } from 'vitest';
import { derive } from '../../../appliance/desired/derive.ts';
import { Registry } from '../../support/registry.ts';

test('after a restart the same is wanted as before it, route’s metric and answering VIPs included, but nothing is told', () => {
  const before = new Registry();
  const vip = before.serve(1);
  before.serve(2);
  for (const server of [1, 2]) before.verdict(server, 'pass');
  before.settle();

  const after = new Registry();
  after.feed({
    type: 'restored',
    servers: [...before.state.servers.values()],
    leases: [...before.state.leases.values()].flatMap(holders => [...holders.values()]),
  });
  expect([...after.derived.wanted.dataplane.vips.keys()]).toEqual([vip]);
  after.reachFarms();
  const wanted = ({ state }: Registry) => derive(state, { metric: score => score }).wanted;
  expect(wanted(after).routing.routes.get(vip)).toBe(wanted(before).routing.routes.get(vip));
  expect([...wanted(after).dataplane.farms.values()]).toEqual([...wanted(before).dataplane.farms.values()]);
  expect(wanted(after).directory.byVip.size).toBe(0);
});
