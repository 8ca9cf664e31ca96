/** The bytes that a lease's signature covers, and a lease as it is stored (docs/protocol.md §6). */
import { WireError } from './errors.ts';
import { lease as leaseElement, unsignedLease } from './groups.ts';
import { writeElement } from './layout.ts';
import type { Lease } from './model.ts';
import { ELEMENT_HEADER, elementEnd, NUMBER_MASK, readU16, TlvWriter } from './tlv.ts';

/**
 * `bivouac lease 1` and a zero byte. Every other signed thing begins with a message header (42 56), so that no signature
 * can be passed off as one of another kind.
 */
const CONTEXT = Uint8Array.from('bivouac lease 1\0', character => character.charCodeAt(0));

/** What the issuer signs: the context, then the lease's elements in the order of §6.1, without the signature. */
export function leaseToSign(lease: Omit<Lease, 'signature'>): Uint8Array {
  const writer = new TlvWriter();
  writer.raw(CONTEXT);
  unsignedLease.write(writer, lease);
  return writer.finish();
}

/** A signed lease as one `lease` element, to be stored. */
export function encodeLease(lease: Lease): Uint8Array {
  const writer = new TlvWriter();
  writeElement(writer, leaseElement, lease);
  return writer.finish();
}

/** Reads what `encodeLease` made. Throws WireError. */
export function decodeLease(bytes: Uint8Array): Lease {
  const end = elementEnd(bytes, 0, bytes.length);
  if ((readU16(bytes, 0) & NUMBER_MASK) !== leaseElement.number || end !== bytes.length)
    throw new WireError('lease-invalid', 'not one lease element', { offset: 0 });
  return leaseElement.kind.read(bytes, ELEMENT_HEADER, end);
}
