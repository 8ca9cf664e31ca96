/**
 * What an H.323 check says and hears on TCP port 1720: Q.931 messages (ITU-T Q.931 §4, H.225.0 §7) in TPKT frames (RFC 1006 §6).
 *
 *     TPKT    0 version (3) | 1 reserved | 2 length, of all | 4 Q.931 message
 *     Q.931   0 protocol discriminator (8) | 1 length of call reference (2) | 2 call reference, top bit: sent by the called side
 *             4 message type | 5 information elements: type < 0x80, length, contents; ≥ 0x80, one octet; user-user has a length of two octets
 */

const TPKT_VERSION = 3;
const TPKT_HEADER = 4;
/** Longest frame that is read: an answer to a status enquiry has under a hundred bytes. */
export const FRAME_LIMIT = 4_096;

const DISCRIMINATOR = 0x08;
const CALLED_SIDE = 0x80;
const IE_CAUSE = 0x08;
const IE_USER_USER = 0x7e;

/** Q.931 §4.4. */
export const Q931_TYPE = { statusEnquiry: 0x75, status: 0x7d, release: 0x4d, releaseComplete: 0x5a } as const;

/**
 * The H323-UserInformation that H.225.0 §7.3 wants in a STATUS ENQUIRY (ASN.1 aligned PER): message body statusInquiry with
 * protocol identifier 0.0.8.2250.0.4 (H.225.0 version 4) and, at the end, the 16 bytes of the call identifier.
 *
 *     08 30            no options; body is extension 3 (statusInquiry)
 *     19               its length
 *     00               no tokens
 *     06 00 08 91 4a 00 04   protocolIdentifier
 *     00               callIdentifier
 */
const STATUS_INQUIRY = Uint8Array.of(0x08, 0x30, 0x19, 0x00, 0x06, 0x00, 0x08, 0x91, 0x4a, 0x00, 0x04, 0x00);

/** A framed STATUS ENQUIRY for a call that does not exist. `reference` 1…32767; `call` 16 bytes. */
export function encodeStatusEnquiry(reference: number, call: Uint8Array): Uint8Array {
  const information = [...STATUS_INQUIRY, ...call];
  const size = information.length + 1; // and the octet that says that it is ASN.1 (X.680)
  const message = [
    ...[DISCRIMINATOR, 2, reference >> 8, reference & 255, Q931_TYPE.statusEnquiry],
    ...[IE_USER_USER, size >> 8, size & 255, 0x05],
    ...information,
  ];
  const length = TPKT_HEADER + message.length;
  return Uint8Array.of(TPKT_VERSION, 0, length >> 8, length & 255, ...message);
}

/** A message of the called side about a call reference. */
export interface Q931Message {
  readonly reference: number;
  /** False for one that claims to come from the calling side: not an answer. */
  readonly fromCalled: boolean;
  readonly type: number;
  /** Q.850 value; undefined when there is none. */
  readonly cause: number | undefined;
}

/** Reads one message, whole and nothing but it; a string says what is wrong with it. */
export function decodeQ931(bytes: Uint8Array): Q931Message | string {
  if (bytes.length < 5) return 'a message of less than 5 bytes';
  if (bytes[0] !== DISCRIMINATOR) return `protocol discriminator ${bytes[0]}, not ${DISCRIMINATOR}`;
  if (bytes[1] !== 2) return `a call reference of ${bytes[1]! & 15} bytes, not 2`;
  let cause: number | undefined;
  for (let at = 5; at < bytes.length; ) {
    const type = bytes[at]!;
    if (type & 0x80) {
      at++;
      continue;
    }
    const wide = type === IE_USER_USER;
    const start = at + (wide ? 3 : 2);
    const length = wide ? (bytes[at + 1]! << 8) | (bytes[at + 2] ?? 0) : bytes[at + 1];
    if (length === undefined || start + length > bytes.length)
      return `information element ${type} is cut off`;
    // Cause: octet 3 (and 3a, if its top bit is clear), then the value (Q.850 §2.1).
    if (type === IE_CAUSE && length >= 2) cause = bytes[start + (bytes[start]! & 0x80 ? 1 : 2)]! & 0x7f;
    at = start + length;
  }
  return {
    reference: ((bytes[2]! & 0x7f) << 8) | bytes[3]!,
    fromCalled: (bytes[2]! & CALLED_SIDE) !== 0,
    type: bytes[4]!,
    cause,
  };
}

/** Cuts a stream into the contents of TPKT frames. Empty frames are keep-alives (RFC 1006 needs 3 bytes more, H.323 sends them) and left out. */
export class TpktReader {
  private kept = new Uint8Array(0);

  /** The messages that are complete with these bytes, or what is wrong. */
  push(bytes: Uint8Array): Uint8Array[] | string {
    const all = new Uint8Array(this.kept.length + bytes.length);
    all.set(this.kept);
    all.set(bytes, this.kept.length);
    const messages: Uint8Array[] = [];
    let at = 0;
    for (; all.length - at >= 1; ) {
      if (all[at] !== TPKT_VERSION) return `TPKT version ${all[at]}, not ${TPKT_VERSION}`;
      if (all.length - at < TPKT_HEADER) break;
      const length = (all[at + 2]! << 8) | all[at + 3]!;
      if (length < TPKT_HEADER || length > FRAME_LIMIT) return `a TPKT length of ${length}`;
      if (all.length - at < length) break;
      if (length > TPKT_HEADER) messages.push(all.subarray(at + TPKT_HEADER, at + length));
      at += length;
    }
    this.kept = all.slice(at);
    return messages;
  }
}
