/** Anycast ARP and the search for a manager: one message in a datagram or behind an ARP body (docs/protocol.md §7). */
import { decodeBody, encodeBody, type Shape, shapesOf } from './body.ts';
import * as element from './elements.ts';
import { WireError } from './errors.ts';
import * as group from './groups.ts';
import { HEADER, readHeader } from './header.ts';
import { flag, many, one, optional, orElse } from './layout.ts';
import { type AnycastMessage, VERSION } from './messages.ts';
import type { Selector } from './model.ts';
import { ELEMENT_HEADER, elementEnd, NUMBER_MASK, readU16 } from './tlv.ts';

type Type = AnycastMessage['type'];

const shape = shapesOf<AnycastMessage>();

/** Servers in one part of an answer. */
export const MAX_ANSWERED_SERVERS = 1024;

/** Where the nonce's 8 bytes stand in every message: it is always the first element. */
export const NONCE_AT = HEADER + ELEMENT_HEADER;
export const NONCE_END = NONCE_AT + 8;

/** A solicitation is at least this long, so that the invitation, which is not longer, never amplifies. */
export const SOLICIT_SIZE = 176;

/** Every anycast message and its elements, in the order in which they are written. The nonce is first, the signature last. */
export const ANYCAST: readonly Shape<Type>[] = [
  shape('query', {
    nonce: one(element.nonce),
    cookie: optional(element.cookie),
    vip: optional(element.vip),
    name: optional(element.serviceName),
    selector: orElse(group.selector, {}),
    want: orElse(element.want, 0),
    signed: flag(element.sign),
    padding: orElse(element.padding, 0),
  }),
  shape('answer', {
    nonce: one(element.nonce),
    manager: one(element.managerId),
    vip: optional(element.vip),
    part: one(element.part),
    parts: one(element.parts),
    validity: one(element.validity),
    omitted: optional(element.omitted),
    servers: many(group.answeredServer, 0, MAX_ANSWERED_SERVERS),
    managers: optional(group.managers),
    signature: optional(element.signature),
  }),
  shape('cookie', { nonce: one(element.nonce), cookie: one(element.cookie) }),
  shape('query-refused', {
    nonce: one(element.nonce),
    code: one(element.refusalCode),
    sentence: orElse(element.sentenceText, ''),
  }),
  shape('solicit', {
    nonce: one(element.nonce),
    versions: one(element.versions),
    padding: orElse(element.padding, 0),
  }),
  shape('invite', {
    nonce: one(element.nonce),
    manager: one(element.managerId),
    name: orElse(element.managerName, ''),
    address: one(element.address),
    port: one(element.port),
    tls: flag(element.tls),
  }),
];

const byType = new Map(ANYCAST.map(entry => [entry.type, entry]));
const byNumber = new Map(ANYCAST.map(entry => [entry.number, entry]));

/** The message's bytes. Throws WireError for a value out of its range or a message past 65,535 bytes. */
export function encodeAnycast(message: AnycastMessage): Uint8Array {
  const entry = byType.get(message.type)!;
  if (message.type === 'query')
    return encodeBody(entry, { ...message, selector: tidy(message.selector) }, 0, VERSION.oldest);
  const bytes = encodeBody(entry, message, 0, VERSION.oldest);
  if (message.type !== 'solicit' || message.padding !== undefined || bytes.length >= SOLICIT_SIZE)
    return bytes;
  return encodeAnycast({ ...message, padding: SOLICIT_SIZE - bytes.length - ELEMENT_HEADER });
}

/** A selector that asks for everything is left out, and so is an empty set of ports. */
function tidy({ ports, ...rest }: Selector): Selector | undefined {
  const selector = ports === undefined || ports.length === 0 ? rest : { ...rest, ports };
  return Object.values(selector).some(value => value !== undefined) ? selector : undefined;
}

/**
 * The message that `bytes` is. `padded`: bytes behind the message are not looked at (an Ethernet frame's padding);
 * otherwise they are an error. Throws WireError.
 */
export function decodeAnycast(bytes: Uint8Array, padded = false): AnycastMessage {
  const length = messageLength(bytes, padded);
  const entry = byNumber.get(bytes[3]!);
  if (entry === undefined) {
    throw new WireError('unknown-mandatory', `message type ${bytes[3]} is none of anycast ARP's`, {
      offset: 3,
    });
  }
  const end = HEADER + length;
  if (end < NONCE_END || (readU16(bytes, HEADER) & NUMBER_MASK) !== element.nonce.number)
    throw new WireError('malformed', 'the nonce must be the first element', { offset: HEADER });
  const message = { type: entry.type, ...decodeBody(entry, bytes, 0, length) } as AnycastMessage;
  if (message.type === 'answer') checkAnswer(message, bytes, end);
  return message;
}

/** The length of the message's elements as its header says, checked against the bytes that are there. */
export function messageLength(bytes: Uint8Array, padded = false): number {
  if (bytes.length < HEADER)
    throw new WireError('malformed', `${bytes.length} bytes, a header has ${HEADER}`, { offset: 0 });
  const { length } = readHeader(bytes);
  const there = bytes.length - HEADER;
  if (padded ? length > there : length !== there) {
    throw new WireError('malformed', `the header says ${length} bytes of elements, there are ${there}`, {
      offset: 4,
    });
  }
  return length;
}

function checkAnswer(
  answer: Extract<AnycastMessage, { type: 'answer' }>,
  bytes: Uint8Array,
  end: number,
): void {
  if (answer.part > answer.parts) {
    throw new WireError('malformed', `part ${answer.part} of ${answer.parts}`, {
      offset: HEADER,
      element: element.part.number,
      name: element.part.name,
    });
  }
  if (answer.signature !== undefined) signatureAt(bytes, end);
}

/** Where the signature element begins, or undefined if there is none. Throws WireError if something stands behind it. */
export function signatureAt(bytes: Uint8Array, end: number): number | undefined {
  for (let at = HEADER; at < end; ) {
    const next = elementEnd(bytes, at, end);
    if ((readU16(bytes, at) & NUMBER_MASK) === element.signature.number) {
      if (next === end) return at;
      throw new WireError('malformed', 'the signature must be the last element', {
        offset: at,
        element: element.signature.number,
        name: element.signature.name,
      });
    }
    at = next;
  }
  return undefined;
}
