/**
 * Signatures of transactions (TSIG, RFC 8945) with HMAC-SHA-256: a secondary that has the key proves who it is, and that nobody has
 * changed the zone on its way. The record is the last of a message:
 *
 *     NAME      the key's name           TYPE 250, CLASS 255 (ANY), TTL 0, RDLENGTH
 *     RDATA     algorithm's name | seconds (48) | fudge (16) | MAC size (16) | MAC | original ID (16) | error (16) | other size (16) | other
 *
 * The MAC is over the message without it, and over what of it is not in itself (§4.3.3).
 */
import type { Hmac } from '../host/ports.ts';
import { nameBytes } from './names.ts';
import { QTYPE } from './numbers.ts';
import { folded, type Query } from './query.ts';

export interface TsigKey {
  /** As names.ts has them. */
  readonly name: string;
  readonly secret: Uint8Array;
}

/** Errors within the record (RFC 8945 §5.2); 0: none. */
export const TSIG_ERROR = { BADSIG: 16, BADKEY: 17, BADTIME: 18 } as const;

const ALGORITHM = nameBytes('hmac-sha256');
const MAC_BYTES = 32;
const CLASS_ANY = 255;
/** Behind the MAC: original ID, error, other size. */
const TAIL = 6;
/** Before the MAC, behind the algorithm's name: seconds, fudge, MAC size. */
const TIMES = 8;
const MAC_SIZE = 2;
/** Of a record: type, class, TTL, length. */
const RECORD = 10;

/** Who asked, and how the answer is to be signed. */
export interface TsigAsker {
  /** One of TSIG_ERROR, or 0. */
  readonly error: number;
  /** Bytes that `sign` appends to a message. */
  readonly length: number;
  /**
   * Appends the record to the message output[at…at+length), at `now`, s; gives its length then. Each message is signed with what came
   * before (§5.3.1), so all of them in their order.
   */
  sign(output: Uint8Array, at: number, length: number, now: number): number;
}

interface Read {
  /** In lower case. */
  readonly name: Uint8Array;
  readonly algorithm: Uint8Array;
  /** Seconds and fudge, as they stand. */
  readonly times: Uint8Array;
  readonly seconds: number;
  readonly fudge: number;
  readonly mac: Uint8Array;
  readonly originalId: Uint8Array;
  readonly error: number;
  readonly other: Uint8Array;
}

export class Tsig {
  private readonly keys: readonly (TsigKey & { readonly wire: Uint8Array })[];
  private readonly hmac: Hmac;

  /** Without keys every signature is by a key that is not known. */
  constructor(keys: readonly TsigKey[], hmac: Hmac) {
    this.keys = keys.map(key => ({ ...key, wire: nameBytes(key.name) }));
    this.hmac = hmac;
  }

  /** Judges the query's record at `now`, s; undefined when it is malformed, which is FORMERR. */
  judge(query: Query, now: number): TsigAsker | undefined {
    const read = readTsig(query);
    if (read === undefined) return undefined;
    const key = this.keys.find(({ wire }) => same(wire, read.name));
    if (key === undefined || !same(read.algorithm, ALGORITHM)) return this.asker(read, TSIG_ERROR.BADKEY);
    const unsigned = copied(query.bytes, query.start, query.tsigAt);
    unsigned.set(read.originalId);
    unsigned[11]!--;
    if (unsigned[11] === 255) unsigned[10]!--;
    const expected = this.hmac(
      key.secret,
      joined(unsigned, variables(read, read.times, read.error, read.other)),
    );
    if (!same(expected, read.mac)) return this.asker(read, TSIG_ERROR.BADSIG);
    const late = Math.abs(now - read.seconds) > read.fudge;
    return this.asker(read, late ? TSIG_ERROR.BADTIME : 0, key.secret);
  }

