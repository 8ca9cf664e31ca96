/**
 * Which farms a service is in, and whether the data plane has said that it carries it there.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { PortRange, Transport } from '../../sdk/wire/model.ts';
import type { Reached, ServiceRecord } from './state.ts';

/** The key of a farm: `vip|transport|first-last`. */
export const farmKey = (vip: Address, transport: Transport, ports: PortRange): string =>
  `${vip}|${transport}|${ports.first}-${ports.last}`;

/** The VIP of a farm's key. */
export const vipOf = (key: string): Address => key.slice(0, key.indexOf('|')) as Address;

/** Whether the load balancer carries a service at all. */
export const isBalanced = ({ spec }: ServiceRecord): boolean =>
  spec.forward.mode !== 'none' && spec.forward.mode !== 'redirect';

const farmsOf = ({ spec }: ServiceRecord): string[] =>
  spec.ports.map(ports => farmKey(spec.vip, spec.transport, ports));

/**
 * Tells of the services of one VIP whether each is in all of its farms: by number, since a farm that has been reached with fewer
 * members than are to be in it lacks somebody.
 */
export function carriedIn(
  reached: Reached,
  services: Iterable<ServiceRecord>,
): (record: ServiceRecord) => boolean {
  const wanted = new Map<string, number>();
  for (const record of services) {
    if (!isBalanced(record) || (record.state !== 'up' && record.state !== 'draining')) continue;
    for (const key of farmsOf(record)) wanted.set(key, (wanted.get(key) ?? 0) + 1);
  }
  return record =>
    !isBalanced(record) ||
    farmsOf(record).every(key => (reached.farms.get(key) ?? 0) >= (wanted.get(key) ?? 0));
}
