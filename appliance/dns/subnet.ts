/**
 * EDNS Client Subnet (RFC 7871 §6): family (1 IPv4, 2 IPv6), source prefix length, scope prefix length (0 in queries), and as many bytes
 * of the address as the source prefix has.
 */
import type { Family } from '../../sdk/wire/address.ts';
import type { Query } from './query.ts';

export interface Subnet {
  family: Family;
  /** Bits of the address that are told; 0: none, and the asker himself counts. */
  bits: number;
}

/** Fills `subnet` from the query's option; false when that is malformed (§7.1.2: then it is FORMERR). */
export function readSubnet({ bytes, subnetAt, subnetLength }: Query, subnet: Subnet): boolean {
  if (subnetLength < 4) return false;
  const family = (bytes[subnetAt]! << 8) | bytes[subnetAt + 1]!;
  const bits = bytes[subnetAt + 2]!;
  if (bytes[subnetAt + 3] !== 0) return false;
  if (subnetLength - 4 !== (bits + 7) >> 3) return false;
  if (bits === 0) return true;
  if (family !== 1 && family !== 2) return false;
  if (bits > (family === 1 ? 32 : 128)) return false;
  // What lies beyond the prefix has to be zero.
  if ((bits & 7) !== 0 && (bytes[subnetAt + subnetLength - 1]! & (0xff >> (bits & 7))) !== 0) return false;
  subnet.family = family === 1 ? 4 : 6;
  subnet.bits = bits;
  return true;
}
