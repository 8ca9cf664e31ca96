/** Which services an anycast-ARP query means (docs/protocol.md §7.2). */
import type { PortRange, Selector, Transport } from './model.ts';
import { holdsPorts } from './ports.ts';

/** What a selector looks at in a service. Ports are sorted and do not overlap; none at all = every port. */
export interface Selectable {
  readonly protocol: string;
  readonly transport: Transport;
  readonly ports: readonly PortRange[];
}

/** Whether the service is one that the selector asks for; an absent field of the selector is a wildcard. */
export function matches(selector: Selector, service: Selectable): boolean {
  if (selector.protocol !== undefined && selector.protocol !== service.protocol) return false;
  if (selector.transport !== undefined && selector.transport !== service.transport) return false;
  const wanted = selector.ports;
  if (wanted === undefined || wanted.length === 0 || service.ports.length === 0) return true;
  return wanted.some(range => holdsPorts(service.ports, range));
}
