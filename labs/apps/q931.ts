/**
 * The call signalling of the lab's conference servers: Q.931 messages in TPKT frames on TCP port 1720, as H.225.0 has them,
 * without the ASN.1 body of H.225.0 (its User-User element carries plain text here).
 *
 *     TPKT (RFC 1006 §6)         Q.931 (ITU-T Q.931 §4)
 *     0  3                       0  8 (protocol discriminator)
 *     1  0                       1  2 (length of the call reference)
 *     2  length, both octets     2  flag (1 = from the called side) and call reference, 15 bits
 *        of header included      4  message type
 *     4  Q.931 message           5  information elements, by rising identifier
 */

/** Q.931 §4.4, table 4-2. */
export const MessageType = {
  callProceeding: 0x02,
  setup: 0x05,
  connect: 0x07,
  releaseComplete: 0x5a,
  statusEnquiry: 0x75,
  status: 0x7d,
} as const;

/** Q.931 §4.5.1, table 4-3. */
export const Element = {
  bearerCapability: 0x04,
  cause: 0x08,
  callState: 0x14,
  display: 0x28,
  userUser: 0x7e,
} as const;

export interface Message {
  readonly type: number;
  /** 0…0x7fff. */
  readonly callReference: number;
  /** Sent by the side that was called. */
  readonly fromCalled: boolean;
  /** Identifier → contents. */
  readonly elements: ReadonlyMap<number, Uint8Array>;
}

const TPKT_HEADER = 4;
/** No message of this exchange comes near it. */
const LONGEST = 2048;

/** A message in its TPKT frame. */
export function encode(message: Message): Buffer {
  const elements = [...message.elements]
    .sort(([a], [b]) => a - b)
    .map(([id, contents]) => {
      // The User-User element alone has a length of two octets in H.225.0 (§7.2.2.31).
      const head =
        id === Element.userUser ? [id, contents.length >> 8, contents.length & 255] : [id, contents.length];
      return Buffer.concat([Uint8Array.from(head), contents]);
    });
  const reference = message.callReference | (message.fromCalled ? 0x8000 : 0);
  const body = Buffer.concat([
    Uint8Array.of(8, 2, reference >> 8, reference & 255, message.type),
    ...elements,
  ]);
  const length = TPKT_HEADER + body.length;
  return Buffer.concat([Uint8Array.of(3, 0, length >> 8, length & 255), body]);
}

/** Takes the first whole message off a stream; `undefined` while it is incomplete. Throws on what is not Q.931 in TPKT. */
export function decode(stream: Buffer): { message: Message; rest: Buffer } | undefined {
  if (stream.length < TPKT_HEADER) return undefined;
  const length = stream.readUInt16BE(2);
  if (stream[0] !== 3) throw new Error(`TPKT version ${stream[0]}, must be 3`);
  // An empty frame is H.323's keep-alive.
  if (length === TPKT_HEADER) return decode(stream.subarray(length));
  if (length < TPKT_HEADER + 5 || length > LONGEST)
    throw new Error(`TPKT length ${length}, must be 9 to ${LONGEST}`);
  if (stream.length < length) return undefined;
  const body = stream.subarray(TPKT_HEADER, length);
  if (body[0] !== 8 || body[1] !== 2) throw new Error('not a Q.931 message with a two-octet call reference');
  const reference = body.readUInt16BE(2);
  const message = {
    type: body[4]!,
    callReference: reference & 0x7fff,
    fromCalled: reference >= 0x8000,
    elements: decodeElements(body.subarray(5)),
  };
  return { message, rest: stream.subarray(length) };
}

function decodeElements(bytes: Buffer): Map<number, Uint8Array> {
  const elements = new Map<number, Uint8Array>();
  for (let at = 0; at < bytes.length; ) {
    const id = bytes[at++]!;
    // Identifiers with the top bit set are one octet long (§4.5.1).
    if (id >= 0x80) continue;
    const wide = id === Element.userUser ? 2 : 1;
    if (at + wide > bytes.length) throw new Error(`element ${id} has no length`);
    const length = bytes.readUIntBE(at, wide);
    at += wide;
    if (at + length > bytes.length) throw new Error(`element ${id} is longer than its message`);
    elements.set(id, bytes.subarray(at, at + length));
    at += length;
  }
  return elements;
}

/** A User-User element of IA5 characters (§4.5.30: protocol discriminator 4). */
export function userText(text: string): Uint8Array {
  return Uint8Array.of(4, ...Buffer.from(text, 'latin1'));
}

/** The text of a User-User element; undefined when there is none. */
export function readUserText(message: Message): string | undefined {
  const contents = message.elements.get(Element.userUser);
  return contents?.[0] === 4 ? Buffer.from(contents.subarray(1)).toString('latin1') : undefined;
}
