/** A message's body: its number and its record of elements, for registration.ts and anycast.ts. */
import { closeHeader, HEADER, openHeader } from './header.ts';
import type { RecordCodec } from './layout.ts';
import { TlvWriter } from './tlv.ts';

export interface Body<T> {
  readonly number: number;
  readonly codec: RecordCodec<T>;
}

// One for all encoders: they are synchronous and copy what they wrote.
const scratch = new TlvWriter();

/** The message's bytes. Throws WireError for a value out of its range. */
export function encodeBody<T>(body: Body<T>, message: T, transaction: number, version: number): Uint8Array {
  const writer = scratch.reset();
  openHeader(writer, body.number, transaction, version);
  body.codec.write(writer, message);
  closeHeader(writer);
  return writer.finish();
}

/** Reads the elements of the message whose header is at `at`; the error's offset counts from that header. */
export function decodeBody<T>(body: Body<T>, bytes: Uint8Array, at: number, length: number): T {
  const message = at === 0 ? bytes : bytes.subarray(at);
  return body.codec.read(message, HEADER, HEADER + length);
}
