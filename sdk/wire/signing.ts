/** Signatures over whole messages: which bytes they cover, and how they are put on (docs/protocol.md §7.6). */
import { signatureAt } from './anycast.ts';
import { signature as element } from './elements.ts';
import { WireError } from './errors.ts';
import { HEADER, setLength } from './header.ts';
import { ELEMENT_HEADER, MANDATORY, readU16 } from './tlv.ts';

/** Bytes that a signature adds to a message. */
export const SIGNATURE_SIZE = ELEMENT_HEADER + 64;

/**
 * The bytes that the message's signature covers: the header, with the length that the signed message has, and every
 * element before the signature. For a message that bears a signature it is a view of it; for one that does not yet,
 * a copy with the length set for `appendSignature`. Throws WireError if elements stand behind the signature.
 */
export function signedPart(message: Uint8Array): Uint8Array {
  const end = Math.min(message.length, HEADER + readU16(message, 4));
  const at = signatureAt(message, end);
  if (at !== undefined) return message.subarray(0, at);
  const part = Uint8Array.from(message.subarray(0, end));
  const length = end - HEADER + SIGNATURE_SIZE;
  if (length + HEADER > 0xffff)
    throw new WireError('limit', 'no room for a signature; split the message', { offset: end });
  setLength(part, length);
  return part;
}

/** The signed message, from an unsigned one (or its `signedPart`) and the 64 bytes of Ed25519 over its `signedPart`. */
export function appendSignature(message: Uint8Array, signature: Uint8Array): Uint8Array {
  if (signature.length !== 64)
    throw new WireError('malformed', `an Ed25519 signature has 64 bytes, not ${signature.length}`, {
      offset: message.length,
      element: element.number,
    });
  const signed = new Uint8Array(message.length + SIGNATURE_SIZE);
  signed.set(message);
  setLength(signed, signed.length - HEADER);
  const type = element.number | MANDATORY;
  signed.set([type >>> 8, type & 255, 0, 64], message.length);
  signed.set(signature, message.length + ELEMENT_HEADER);
  return signed;
}
