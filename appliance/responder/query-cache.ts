/**
 * Finds what was answered before to the very same query: the same bytes but for nonce, cookie and padding. No decoding, no garbage.
 */
import { NONCE_AT, NONCE_END } from '../../sdk/wire/anycast.ts';
import { cookie, padding } from '../../sdk/wire/elements.ts';
import { ELEMENT_HEADER, MANDATORY, readU16 } from '../../sdk/wire/tlv.ts';

/** Different queries that are remembered; then all are forgotten. */
const MOST = 1024;

/** Longer queries (more padding) are not remembered. */
const LONGEST = 2048;

const COOKIE = cookie.number | MANDATORY;

/** Bytes behind the nonce that are hashed: enough to tell queries apart. */
const HASHED = 64;

interface Entry<T> {
  readonly bytes: Uint8Array;
  /** Where the bytes that are compared end: padding at the end is not looked at. */
  readonly end: number;
  readonly value: T;
}

export class QueryCache<T> {
  private readonly entries = new Map<number, Entry<T>>();
  /** Of the last query: mostly the next one is the same. */
  private last: Entry<T> | undefined;

  clear(): void {
    this.entries.clear();
    this.last = undefined;
  }

  get(query: Uint8Array): T | undefined {
    if (query.length < NONCE_END) return undefined;
    if (this.last !== undefined && same(this.last, query)) return this.last.value;
    const entry = this.entries.get(hash(query));
    if (entry === undefined || !same(entry, query)) return undefined;
    this.last = entry;
    return entry.value;
  }

  /** Only for a query that was decoded without an error: `get` vouches for all others that look like it. */
  set(query: Uint8Array, value: T): void {
    if (query.length > LONGEST) return;
    if (this.entries.size >= MOST) this.entries.clear();
    this.entries.set(hash(query), { bytes: Uint8Array.from(query), end: meaningfulEnd(query), value });
  }
}

/** Where the elements that decide begin: behind the nonce, and behind the cookie if there is one there of a right length. */
function start(query: Uint8Array): number {
  if (query.length < NONCE_END + ELEMENT_HEADER || readU16(query, NONCE_END) !== COOKIE) return NONCE_END;
  const length = readU16(query, NONCE_END + 2);
  const end = NONCE_END + ELEMENT_HEADER + length;
  return length >= 8 && length <= 32 && end <= query.length ? end : NONCE_END;
}

/** Behind the header of the last element if that is padding, else the end. The query is known to be well formed. */
function meaningfulEnd(query: Uint8Array): number {
  let at = start(query);
  while (at < query.length) {
    const next = at + ELEMENT_HEADER + readU16(query, at + 2);
    if (next === query.length && readU16(query, at) === padding.number) return at + ELEMENT_HEADER;
    at = next;
  }
  return query.length;
}

/** FNV-1a. Who makes two queries collide gets both of them answered slowly, no more. */
function hash(query: Uint8Array): number {
  let value = 0x811c9dc5 ^ query.length;
  for (let at = 0; at < NONCE_AT; at++) value = Math.imul(value ^ query[at]!, 0x01000193);
  const from = start(query);
  const end = Math.min(query.length, from + HASHED);
  for (let at = from; at < end; at++) value = Math.imul(value ^ query[at]!, 0x01000193);
  return value & 0x3fffffff;
}

function same({ bytes, end }: Entry<unknown>, query: Uint8Array): boolean {
  if (bytes.length !== query.length) return false;
  for (let at = 0; at < NONCE_AT; at++) if (bytes[at] !== query[at]) return false;
  const from = start(query);
  if (start(bytes) !== from) return false;
  for (let at = from; at < end; at++) if (bytes[at] !== query[at]) return false;
  return true;
}
