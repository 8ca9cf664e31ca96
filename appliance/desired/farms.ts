/**
 * The farms of one VIP: which servers stand behind which of its ports.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { PortRange } from '../../sdk/wire/model.ts';
import { farmKey, isBalanced } from '../registry/carried.ts';
import type { ServiceRecord } from '../registry/state.ts';
import type { Farm, FarmKey, Member } from './wanted.ts';

/** Whether a service is in its farm at all, and whether it takes new flows. */
function membership(
  record: ServiceRecord,
  routed: boolean,
  alone: boolean,
): 'accepts' | 'drains' | undefined {
  if (record.state === 'up') return 'accepts';
  if (record.state !== 'draining') return undefined;
  // The last of a VIP goes on until no route leads here any more: never a hole before the route is gone.
  return routed && alone ? 'accepts' : 'drains';
}

/** The farms of a VIP by key. `routed`: whether its route is still out. */
export function farmsOf(
  vip: Address,
  services: Iterable<ServiceRecord>,
  routed: boolean,
): Map<FarmKey, Farm> {
  const list = [...services].filter(isBalanced);
  const alone = !list.some(record => record.state === 'up');
  const members = new Map<FarmKey, { first: ServiceRecord; ports: PortRange; members: Member[] }>();
  for (const record of list) {
    const how = membership(record, routed, alone);
    if (how === undefined) continue;
    const { spec } = record;
    for (const ports of spec.ports) {
      const key = farmKey(vip, spec.transport, ports) as FarmKey;
      const farm = members.get(key) ?? { first: record, ports, members: [] };
      farm.members.push({
        server: record.server,
        address: record.address,
        port: spec.targetPort,
        weight: spec.weight,
        accepts: how === 'accepts',
      });
      members.set(key, farm);
    }
  }
  const farms = new Map<FarmKey, Farm>();
  for (const [key, { first, ports, members: found }] of members) {
    const { mode, scheduler, affinity } = first.spec.forward;
    found.sort((one, other) => compare(one.server, other.server) || one.port - other.port);
    farms.set(key, {
      key,
      vip,
      transport: first.spec.transport,
      ports,
      mode: mode as Farm['mode'],
      scheduler,
      affinity,
      members: found,
    });
  }
  return farms;
}

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);
