/**
 * A VIP in the kernel's own terms: the lines of ip(8) that put it there and take it away, and how to find ours again.
 *
 * | kind | what the kernel gets | recognised as ours by |
 * |---|---|---|
 * | internal | an address on lo, /32 or /128 | the address's metric, 98 |
 * | external | a local route (the host answers on the VIP) and a route in the main table (FRR redistributes it) | protocol 98 |
 *
 * External VIPs are no address on purpose: zebra prefers an address to a kernel route of the same prefix, and would redistribute
 * nothing. They are no blackhole either: what no farm serves is delivered to the host, which refuses it at once. The metric's step
 * rides in the route's next hop, which FRR can match on: `lo` itself for the first, then 192.0.2.1, 192.0.2.2, … (RFC 5737), where
 * nothing is ever sent, since the local route comes first. OSPFv3 in FRR 8 has no such match: IPv6 knows only the first step.
 */
import { type Address, familyOf, parseAddress } from '../../sdk/wire/address.ts';
import type { RouteKind } from './config.ts';
import type { Step } from './plan.ts';

/** Our number among the kernel's routing protocols (rtnetlink's rtm_protocol), and our mark on addresses. */
export const OURS = 98;

/** The next hop that stands for a step of the metrics; undefined for the first. */
export const hopOf = (step: number): string | undefined => (step === 0 ? undefined : `192.0.2.${step}`);

/** The lines of `ip -batch` for one step, in an order that leaves no gap. */
export function linesOf(kind: RouteKind, { type, vip, step }: Step): readonly string[] {
  const prefix = `${vip}/${familyOf(vip) === 4 ? 32 : 128}`;
  if (kind === 'internal') {
    if (type === 'change') return [];
    return type === 'add'
      ? [`address add ${prefix} dev lo metric ${OURS}${familyOf(vip) === 6 ? ' nodad' : ''}`]
      : [`address delete ${prefix} dev lo`];
  }
  const hop = familyOf(vip) === 4 ? hopOf(step) : undefined;
  const route = `${prefix}${hop === undefined ? '' : ` via ${hop}`} dev lo${hop === undefined ? '' : ' onlink'} proto ${OURS}`;
  const local = `local ${prefix} dev lo table local proto ${OURS}`;
  switch (type) {
    case 'add':
      return [`route add ${local}`, `route add ${route}`];
    case 'change':
      return [`route replace ${route}`];
    case 'remove':
      return [`route delete ${prefix} proto ${OURS}`, `route delete ${local}`];
  }
}

/** The tables that an external VIP is in. */
const TABLES = ['main', 'local'] as const;

/** The arguments of ip(8) that list what may be ours, as JSON; each is a run of its own. */
export function listings(kind: RouteKind): readonly (readonly string[])[] {
  if (kind === 'internal') return [['-j', 'address', 'show', 'dev', 'lo']];
  return ['-4', '-6'].flatMap(family =>
    TABLES.map(table => ['-j', family, 'route', 'show', 'table', table, 'proto', `${OURS}`]),
  );
}

/** What the listings show as ours. Routes of which only a half is there are `broken`: neither carried nor foreign. */
export function readListings(
  kind: RouteKind,
  texts: readonly string[],
): { readonly carried: Map<Address, number>; readonly broken: readonly Address[] } {
  const carried = new Map<Address, number>();
  if (kind === 'internal') {
    for (const link of rows(texts[0]))
      for (const entry of rows(link['addr_info']))
        if (entry['metric'] === OURS && isHost(entry)) set(carried, entry['local'], 0);
    return { carried, broken: [] };
  }
  const local = new Map<Address, number>();
  for (const [index, text] of texts.entries())
    for (const route of rows(text)) {
      if (TABLES[index % 2] === 'local') set(local, route['dst'], 0);
      else set(carried, route['dst'], stepOfHop(route['gateway']));
    }
  const broken = new Set<Address>();
  for (const vip of carried.keys()) if (!local.has(vip)) broken.add(vip);
  for (const vip of local.keys()) if (!carried.has(vip)) broken.add(vip);
  for (const vip of broken) carried.delete(vip);
  return { carried, broken: [...broken] };
}

const stepOfHop = (hop: unknown): number => (typeof hop === 'string' ? Number(hop.split('.')[3]) : 0);

const isHost = (entry: Row): boolean => entry['prefixlen'] === (entry['family'] === 'inet' ? 32 : 128);

function set(carried: Map<Address, number>, text: unknown, step: number): void {
  const vip = parseAddress(String(text));
  if (vip !== undefined) carried.set(vip, step);
}

type Row = Readonly<Record<string, unknown>>;

/** ip(8) says nothing at all, rather than [], for an empty table. */
function rows(value: unknown): readonly Row[] {
  const parsed: unknown = typeof value === 'string' ? JSON.parse(value.trim() || '[]') : (value ?? []);
  return Array.isArray(parsed) ? (parsed as Row[]) : [];
}
