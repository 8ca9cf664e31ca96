/**
 * The farms of one VIP: which servers stand behind which of its ports.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { PortRange } from '../../sdk/wire/model.ts';
import { FarmKeys, isBalanced } from '../registry/carried.ts';
import type { ServiceRecord } from '../registry/state.ts';
import { order } from './order.ts';
import type { Farm, FarmKey, Member } from './wanted.ts';

/**
 * Whether a service is in its farm at all, and whether it takes new flows. `last`: none of the VIP is up, and its route is still out. The
 * last go on until no route leads here any more: where nothing is behind a VIP, the kernel itself answers for it, and resets its flows.
 */
function membership(
  record: ServiceRecord,
  last: boolean,
  isParted: (record: ServiceRecord) => boolean,
): 'accepts' | 'drains' | undefined {
  if (record.state === 'up') return 'accepts';
  if (record.state === 'draining') return last ? 'accepts' : 'drains';
  return last && isParted(record) ? 'accepts' : undefined;
}

/**
 * The farms of a VIP by key. `routed`: whether its route is still out. `isParted`: whether the flows of a service's server live on though
 * it is not heard any more.
 */
export function farmsOf(
  vip: Address,
  services: readonly ServiceRecord[],
  routed: boolean,
  isParted: (record: ServiceRecord) => boolean,
): Map<FarmKey, Farm> {
  const last = routed && !isAnyUp(services);
  const keys = new FarmKeys();
  const members = new Map<FarmKey, { first: ServiceRecord; ports: PortRange; members: Member[] }>();
  for (const record of services) {
    const how = isBalanced(record) ? membership(record, last, isParted) : undefined;
    if (how === undefined) continue;
    const { spec } = record;
    const its = keys.of(spec) as readonly FarmKey[];
    for (let at = 0; at < its.length; at++) {
      const key = its[at]!;
      const member: Member = {
        server: record.server,
        address: record.address,
        port: spec.targetPort,
        weight: spec.weight,
        accepts: how === 'accepts',
      };
      const farm = members.get(key);
      if (farm !== undefined) farm.members.push(member);
      else members.set(key, { first: record, ports: spec.ports[at]!, members: [member] });
    }
  }
  const farms = new Map<FarmKey, Farm>();
  for (const [key, { first, ports, members: found }] of members) {
    const { mode, scheduler, affinity, affinityPrefix, affinityBy } = first.spec.forward;
    order(found, byServer);
    farms.set(key, {
      key,
      vip,
      transport: first.spec.transport,
      ports,
      mode: mode as Farm['mode'],
      scheduler,
      affinity,
      ...(affinityPrefix !== undefined && { affinityPrefix }),
      ...(affinityBy !== undefined && { affinityBy }),
      members: found,
    });
  }
  return farms;
}

function isAnyUp(services: Iterable<ServiceRecord>): boolean {
  for (const record of services) if (record.state === 'up' && isBalanced(record)) return true;
  return false;
}

const byServer = (one: Member, other: Member): number =>
  one.server < other.server ? -1 : one.server > other.server ? 1 : one.port - other.port;
