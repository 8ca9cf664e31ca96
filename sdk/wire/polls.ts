/** Polls: one message in a datagram, to the port of anycast ARP and back (docs/protocol.md, Polls). */
import { messageLength, signatureAt } from './anycast.ts';
import { decodeBody, encodeBody, type Shape, shapesOf } from './body.ts';
import * as element from './elements.ts';
import { WireError } from './errors.ts';
import * as group from './groups.ts';
import { HEADER } from './header.ts';
import { many, one, optional, orElse } from './layout.ts';
import { VERSION } from './messages.ts';
import type { PollMessage } from './poll-messages.ts';
import { NUMBER_MASK, readU16 } from './tlv.ts';

type Type = PollMessage['type'];

const shape = shapesOf<PollMessage>();

/** Links, and round trips, in one reply. */
export const MAX_TOLD = 16;
/** A poll without a cookie is at least so long, so that any `cookie` fits (docs/protocol.md §7.5). */
export const POLL_SIZE = 64;

/** Every message of polls and its elements, in the order in which they are written. The nonce is first, the signature last. */
export const POLLS: readonly Shape<Type>[] = [
  shape('poll', {
    nonce: one(element.nonce),
    cookie: optional(element.cookie),
    part: orElse(element.part, 1),
    certificate: optional(element.certificate),
    padding: orElse(element.padding, 0),
    signature: optional(element.signature),
  }),
  shape('poll-reply', {
    nonce: one(element.nonce),
    manager: one(element.managerId),
    cookie: optional(element.cookie),
    certificate: optional(element.certificate),
    part: one(element.part),
    parts: one(element.parts),
    scores: optional(element.scores),
    links: many(group.link, 0, MAX_TOLD),
    paths: many(group.roundTrip, 0, MAX_TOLD),
    signature: optional(element.signature),
  }),
  shape('probe', { nonce: one(element.nonce) }),
  shape('echo', { nonce: one(element.nonce) }),
];

const byType = new Map(POLLS.map(entry => [entry.type, entry]));
const byNumber = new Map(POLLS.map(entry => [entry.number, entry]));

/** The message's bytes, not signed yet if it has no `signature`: `appendSignature` does that. Throws WireError. */
export const encodePoll = (message: PollMessage): Uint8Array =>
  encodeBody(byType.get(message.type)!, message, 0, VERSION.oldest);

/**
 * The message that `bytes` is; a reply, and a poll with a certificate, must be signed, but whether the signature is right is the caller's
 * to see. Throws WireError.
 */
export function decodePoll(bytes: Uint8Array): PollMessage {
  const length = messageLength(bytes);
  const entry = byNumber.get(bytes[3]!);
  if (entry === undefined)
    throw new WireError('unknown-mandatory', `message type ${bytes[3]} is none of polls'`, { offset: 3 });
  if (length < 12 || (readU16(bytes, HEADER) & NUMBER_MASK) !== element.nonce.number)
    throw new WireError('malformed', 'the nonce must be the first element', { offset: HEADER });
  const message = { type: entry.type, ...decodeBody(entry, bytes, 0, length) } as PollMessage;
  if (message.type === 'probe' || message.type === 'echo') return message;
  const signed = signatureAt(bytes, HEADER + length) !== undefined;
  if (!signed && (message.type === 'poll-reply' || message.certificate !== undefined))
    throw wrong(element.signature, 'it is not signed');
  if (message.type === 'poll-reply' && message.part > message.parts)
    throw wrong(element.part, `part ${message.part} of ${message.parts}`);
  return message;
}

const wrong = ({ number, name }: { readonly number: number; readonly name: string }, sentence: string) =>
  new WireError('malformed', sentence, { offset: HEADER, element: number, name });
