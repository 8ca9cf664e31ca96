/** What IPVS can carry. */
import { familyOf } from '../../sdk/wire/address.ts';
import type { ForwardMode, Scheduler } from '../../sdk/wire/model.ts';
import { MAX_MEMBERS } from '../dataplane/capabilities.ts';
import type { Farm } from '../desired/wanted.ts';

export const MODES: readonly ForwardMode[] = ['nat', 'direct', 'tunnel'];
export const SCHEDULERS: readonly Scheduler[] = ['wrr', 'source-hash', 'wlc', 'maglev'];

/** IPVS has a service for each port: a range may have so many. */
const MAX_PORTS = 256;
/** The longest persistence that the kernel counts in jiffies without overflow, generously: 31 days, in seconds. */
const MAX_TIMEOUT = 2_678_400;

/** A farm, or a service that is to be in one: what IPVS has to know of either. */
export type Carried = Pick<
  Farm,
  'vip' | 'transport' | 'mode' | 'scheduler' | 'affinity' | 'affinityPrefix' | 'affinityBy' | 'ports'
>;

/** Why IPVS cannot carry it, in half a sentence; undefined when it can. */
export function cannotBalance({
  vip,
  transport,
  ports,
  mode,
  affinity,
  ...rest
}: Carried): string | undefined {
  if (!MODES.includes(mode)) return `IPVS does not know the forwarding mode '${mode}'`;
  if (ports.last - ports.first >= MAX_PORTS) return `IPVS takes at most ${MAX_PORTS} ports in a range`;
  if (affinity > MAX_TIMEOUT) return `IPVS takes an affinity of at most ${MAX_TIMEOUT} s`;
  if (rest.affinityBy === 'sip' && (transport !== 'udp' || affinity === 0))
    return 'affinity by Call-ID is for UDP, and needs a time';
  if (rest.affinityPrefix !== undefined && rest.affinityPrefix > (familyOf(vip) === 4 ? 32 : 128))
    return `a client of ${vip} has not ${rest.affinityPrefix} bits`;
  return undefined;
}

/** Why this farm cannot be carried, in a sentence; undefined when it can. */
export function refusal(farm: Farm): string | undefined {
  const { key, vip, ports, members, mode } = farm;
  const family = familyOf(vip);
  const cannot = cannotBalance(farm);
  if (cannot !== undefined) return `farm ${key}: ${cannot}`;
  if (members.length > MAX_MEMBERS) return `farm ${key}: more than ${MAX_MEMBERS} members`;
  const stranger = members.find(member => familyOf(member.address) !== family);
  if (stranger !== undefined)
    return `farm ${key}: member ${stranger.address} is not of the VIP's address family`;
  const mapped = members.find(member => member.port !== 0 && member.port !== ports.first);
  if (mapped !== undefined && (mode !== 'nat' || ports.first !== ports.last))
    return `farm ${key}: a port can be mapped (to ${mapped.port}) only in nat mode and for a single port`;
  return undefined;
}
