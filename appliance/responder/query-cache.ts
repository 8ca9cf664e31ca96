/**
 * Finds what was answered before to the very same query: the same bytes but for nonce and cookie. No decoding, no garbage.
 */
import { NONCE_AT, NONCE_END } from '../../sdk/wire/anycast.ts';
import { cookie } from '../../sdk/wire/elements.ts';
import { ELEMENT_HEADER, MANDATORY, readU16 } from '../../sdk/wire/tlv.ts';

/** Different queries that are remembered; then all are forgotten. */
const MOST = 1024;

/** Longer queries (more padding) are not remembered. */
const LONGEST = 2048;

const COOKIE = cookie.number | MANDATORY;

interface Entry<T> {
  readonly bytes: Uint8Array;
  readonly value: T;
}

export class QueryCache<T> {
  private readonly entries = new Map<number, Entry<T>>();

  clear(): void {
    this.entries.clear();
  }

  get(query: Uint8Array): T | undefined {
    if (query.length < NONCE_END) return undefined;
    const entry = this.entries.get(hash(query));
    return entry !== undefined && same(entry.bytes, query) ? entry.value : undefined;
  }

  /** Only for a query that was decoded without an error: `get` vouches for all others that look like it. */
  set(query: Uint8Array, value: T): void {
    if (query.length > LONGEST) return;
    if (this.entries.size >= MOST) this.entries.clear();
    this.entries.set(hash(query), { bytes: Uint8Array.from(query), value });
  }
}

/** Where the elements that decide begin: behind the nonce, and behind the cookie if there is one there of a right length. */
function start(query: Uint8Array): number {
  if (query.length < NONCE_END + ELEMENT_HEADER || readU16(query, NONCE_END) !== COOKIE) return NONCE_END;
  const length = readU16(query, NONCE_END + 2);
  const end = NONCE_END + ELEMENT_HEADER + length;
  return length >= 8 && length <= 32 && end <= query.length ? end : NONCE_END;
}

/** FNV-1a over all bytes that must be the same. Who makes two queries collide gets both of them answered slowly, no more. */
function hash(query: Uint8Array): number {
  let value = 0x811c9dc5 ^ query.length;
  for (let at = 0; at < NONCE_AT; at++) value = Math.imul(value ^ query[at]!, 0x01000193);
  for (let at = start(query); at < query.length; at++) value = Math.imul(value ^ query[at]!, 0x01000193);
  return value & 0x3fffffff;
}

function same(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  for (let at = 0; at < NONCE_AT; at++) if (left[at] !== right[at]) return false;
  const from = start(right);
  if (start(left) !== from) return false;
  for (let at = from; at < left.length; at++) if (left[at] !== right[at]) return false;
  return true;
}
