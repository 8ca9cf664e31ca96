/** Answers ahead of their queries: parts, templates, and what can be seen of a query without decoding it (docs/protocol.md §7.3…7.5). */
import { encodeAnycast, MAX_ANSWERED_SERVERS, NONCE_AT, NONCE_END } from './anycast.ts';
import { address, cookie, score } from './elements.ts';
import { WireError } from './errors.ts';
import { answeredService, MAX_ANSWERED_SERVICES } from './groups.ts';
import { HEADER } from './header.ts';
import { type Element, writeElement } from './layout.ts';
import type { AnycastMessage, RefusalCode } from './messages.ts';
import type { AnsweredServer } from './model.ts';
import { MESSAGE } from './numbers.ts';
import { SIGNATURE_SIZE } from './signing.ts';
import { ELEMENT_HEADER, MANDATORY, readU16, TlvWriter } from './tlv.ts';

export type Answer = Extract<AnycastMessage, { type: 'answer' }>;
export type Query = Extract<AnycastMessage, { type: 'query' }>;

/** Parts of one answer. */
export const MAX_PARTS = 1024;
/** Fits the minimum MTU of IPv6 (RFC 8200 §5) under its header and UDP's. */
export const SAFE_DATAGRAM = 1232;
/** A UDP query without a cookie is padded to at least this, so that a `cookie` message is never longer than it. */
export const LEAST_QUERY = 64;

/** A server, or some of its services, as it stands in one part; `size` in bytes. */
interface Piece {
  readonly server: AnsweredServer;
  readonly size: number;
}

const ZERO_NONCE = new Uint8Array(8);
const room = new TlvWriter();

/**
 * The answer in numbered parts, none longer than `maxBytes` (with its signature, if `signed`). Servers keep their order; one
 * whose services do not fit into a part stands in the next ones again with the rest of them. What does not fit into
 * `maxParts` is left out and counted in `omitted`. Throws WireError 'limit' when not even one service fits.
 */
export function splitAnswer(answer: Answer, maxBytes: number, signed = false, maxParts = 255): Answer[] {
  const base = encodeAnycast({ ...answer, servers: [], omitted: 1 }).length;
  const space = maxBytes - base - (signed && answer.signature === undefined ? SIGNATURE_SIZE : 0);
  const parts: AnsweredServer[][] = [[]];
  let used = 0;
  let omitted = answer.omitted ?? 0;
  const most = Math.min(maxParts, MAX_PARTS);

  for (const [index, server] of answer.servers.entries()) {
    const pieces = piecesOf(server, space, space - used);
    const opened = pieces.length - (pieces[0]!.size <= space - used ? 1 : 0);
    if (parts.length + opened > most) {
      omitted += answer.servers.length - index;
      break;
    }
    for (const piece of pieces) {
      if (piece.size > space - used || parts.at(-1)!.length === MAX_ANSWERED_SERVERS) {
        parts.push([]);
        used = 0;
      }
      parts.at(-1)!.push(piece.server);
      used += piece.size;
    }
  }
  return parts.map((servers, index) => ({
    ...answer,
    ...(omitted > 0 ? { omitted } : {}),
    part: index + 1,
    parts: parts.length,
    servers,
  }));
}

/** The server whole if it fits into a part, else with its services dealt out; `first` is what the present part still has. */
function piecesOf(server: AnsweredServer, space: number, first: number): Piece[] {
  const bare = sizeOf(address, server.address) + sizeOf(score, server.score) + ELEMENT_HEADER;
  const sizes = server.services.map(service => sizeOf(answeredService, service));
  const whole = sizes.reduce((sum, size) => sum + size, bare);
  if (whole <= space && sizes.length <= MAX_ANSWERED_SERVICES) return [{ server, size: whole }];

  const pieces: Piece[] = [];
  let left = first;
  let begin = 0;
  let used = bare;
  const close = (end: number): void => {
    if (end > begin)
      pieces.push({ server: { ...server, services: server.services.slice(begin, end) }, size: used });
    begin = end;
    used = bare;
  };
  for (const [index, size] of sizes.entries()) {
    if (bare + size > space) {
      const sentence = `a server with one service takes ${bare + size} bytes, a part has ${space}`;
      throw new WireError('limit', sentence, { offset: 0 });
    }
    if (used + size > left || index - begin === MAX_ANSWERED_SERVICES) {
      close(index);
      left = space;
    }
    used += size;
  }
  close(sizes.length);
  return pieces;
}

function sizeOf<T>(element: Element<T>, value: T): number {
  writeElement(room.reset(), element, value);
  return room.at;
}

/** An answer's bytes with a zero nonce, to be given each query's own at NONCE_AT. */
export const answerTemplate = (answer: Answer): Uint8Array => encodeAnycast({ ...answer, nonce: ZERO_NONCE });

/** The nonce that the bytes begin with, if they are long enough to have one: so that even a bad query can be refused. */
export const nonceOf = (bytes: Uint8Array): Uint8Array | undefined =>
  bytes.length >= NONCE_END ? Uint8Array.from(bytes.subarray(NONCE_AT, NONCE_END)) : undefined;

const COOKIE_TYPE = cookie.number | MANDATORY;

/**
 * The cookie that a query carries, as a view of its bytes; undefined if none stands right behind the nonce, where senders put it
 * (docs/protocol.md §7.5). Nothing is decoded: `bytes` may be anything.
 */
export function queryCookie(bytes: Uint8Array): Uint8Array | undefined {
  const start = NONCE_END + ELEMENT_HEADER;
  if (!isQuery(bytes) || bytes.length < start || readU16(bytes, NONCE_END) !== COOKIE_TYPE) return undefined;
  const length = readU16(bytes, NONCE_END + 2);
  const fits = length >= 8 && length <= 32 && start + length <= bytes.length;
  return fits ? bytes.subarray(start, start + length) : undefined;
}

/** The query with as much padding as makes it `size` bytes long (up to 4 more where 1…4 would be missing). */
export function padQuery(query: Query, size: number): Query {
  const bare = encodeAnycast({ ...query, padding: 0 }).length;
  if (bare >= size) return { ...query, padding: 0 };
  return { ...query, padding: Math.max(1, size - bare - ELEMENT_HEADER) };
}

/** A refusal no longer than `maxBytes`: the sentence is left out if it does not fit; undefined if nothing does. */
export function encodeQueryRefusal(
  nonce: Uint8Array,
  code: RefusalCode,
  sentence: string,
  maxBytes: number,
): Uint8Array | undefined {
  for (const text of [sentence, '']) {
    const bytes = encodeAnycast({ type: 'query-refused', nonce, code, sentence: text });
    if (bytes.length <= maxBytes) return bytes;
  }
  return undefined;
}

/** Whether the bytes begin as a query does, whatever else they hold. */
export const isQuery = (bytes: Uint8Array): boolean =>
  bytes.length >= HEADER && bytes[0] === 0x42 && bytes[1] === 0x56 && bytes[3] === MESSAGE.query;
