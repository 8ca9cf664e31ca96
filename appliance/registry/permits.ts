/**
 * What a certificate lets its holder claim (docs/protocol.md, Authorization): each function gives undefined when the claim is
 * permitted, or the reason why not. An absent limit permits everything, an empty one nothing.
 */
import { type Address, type Prefix, parseAddress, parsePrefix, prefixHolds } from '../../sdk/wire/address.ts';
import type { PortRange, Service, Transport } from '../../sdk/wire/model.ts';
import type { Claims } from './events.ts';
import type { Reason } from './state.ts';

/** The limit that permits everything. */
export const ANY = '*';

/** Limits that a refusal quotes; a certificate may have hundreds. */
const QUOTED = 4;

/** Whether the holder may claim the DNS name: one of its names, or one or more labels under a `*.` one. */
export function permitsName(claims: Claims, name: string): Reason | undefined {
  const { names } = claims;
  if (names === undefined || names.some(limit => nameMatches(limit, name.toLowerCase()))) return undefined;
  return denied('name-not-permitted', `the name ${name}`, names);
}

/** Whether the holder may claim the VIP: one of its addresses, or within one of its prefixes. */
export function permitsVip(claims: Claims, vip: Address): Reason | undefined {
  const { vips } = claims;
  if (vips === undefined || vips.some(limit => vipMatches(limit, vip))) return undefined;
  return denied('vip-not-permitted', `the VIP ${vip}`, vips);
}

/** Whether the holder may claim every port of the range; several limits may cover it together. */
export function permitsPorts(claims: Claims, transport: Transport, range: PortRange): Reason | undefined {
  const { ports } = claims;
  if (ports === undefined || covers(ports, transport, range)) return undefined;
  const text = range.first === range.last ? `${range.first}` : `${range.first}-${range.last}`;
  return denied('port-not-permitted', `${transport}/${text}`, ports);
}

/** Whether the holder may have a lease for a service of this name ('': none is named), and of this VIP (where one is named). */
export const permitsLease = (claims: Claims, name: string, vip: Address | undefined): Reason | undefined =>
  (name === '' ? undefined : permitsName(claims, name)) ??
  (vip === undefined ? undefined : permitsVip(claims, vip));

/** Whether the holder may claim all of the service: its name, its VIP and each of its ports. */
export function permitsService(
  claims: Claims,
  service: Pick<Service, 'name' | 'vip' | 'transport' | 'ports'>,
): Reason | undefined {
  const reason = permitsName(claims, service.name) ?? permitsVip(claims, service.vip);
  if (reason !== undefined) return reason;
  for (const range of service.ports) {
    const refused = permitsPorts(claims, service.transport, range);
    if (refused !== undefined) return refused;
  }
  return undefined;
}

/** Reads `tcp/80`, `udp/5000-5100` or `sctp/*`; undefined for anything else. */
export function parsePortLimit(
  text: string,
): { readonly transport: Transport; readonly range: PortRange } | undefined {
  const match = /^(tcp|udp|sctp)\/(?:(\*)|(\d{1,5})(?:-(\d{1,5}))?)$/.exec(text);
  if (match === null) return undefined;
  const transport = match[1] as Transport;
  if (match[2] !== undefined) return { transport, range: { first: 1, last: 65_535 } };
  const first = Number(match[3]);
  const last = Number(match[4] ?? match[3]);
  return first >= 1 && first <= last && last <= 65_535 ? { transport, range: { first, last } } : undefined;
}

/** Reads a VIP limit, an address or a prefix, as a prefix; undefined for anything else. */
export function parseVipLimit(text: string): Prefix | undefined {
  if (text.includes('/')) return parsePrefix(text);
  const single = parseAddress(text);
  return single && parsePrefix(`${single}/${single.includes(':') ? 128 : 32}`);
}

function nameMatches(limit: string, name: string): boolean {
  if (limit === ANY || limit === name) return true;
  const suffix = limit.slice(1);
  return limit.startsWith('*.') && name.length > suffix.length && name.endsWith(suffix);
}

function vipMatches(limit: string, vip: Address): boolean {
  if (limit === ANY) return true;
  const prefix = parseVipLimit(limit);
  return prefix !== undefined && prefix.includes(':') === vip.includes(':') && prefixHolds(prefix, vip);
}

function covers(limits: readonly string[], transport: Transport, wanted: PortRange): boolean {
  if (limits.includes(ANY)) return true;
  const ranges = limits
    .map(parsePortLimit)
    .filter(limit => limit?.transport === transport)
    .map(limit => limit!.range)
    .sort((a, b) => a.first - b.first);
  let next = wanted.first;
  for (const { first, last } of ranges) if (first <= next && last >= next) next = last + 1;
  return next > wanted.last;
}

function denied(code: string, what: string, limits: readonly string[]): Reason {
  const quoted = limits.slice(0, QUOTED).join(', ') + (limits.length > QUOTED ? ', …' : '');
  const allowed = limits.length === 0 ? 'it allows none' : `it allows ${quoted}`;
  return { code, sentence: `the server's certificate does not permit ${what}: ${allowed}` };
}