  private asker(read: Read, error: number, secret?: Uint8Array): TsigAsker {
    // Who has another clock is told ours (§5.2.3); who has not the key gets no MAC.
    const otherSize = error === TSIG_ERROR.BADTIME ? 6 : 0;
    const size = secret === undefined ? 0 : MAC_BYTES;
    const data = read.algorithm.length + TIMES + MAC_SIZE + size + TAIL + otherSize;
    const { hmac } = this;
    let previous = read.mac;
    let first = true;
    return {
      error,
      length: read.name.length + RECORD + data,
      sign(output, at, length, now) {
        const times = timesOf(error === TSIG_ERROR.BADTIME ? read.seconds : now, read.fudge);
        const other = otherSize === 0 ? NONE : timesOf(now, 0).subarray(0, 6);
        let mac: Uint8Array = NONE;
        if (secret !== undefined) {
          const rest = first ? variables(read, times, error, other) : times;
          mac = hmac(secret, joined(u16(previous.length), previous, output.subarray(at, at + length), rest));
          previous = mac;
          first = false;
        }
        const record = joined(
          ...[read.name, u16(QTYPE.TSIG), u16(CLASS_ANY), u16(0), u16(0), u16(data)],
          ...[read.algorithm, times, u16(mac.length), mac],
          ...[output.subarray(at, at + 2), u16(error), u16(other.length), other],
        );
        output.set(record, at + length);
        output[at + 11]!++;
        if (output[at + 11] === 0) output[at + 10]!++;
        return length + record.length;
      },
    };
  }
}

const NONE = new Uint8Array(0);

/** Reads the record at the query's end; undefined when it is not as it should be. Names in it are not compressed (§4.2). */
function readTsig({ bytes, tsigAt, end }: Query): Read | undefined {
  const name = wholeName(bytes, tsigAt, end);
  if (name === undefined) return undefined;
  const at = tsigAt + name.length;
  const view = new DataView(bytes.buffer, bytes.byteOffset, end);
  if (at + RECORD > end || view.getUint16(at + 2) !== CLASS_ANY || view.getUint32(at + 4) !== 0)
    return undefined;
  const algorithm = wholeName(bytes, at + RECORD, end);
  if (algorithm === undefined) return undefined;
  const times = at + RECORD + algorithm.length;
  const macAt = times + TIMES + MAC_SIZE;
  if (macAt > end) return undefined;
  const tail = macAt + view.getUint16(macAt - MAC_SIZE);
  if (tail + TAIL > end || tail + TAIL + view.getUint16(tail + 4) !== end) return undefined;
  return {
    ...{ name, algorithm, times: copied(bytes, times, times + TIMES) },
    seconds: view.getUint16(times) * 2 ** 32 + view.getUint32(times + 2),
    fudge: view.getUint16(times + 6),
    mac: copied(bytes, macAt, tail),
    originalId: copied(bytes, tail, tail + 2),
    error: view.getUint16(tail + 2),
    other: copied(bytes, tail + TAIL, end),
  };
}

/** A copy of a name in lower case; undefined when it is compressed, or has no end. */
function wholeName(bytes: Uint8Array, at: number, end: number): Uint8Array | undefined {
  let next = at;
  while (next < end && bytes[next] !== 0) {
    if (bytes[next]! > 63) return undefined;
    next += bytes[next]! + 1;
  }
  return next < end && next - at < 255 ? copied(bytes, at, next + 1).map(folded) : undefined;
}

/** What is signed of the record (§4.3.3): all but its type, its length, the MAC, and the original ID. */
const variables = (
  { name, algorithm }: Read,
  times: Uint8Array,
  error: number,
  other: Uint8Array,
): Uint8Array =>
  joined(name, u16(CLASS_ANY), u16(0), u16(0), algorithm, times, u16(error), u16(other.length), other);

/** Not slice: a Buffer's is no copy. */
const copied = (bytes: Uint8Array, from: number, to: number): Uint8Array =>
  Uint8Array.from(bytes.subarray(from, to));

/** Seconds in 48 bits, and the fudge. */
const timesOf = (seconds: number, fudge: number): Uint8Array =>
  joined(
    u16(Math.floor(seconds / 2 ** 32)),
    u16((seconds >>> 16) & 0xffff),
    u16(seconds & 0xffff),
    u16(fudge),
  );

const u16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 255);

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** In the same time wherever they differ. */
function same(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  let difference = 0;
  for (let index = 0; index < one.length; index++) difference |= one[index]! ^ other[index]!;
  return difference === 0;
}
