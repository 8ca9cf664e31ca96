/** What this driver can carry, for those who decide what to ask of it. */
import { familyOf } from '../../sdk/wire/address.ts';
import type { ForwardMode, Scheduler, Service } from '../../sdk/wire/model.ts';
import type { Farm } from '../desired/wanted.ts';

export interface Capabilities {
  readonly modes: readonly ForwardMode[];
  readonly schedulers: readonly Scheduler[];
  /** Why a service of such a mode and scheduler cannot be carried all the same, in a sentence; undefined when it can. */
  readonly cannotCarry: (service: Service) => string | undefined;
}

/** The nftables driver. `direct` is for IPv4 alone: nft 1.0.6 cannot remember a flow by two IPv6 addresses in a rule. */
export const capabilities: Capabilities = {
  modes: ['nat', 'direct', 'redirect', 'none'],
  schedulers: ['wrr', 'source-hash'],
  cannotCarry: ({ vip, transport, ports, protocol, forward: { mode, ...rest } }) =>
    mode === 'redirect' &&
    (transport !== 'tcp' || protocol !== 'http' || ports.some(({ first, last }) => first !== last))
      ? `mode 'redirect' is for the protocol http on single TCP ports, not for ${protocol} on ${transport}`
      : mode === 'direct' && familyOf(vip) === 6
        ? `this manager forwards directly to IPv4 VIPs only: use nat for ${vip}`
        : mode !== 'none' && transport === 'sctp'
          ? 'this manager cannot forward SCTP: use mode none'
          : mode !== 'none' && mode !== 'redirect'
            ? withoutIpvs(mode, rest)
            : undefined,
};

/** What of a farm's forwarding only IPVS can do, in a sentence; undefined when it is nothing. */
function withoutIpvs(mode: ForwardMode, rest: Omit<Service['forward'], 'mode'>): string | undefined {
  const { scheduler, affinityPrefix, affinityBy } = rest;
  const what =
    mode === 'tunnel'
      ? `mode 'tunnel'`
      : scheduler !== 'wrr' && scheduler !== 'source-hash'
        ? `the scheduler '${scheduler}'`
        : affinityBy !== undefined
          ? `affinity by '${affinityBy}'`
          : affinityPrefix !== undefined
            ? 'affinity by a part of the address'
            : undefined;
  return what && `${what} needs IPVS, which this manager does not use or its kernel does not have`;
}

/** Members of a farm beyond this one are refused. */
export const MAX_MEMBERS = 2048;

/** Why this farm cannot be carried, in a sentence; undefined when it can. */
export function refusal(farm: Farm): string | undefined {
  const family = familyOf(farm.vip);
  if (farm.mode !== 'nat' && farm.mode !== 'direct')
    return `farm ${farm.key}: forwarding mode '${farm.mode}' is not one of nat, direct`;
  if (farm.mode === 'direct' && family === 6)
    return `farm ${farm.key}: direct forwarding is for IPv4 only; use nat for an IPv6 VIP`;
  const wanting = withoutIpvs(farm.mode, farm);
  if (wanting !== undefined) return `farm ${farm.key}: ${wanting}`;
  if (farm.transport === 'sctp') return `farm ${farm.key}: SCTP cannot be forwarded by nftables here`;
  if (farm.members.length > MAX_MEMBERS) return `farm ${farm.key}: more than ${MAX_MEMBERS} members`;
  const stranger = farm.members.find(member => familyOf(member.address) !== family);
  if (stranger !== undefined)
    return `farm ${farm.key}: member ${stranger.address} is not of the VIP's address family`;
  const mapped = farm.members.find(member => member.port !== 0 && member.port !== farm.ports.first);
  if (mapped !== undefined && (farm.mode !== 'nat' || farm.ports.first !== farm.ports.last))
    return `farm ${farm.key}: a port can be mapped (to ${mapped.port}) only in nat mode and for a single port`;
  return undefined;
}
