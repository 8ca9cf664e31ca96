/** Notices: one message in a datagram between managers, and from managers to GSLBs (docs/protocol.md, Notices). */
import { messageLength, signatureAt } from './anycast.ts';
import { decodeBody, encodeBody, type Shape, shapesOf } from './body.ts';
import * as element from './elements.ts';
import { WireError } from './errors.ts';
import * as group from './groups.ts';
import { HEADER } from './header.ts';
import { flag, many, one, optional, orElse, writeElement } from './layout.ts';
import { type NoticedBinding, type NoticedOffer, type NoticeMessage, VERSION } from './messages.ts';
import { TlvWriter } from './tlv.ts';

type Type = NoticeMessage['type'];

const shape = shapesOf<NoticeMessage>();

/** Entries of each sort in one notice: more than fit into a datagram. */
export const MAX_ENTRIES = 64;
const MAX_ADDRESSES = 8;

/** A repair without a cookie is padded to at least this, and what answers it is no longer. Fits RFC 8200 §5's least MTU. */
export const REPAIR_SIZE = 1232;

const speaker = {
  manager: one(element.managerId),
  name: orElse(element.managerName, ''),
  addresses: many(element.address, 0, MAX_ADDRESSES),
  anycastPort: one(element.anycastPort),
  port: one(element.port),
  tls: flag(element.tls),
};

/** Every message of notices and its elements, in the order in which they are written. The signature is last. */
export const NOTICES: readonly Shape<Type>[] = [
  shape('notice', {
    ...speaker,
    boot: one(element.boot),
    since: one(element.since),
    change: one(element.change),
    nonce: optional(element.nonce),
    whole: flag(element.whole),
    bindings: many(group.binding, 0, MAX_ENTRIES),
    offers: many(group.offer, 0, MAX_ENTRIES),
    signature: optional(element.signature),
  }),
  shape('refresh', {
    ...speaker,
    boot: one(element.boot),
    change: one(element.change),
    nonce: optional(element.nonce),
    cookie: optional(element.cookie),
    certificate: optional(element.certificate),
    beat: one(element.beat),
    validity: one(element.validity),
    entries: one(element.entries),
    gone: flag(element.gone),
    image: optional(element.image),
    signature: optional(element.signature),
  }),
  shape('repair', {
    nonce: one(element.nonce),
    cookie: optional(element.cookie),
    manager: optional(element.managerId),
    boot: optional(element.boot),
    since: one(element.since),
    certificate: one(element.certificate),
    padding: orElse(element.padding, 0),
    signature: optional(element.signature),
  }),
];

const byType = new Map(NOTICES.map(entry => [entry.type, entry]));
const byNumber = new Map(NOTICES.map(entry => [entry.number, entry]));

/** The message's bytes, not signed yet if it has no `signature`: `appendSignature` does that. Throws WireError. */
export const encodeNotice = (message: NoticeMessage): Uint8Array =>
  encodeBody(byType.get(message.type)!, message, 0, VERSION.oldest);

/** The message that `bytes` is; it must be signed, but whether the signature is right is the caller's to see. Throws WireError. */
export function decodeNotice(bytes: Uint8Array): NoticeMessage & { readonly signature: Uint8Array } {
  const length = messageLength(bytes);
  const entry = byNumber.get(bytes[3]!);
  if (entry === undefined)
    throw new WireError('unknown-mandatory', `message type ${bytes[3]} is none of the notices'`, {
      offset: 3,
    });
  const message = { type: entry.type, ...decodeBody(entry, bytes, 0, length) } as NoticeMessage;
  if (message.signature === undefined || signatureAt(bytes, HEADER + length) === undefined) {
    const { number, name } = element.signature;
    throw new WireError('malformed', 'it is not signed', { offset: HEADER, element: number, name });
  }
  if (message.type === 'notice' && message.since >= message.change) {
    const { number, name } = element.since;
    const sentence = `it tells of the changes after ${message.since} up to ${message.change}: there are none`;
    throw new WireError('malformed', sentence, { offset: HEADER, element: number, name });
  }
  return message as NoticeMessage & { readonly signature: Uint8Array };
}

const room = new TlvWriter();

/** Bytes that an entry takes in a notice. Throws WireError for a value out of its range. */
export function entrySize(
  entry: { readonly binding: NoticedBinding } | { readonly offer: NoticedOffer },
): number {
  if ('binding' in entry) writeElement(room.reset(), group.binding, entry.binding);
  else writeElement(room.reset(), group.offer, entry.offer);
  return room.at;
}
