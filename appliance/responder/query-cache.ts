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
  /** Where the elements that decide begin, and where the bytes that are compared end. */
  readonly start: number;
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

  /** The query is bytes[from…end). */
  get(bytes: Uint8Array, from = 0, end = bytes.length): T | undefined {
    if (end - from < NONCE_END) return undefined;
    if (this.last !== undefined && same(this.last, bytes, from, end)) return this.last.value;
    const entry = this.entries.get(hash(bytes, from, end));
    if (entry === undefined || !same(entry, bytes, from, end)) return undefined;
    this.last = entry;
    return entry.value;
  }

  /** Only for a query that was decoded without an error: `get` vouches for all others that look like it. */
  set(query: Uint8Array, value: T): void {
    if (query.length > LONGEST) return;
    if (this.entries.size >= MOST) this.clear();
    const bytes = Uint8Array.from(query);
    const start = startOf(bytes, 0, bytes.length);
    this.entries.set(hash(bytes, 0, bytes.length), { bytes, start, end: meaningfulEnd(bytes, start), value });
  }
}

/** Where the elements that decide begin: behind the nonce, and behind the cookie if there is one there of a right length. */
function startOf(bytes: Uint8Array, from: number, end: number): number {
  const at = from + NONCE_END;
  if (end - at < ELEMENT_HEADER || readU16(bytes, at) !== COOKIE) return NONCE_END;
  const length = readU16(bytes, at + 2);
  const right = length >= 8 && length <= 32 && at + ELEMENT_HEADER + length <= end;
  return right ? NONCE_END + ELEMENT_HEADER + length : NONCE_END;
}

/** Behind the header of the last element if that is padding, else the end. The query is known to be well formed. */
function meaningfulEnd(query: Uint8Array, start: number): number {
  for (let at = start; at < query.length; ) {
    const next = at + ELEMENT_HEADER + readU16(query, at + 2);
    if (next === query.length && readU16(query, at) === padding.number) return at + ELEMENT_HEADER;
    at = next;
  }
  return query.length;
}

/** FNV-1a. Who makes two queries collide gets both of them answered slowly, no more. */
function hash(bytes: Uint8Array, from: number, end: number): number {
  let value = 0x811c9dc5 ^ (end - from);
  for (let at = 0; at < NONCE_AT; at++) value = Math.imul(value ^ bytes[from + at]!, 0x01000193);
  const start = from + startOf(bytes, from, end);
  const stop = Math.min(end, start + HASHED);
  for (let at = start; at < stop; at++) value = Math.imul(value ^ bytes[at]!, 0x01000193);
  return value & 0x3fffffff;
}

/** Whether they differ in nonce, cookie and padding at most. A cookie's header is compared, so that both begin at `start`. */
function same({ bytes, start, end }: Entry<unknown>, query: Uint8Array, from: number, to: number): boolean {
  if (bytes.length !== to - from) return false;
  for (let at = 0; at < NONCE_AT; at++) if (bytes[at] !== query[from + at]) return false;
  if (start !== NONCE_END)
    for (let at = NONCE_END; at < NONCE_END + ELEMENT_HEADER; at++)
      if (bytes[at] !== query[from + at]) return false;
  for (let at = start; at < end; at++) if (bytes[at] !== query[from + at]) return false;
  return true;
}
