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
 * The keys of the farms of one VIP's services, each put together once: servers that register the same ports share them as one value
 * (compact.ts), and a VIP has hundreds.
 */
export class FarmKeys {
  private readonly known = new Map<Transport, Map<readonly PortRange[], readonly string[]>>();

  /** In the order of the service's ports. */
  of({ vip, transport, ports }: ServiceRecord['spec']): readonly string[] {
    let known = this.known.get(transport);
    if (known === undefined) {
      known = new Map();
      this.known.set(transport, known);
    }
    let keys = known.get(ports);
    if (keys === undefined) {
      keys = ports.map(range => farmKey(vip, transport, range));
      known.set(ports, keys);
    }
    return keys;
  }
}

/**
 * Tells of the services of one VIP whether each is in all of its farms: by number, since a farm that has been reached with fewer
 * members than are to be in it lacks somebody.
 */
export function carriedIn(
  reached: Reached,
  services: ReadonlyMap<ServiceKey, ServiceRecord>,
): (record: ServiceRecord) => boolean {
  const keys = new FarmKeys();
  let wanted: ReadonlyMap<string, ReadonlySet<string>> | undefined;
  const isFull = (key: string): boolean => {
    wanted ??= membersOf(services, keys);
    return (reached.farms.get(key) ?? 0) >= (wanted.get(key)?.size ?? 0);
  };
  return record => !isBalanced(record) || keys.of(record.spec).every(isFull);
}

/** Who is to be in each farm: a server that is in twice at the same port is one member. */
function membersOf(
  services: ReadonlyMap<ServiceKey, ServiceRecord>,
  keys: FarmKeys,
): ReadonlyMap<string, ReadonlySet<string>> {
  const farms = new Map<string, Set<string>>();
  for (const record of services.values()) {
    const { state, spec, address } = record;
    if ((state !== 'up' && state !== 'draining') || !isBalanced(record)) continue;
    const its = keys.of(spec);
    for (let at = 0; at < its.length; at++) {
      const key = its[at]!;
      const { first } = spec.ports[at]!;
      const port = spec.targetPort || first;
      const name = port === first ? address : `${address}|${port}`;
      const members = farms.get(key);
      if (members === undefined) farms.set(key, new Set([name]));
      else members.add(name);
    }
  }
  return farms;
}
