/**
 * Pools and endpoints as the configuration writes them.
 */
import { IPv4, IPv4CidrRange, IPv6, IPv6CidrRange } from 'ip-num';
import { type Address, familyOf, type Prefix, parseAddress, parsePrefix } from '../../sdk/wire/address.ts';
import type { PoolRange } from '../registry/config.ts';
import type { Endpoint } from './config.ts';

/** Reads `10.0.0.0/24`, `10.0.0.1-10.0.0.9` or a single address; a sentence when it is none of them. */
export function parsePool(text: string): PoolRange | string {
  const [head = '', tail, ...rest] = text.split('-');
  const first = parseAddress(head.split('/')[0] ?? '');
  if (first === undefined || rest.length > 0)
    return `'${text}' is no pool: write 10.255.0.0/24, 10.255.0.1-10.255.0.9 or an address`;
  if (tail !== undefined) {
    const last = parseAddress(tail);
    if (last === undefined || head.includes('/')) return `'${tail}' is no IP address`;
    if (familyOf(last) !== familyOf(first)) return `'${text}' mixes IPv4 and IPv6`;
    const range = { family: familyOf(first), first: integer(first), last: integer(last) };
    return range.first <= range.last ? range : `'${text}' ends before it begins`;
  }
  if (!head.includes('/')) return { family: familyOf(first), first: integer(first), last: integer(first) };
  try {
    const range = familyOf(first) === 4 ? IPv4CidrRange.fromCidr(head) : IPv6CidrRange.fromCidr(head);
    return { family: familyOf(first), first: range.getFirst().getValue(), last: range.getLast().getValue() };
  } catch (error) {
    return `'${text}' is no prefix: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** Reads `10.0.0.1-10.0.0.9`, IPv4 alone, as DHCP leases it; undefined when it is something else. */
export function parseRange4(text: string): { readonly first: Address; readonly last: Address } | undefined {
  const [first, last, ...rest] = text.split('-').map(part => parseAddress(part));
  if (first === undefined || last === undefined || rest.length > 0) return undefined;
  if (familyOf(first) !== 4 || familyOf(last) !== 4 || integer(first) > integer(last)) return undefined;
  return { first, last };
}

/** Reads `address:port` or `[address]:port`; undefined when it is neither. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const address = parseAddress(match?.[1] ?? match?.[2] ?? '');
  const port = Number(match?.[3]);
  return address !== undefined && port >= 1 && port <= 65535 ? { address, port } : undefined;
}

const integer = (address: Address): bigint =>
  (familyOf(address) === 4 ? new IPv4(address) : new IPv6(address)).getValue();

/** The fewest prefixes that hold exactly the ranges and the single addresses. */
export function poolPrefixes(ranges: readonly PoolRange[], singles: readonly Address[]): readonly Prefix[] {
  const all = [
    ...ranges,
    ...singles.map(single => ({ family: familyOf(single), first: integer(single), last: integer(single) })),
  ];
  return [...new Set(all.flatMap(coverOf))];
}

function coverOf({ family, first, last }: PoolRange): Prefix[] {
  const width = family === 4 ? 32n : 128n;
  const prefixes: Prefix[] = [];
  for (let start = first; start <= last; ) {
    let free = 0n;
    while (
      free < width &&
      (start & ((1n << (free + 1n)) - 1n)) === 0n &&
      start + (1n << (free + 1n)) - 1n <= last
    )
      free++;
    const text = family === 4 ? IPv4.fromNumber(start).toString() : IPv6.fromBigInt(start).toString();
    prefixes.push(parsePrefix(`${text}/${width - free}`)!);
    start += 1n << free;
  }
  return prefixes;
}
