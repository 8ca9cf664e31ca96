/** A message's body: its number and its record of elements, for each carrier's messages. */
import { closeHeader, HEADER, openHeader } from './header.ts';
import { type Layout, type RecordCodec, record } from './layout.ts';
import { MESSAGE } from './numbers.ts';
import { TlvWriter } from './tlv.ts';

export interface Body<T> {
  readonly number: number;
  readonly codec: RecordCodec<T>;
}

/** The body of a message of one datagram, and its type. */
export interface Shape<T extends string> extends Body<object> {
  readonly type: T;
}

/** Gives what makes shapes of one family of messages. */
export const shapesOf =
  <M extends { readonly type: keyof typeof MESSAGE }>() =>
  <T extends M['type']>(
    type: T,
    layout: Layout<Omit<Extract<M, { readonly type: T }>, 'type'>>,
  ): Shape<M['type']> => ({
    type,
    number: MESSAGE[type],
    codec: record(layout) as unknown as Shape<T>['codec'],
  });

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
