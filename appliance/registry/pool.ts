/**
 * Which VIP to lease: the first free one from a place that the asker's name hashes to, so that a server (or a shared service)
 * tends to get the same VIP from every manager of the mission and after a loss of all state.
 */
import {
  type Address,
  addressBytes,
  addressFromBytes,
  type Family,
  familyOf,
} from '../../sdk/wire/address.ts';
import type { PoolRange } from './config.ts';

/** An address as an unsigned integer. */
export const toInteger = (address: Address): bigint =>
  addressBytes(address).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

/** The inverse of toInteger. */
export function fromInteger(value: bigint, family: Family): Address {
  const bytes = new Uint8Array(family === 4 ? 4 : 16);
  for (let index = bytes.length - 1, rest = value; index >= 0; index--, rest >>= 8n)
    bytes[index] = Number(rest & 255n);
  return addressFromBytes(bytes)!;
}

/** Whether one of the ranges holds the address. */
export function inPools(pools: readonly PoolRange[], address: Address): boolean {
  const family = familyOf(address);
  const value = toInteger(address);
  return pools.some(range => range.family === family && range.first <= value && value <= range.last);
}

/** Addresses that are tried before giving up: enough for any pool that is not nearly full, and bounded for a /64. */
const TRIES = 65_536n;

/** The first address for which `free` holds, from the place that `seed` hashes to; undefined when the pools are exhausted. */
export function pick(
  pools: readonly PoolRange[],
  family: Family,
  seed: string,
  free: (address: Address) => boolean,
): Address | undefined {
  const ranges = pools.filter(range => range.family === family);
  const size = ranges.reduce((sum, range) => sum + (range.last - range.first + 1n), 0n);
  if (size === 0n) return undefined;
  const start = hash(seed) % size;
  for (let step = 0n; step < size && step < TRIES; step++) {
    const address = fromInteger(at(ranges, (start + step) % size), family);
    if (free(address)) return address;
  }
  return undefined;
}

function at(ranges: readonly PoolRange[], offset: bigint): bigint {
  let rest = offset;
  for (const range of ranges) {
    const count = range.last - range.first + 1n;
    if (rest < count) return range.first + rest;
    rest -= count;
  }
  throw new RangeError(`offset ${offset} is beyond the pools`);
}

/** FNV-1a, 64 bits. */
function hash(text: string): bigint {
  let value = 0xcbf29ce484222325n;
  for (let index = 0; index < text.length; index++)
    value = BigInt.asUintN(64, (value ^ BigInt(text.charCodeAt(index))) * 0x100000001b3n);
  return value;
}
