/**
 * The protocol of ospfd's API server (FRR 8.4, ospfd/ospf_api.h), by which a program floods opaque LSAs (RFC 5250) and hears those of
 * others. Pure.
 *
 *     message      version u8 = 1 · type u8 · length u16 of the body · sequence u32 (0 in notifications) · body
 *     register     LSA type u8 · opaque type u8 · 2 zeros
 *     events, sync mask of LSA types u16 (1 << type - 1) · origin u8 (2: anybody's) · areas u8 (0: all)
 *     originate    interface u32 · area u32 · LSA: header of 20 bytes (RFC 2328 §A.4.1), of which type, id and length count · body
 *     delete       address u32 · LSA type u8 · opaque type u8 · pad u8 · flags u8 · opaque id u32
 *     reply        code i8 · 3 zeros
 *     update, gone interface u32 · area u32 · own u8 · 3 zeros · LSA
 *     reachable    added u16 · removed u16 · router ids u32, those added first
 */
import { type Address, addressFromBytes } from '../../sdk/wire/address.ts';

/** AS scope (RFC 5250 §3): through all areas but stubs. */
export const OPAQUE_AS = 11;
/** Opaque ids have 24 bits. */
export const OPAQUE_IDS = 1 << 24;
/** The age at which an LSA is flushed (RFC 2328 §B), s. */
export const MAX_AGE = 3600;
/** Bytes of opaque data in one LSA. ospfd 8.4 loses notifications of more than 1,500 bytes, headers and all. */
export const MOST_DATA = 1400;

const VERSION = 1;
const HEADER = 8;
const LSA_HEADER = 20;
const ABOUT_LSA = 12;
const ALIGNED = 4;
/** ospfd sends no longer ones. */
const LONGEST = 4096;
const ANYBODY = 2;

const REGISTER = 1;
const EVENTS = 3;
const SYNC_LSDB = 4;
const ORIGINATE = 5;
const DELETE = 6;
const SYNC_REACHABLE = 7;
const REPLY = 10;
const UPDATE = 12;
const GONE = 13;
const REACHABLE = 18;

/** An opaque LSA of AS scope, as an application sees it. */
export interface OpaqueLsa {
  readonly type: number;
  /** Seconds, 0…3600. */
  readonly age: number;
  readonly opaqueType: number;
  /** 0…2^24-1. */
  readonly id: number;
  /** The router ID of who floods it. */
  readonly router: Address;
  /** Grows with each instance; a signed number of 32 bits. */
  readonly sequence: number;
  readonly data: Uint8Array;
}

export type ApiMessage =
  | { readonly type: 'reply'; readonly sequence: number; readonly code: number }
  /** `own`: this router floods it. */
  | { readonly type: 'update' | 'gone'; readonly own: boolean; readonly lsa: OpaqueLsa }
  | { readonly type: 'reachable'; readonly added: readonly Address[]; readonly removed: readonly Address[] }
  /** One that is of no use here. */
  | { readonly type: 'other'; readonly number: number };

/** What a reply's code means. */
export function errorOf(code: number): string {
  return ERRORS[-code] ?? `error ${code}`;
}

const ERRORS: readonly string[] = [
  'no error',
  'there is no such interface',
  'there is no such area',
  'there is no such LSA',
  'that type of LSA cannot be flooded',
  'another program floods LSAs of that opaque type: give each its own, or end the other',
  'the opaque type is not registered',
  'not ready',
  'no memory',
  'failed',
  'undefined',
];

/** Claims an opaque type for this connection; other programs of this host get it only when the connection has ended. */
export const encodeRegister = (sequence: number, opaqueType: number): Uint8Array =>
  message(REGISTER, sequence, [OPAQUE_AS, opaqueType, 0, 0]);

/** Asks to be told of every opaque LSA of AS scope that comes, changes or goes. */
export const encodeEvents = (sequence: number): Uint8Array => message(EVENTS, sequence, FILTER);

/** Asks for all of them that there are. */
export const encodeSyncLsdb = (sequence: number): Uint8Array => message(SYNC_LSDB, sequence, FILTER);

/** Asks which routers can be reached. ospfd 8.4 ends itself when a body is empty: this one is not. */
export const encodeSyncReachable = (sequence: number): Uint8Array =>
  message(SYNC_REACHABLE, sequence, [0, 0, 0, 0]);

