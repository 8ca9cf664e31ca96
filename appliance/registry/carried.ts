/**
 * Which farms a service is in, and whether the data plane has said that it carries it there.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { PortRange, Transport } from '../../sdk/wire/model.ts';
import type { Reached, ServiceKey, ServiceRecord } from './state.ts';

/** The key of a farm: `vip|transport|first-last`. */
export const farmKey = (vip: Address, transport: Transport, ports: PortRange): string =>
  `${vip}|${transport}|${ports.first}-${ports.last}`;

/** The VIP of a farm's key. */
export const vipOf = (key: string): Address => key.slice(0, key.indexOf('|')) as Address;

/** Whether the load balancer carries a service at all. */
export const isBalanced = ({ spec }: ServiceRecord): boolean => spec.forward.mode !== 'none';

/**
 * Tells of the services of one VIP whether each is in all of its farms: by number, since a farm that has been reached with fewer
 * members than are to be in it lacks somebody.
 */
export function carriedIn(
  reached: Reached,
  services: ReadonlyMap<ServiceKey, ServiceRecord>,
): (record: ServiceRecord) => boolean {
  const full = new Map<string, boolean>();
  const isFull = ({ spec }: ServiceRecord, ports: PortRange): boolean => {
    const key = farmKey(spec.vip, spec.transport, ports);
    const known = full.get(key);
    if (known !== undefined) return known;
    const found = (reached.farms.get(key) ?? 0) >= countMembers(services, spec.transport, ports);
    full.set(key, found);
    return found;
  };
  return record => !isBalanced(record) || record.spec.ports.every(ports => isFull(record, ports));
}

/** How many are to be in a farm: a server that is in twice at the same port is one member. */
function countMembers(
  services: ReadonlyMap<ServiceKey, ServiceRecord>,
  transport: Transport,
  { first, last }: PortRange,
): number {
  const members = new Set<string>();
  for (const record of services.values()) {
    const { state, spec, address } = record;
    if (state !== 'up' && state !== 'draining') continue;
    if (spec.transport !== transport || !isBalanced(record)) continue;
    if (!spec.ports.some(ports => ports.first === first && ports.last === last)) continue;
    const port = spec.targetPort || first;
    members.add(port === first ? address : `${address}|${port}`);
  }
  return members.size;
}
