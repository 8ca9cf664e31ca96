/**
 * How a service is to be forwarded where its configuration leaves that open: by what every manager can carry, and why. What it
 * says is for the manager to take or to refuse.
 */
import type { ServiceOptions } from '../../sdk/server/service.ts';
import type { ForwardMode } from '../../sdk/wire/model.ts';

export interface Forwarding {
  readonly mode: ForwardMode;
  /** For the log. */
  readonly reason: string;
}

/** `direct` wherever it works: the appliance then carries requests only. */
export function chooseForwarding(service: ServiceOptions): Forwarding {
  const { transport = 'tcp', targetPort } = service;
  if (transport === 'sctp')
    return { mode: 'none', reason: 'SCTP is not forwarded: it is found by anycast ARP alone' };
  if (targetPort !== undefined) return { mode: 'nat', reason: `the port is mapped, to ${targetPort}` };
  if (isIpv6(service))
    return { mode: 'nat', reason: 'direct forwarding is for IPv4; replies must go back by the appliance' };
  return { mode: 'direct', reason: 'replies need not pass the appliance' };
}

const isIpv6 = ({ vip = 'auto', family = 4 }: ServiceOptions): boolean =>
  vip === 'auto' ? family === 6 : vip.includes(':');