/** Floods an LSA, with zeros behind the data up to a multiple of 4 bytes (RFC 5250 §3): ospfd takes no other of a neighbour. Throws RangeError for more data than MOST_DATA, or an id beyond 24 bits. */
export function encodeOriginate(
  sequence: number,
  { opaqueType, id, data }: Pick<OpaqueLsa, 'opaqueType' | 'id' | 'data'>,
): Uint8Array {
  if (data.length > MOST_DATA) throw new RangeError(`an LSA of ${data.length} bytes: at most ${MOST_DATA}`);
  if (id < 0 || id >= OPAQUE_IDS) throw new RangeError(`opaque id ${id}: 24 bits`);
  const length = LSA_HEADER + Math.ceil(data.length / ALIGNED) * ALIGNED;
  const body = new Uint8Array(8 + length);
  const view = new DataView(body.buffer);
  body[8 + 3] = OPAQUE_AS;
  view.setUint32(8 + 4, opaqueType * OPAQUE_IDS + id);
  view.setUint16(8 + 18, length);
  body.set(data, 8 + LSA_HEADER);
  return message(ORIGINATE, sequence, body);
}

/** Takes back an LSA that this connection floods. */
export function encodeDelete(sequence: number, opaqueType: number, id: number): Uint8Array {
  const body = new Uint8Array(12);
  body[4] = OPAQUE_AS;
  body[5] = opaqueType;
  new DataView(body.buffer).setUint32(8, id);
  return message(DELETE, sequence, body);
}

const FILTER = [(1 << (OPAQUE_AS - 1)) >> 8, (1 << (OPAQUE_AS - 1)) & 0xff, ANYBODY, 0];

function message(type: number, sequence: number, body: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(HEADER + body.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = VERSION;
  bytes[1] = type;
  view.setUint16(2, body.length);
  view.setUint32(4, sequence);
  bytes.set(body, HEADER);
  return bytes;
}

/** Puts messages together from a stream, whatever its pieces. */
export class ApiReader {
  private rest: Uint8Array = new Uint8Array(0);

  /** The messages that are whole now. Throws RangeError, after which the stream is of no use. */
  push(bytes: Uint8Array): ApiMessage[] {
    let left = bytes;
    if (this.rest.length > 0) {
      left = new Uint8Array(this.rest.length + bytes.length);
      left.set(this.rest);
      left.set(bytes, this.rest.length);
    }
    const messages: ApiMessage[] = [];
    while (left.length >= HEADER) {
      const view = new DataView(left.buffer, left.byteOffset, left.length);
      const length = view.getUint16(2);
      if (left[0] !== VERSION) throw new RangeError(`version ${left[0]} of ospfd's API is not known`);
      if (length > LONGEST) throw new RangeError(`a message of ${length} bytes: at most ${LONGEST}`);
      if (left.length < HEADER + length) break;
      messages.push(decode(left[1]!, view.getUint32(4), left.slice(HEADER, HEADER + length)));
      left = left.subarray(HEADER + length);
    }
    // A copy: the chunk that it came in is not kept alive by its last bytes.
    this.rest = left.slice();
    return messages;
  }
}

function decode(number: number, sequence: number, body: Uint8Array): ApiMessage {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  if (number === REPLY) {
    if (body.length < 1) throw new RangeError('a reply without its code');
    return { type: 'reply', sequence, code: view.getInt8(0) };
  }
  if (number === UPDATE || number === GONE) {
    const lsa = decodeLsa(body.subarray(ABOUT_LSA));
    if (lsa === undefined) return { type: 'other', number };
    return { type: number === UPDATE ? 'update' : 'gone', own: body[8] !== 0, lsa };
  }
  if (number !== REACHABLE) return { type: 'other', number };
  if (body.length < 4) throw new RangeError('a list of routers without its counts');
  const added = view.getUint16(0);
  const removed = view.getUint16(2);
  if (body.length < 4 + 4 * (added + removed))
    throw new RangeError(`a list of ${added + removed} routers in ${body.length} bytes`);
  const ids = Array.from({ length: added + removed }, (_, index) => idAt(body, 4 + 4 * index));
  return { type: 'reachable', added: ids.slice(0, added), removed: ids.slice(added) };
}

/** Undefined for one that is none of AS scope. */
function decodeLsa(bytes: Uint8Array): OpaqueLsa | undefined {
  if (bytes.length < LSA_HEADER) throw new RangeError(`an LSA of ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const type = bytes[3]!;
  const length = view.getUint16(18);
  if (length < LSA_HEADER || length > bytes.length)
    throw new RangeError(`an LSA of ${length} bytes in ${bytes.length}`);
  if (type !== OPAQUE_AS) return undefined;
  return {
    type,
    age: view.getUint16(0) & 0x7fff,
    opaqueType: bytes[4]!,
    id: view.getUint32(4) % OPAQUE_IDS,
    router: idAt(bytes, 8),
    sequence: view.getInt32(12),
    data: bytes.slice(LSA_HEADER, length),
  };
}

const idAt = (bytes: Uint8Array, at: number): Address => addressFromBytes(bytes.subarray(at, at + 4))!;
