/**
 * The element grammar that all carriers share (docs/protocol.md §4.1).
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-----------------------------+-------------------------------+
 *     |M|           number            |            length             |
 *     +-+-----------------------------+-------------------------------+
 *     |  value, `length` bytes, no padding                            …
 *     +----------------------------------------------------------------
 *
 * M: a receiver that does not know the number refuses the message (1) or skips the element (0).
 */
import { hex16, WireError } from './errors.ts';

/** Bytes of an element before its value. */
export const ELEMENT_HEADER = 4;
export const MANDATORY = 0x8000;
export const NUMBER_MASK = 0x7fff;
/** Groups within groups, counted from the message's own elements. */
export const MAX_DEPTH = 4;
/** A message with its header: what a 16-bit length can count. */
export const MAX_MESSAGE = 65_535;

export const readU16 = (bytes: Uint8Array, at: number): number => (bytes[at]! << 8) | bytes[at + 1]!;
export const readU32 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;

/**
 * Where the value of the element at `at` ends; its number and M bit are `readU16(bytes, at)`.
 * Throws WireError 'malformed' if the element does not fit before `end`.
 */
export function elementEnd(bytes: Uint8Array, at: number, end: number): number {
  if (end - at < ELEMENT_HEADER) {
    throw new WireError('malformed', `${end - at} bytes are left, an element's header needs 4`, {
      offset: at,
    });
  }
  const length = readU16(bytes, at + 2);
  if (length > end - at - ELEMENT_HEADER) {
    throw new WireError(
      'malformed',
      `its length says ${length} bytes, but ${end - at - ELEMENT_HEADER} are left; the length or the data is cut`,
      { offset: at, element: readU16(bytes, at) & NUMBER_MASK },
    );
  }
  return at + ELEMENT_HEADER + length;
}

/** Writes elements one behind the other. Reusable: `reset` begins anew. */
export class TlvWriter {
  bytes = new Uint8Array(512);
  at = 0;

  reset(): this {
    this.at = 0;
    return this;
  }

  u8(value: number): void {
    this.#room(1);
    this.bytes[this.at++] = value;
  }

  u16(value: number): void {
    this.#room(2);
    this.bytes[this.at++] = value >>> 8;
    this.bytes[this.at++] = value;
  }

  u32(value: number): void {
    this.u16(value >>> 16);
    this.u16(value & 0xffff);
  }

  raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  /** A text's bytes, if all of it is ASCII; else writes nothing and gives false. */
  ascii(text: string): boolean {
    this.#room(text.length);
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code > 0x7f) return false;
      this.bytes[this.at + index] = code;
    }
    this.at += text.length;
    return true;
  }

  zeros(count: number): void {
    this.#room(count);
    this.bytes.fill(0, this.at, this.at + count);
    this.at += count;
  }

  /** Begins an element and gives the mark that `close` wants. */
  open(number: number, mandatory: boolean): number {
    this.u16(mandatory ? number | MANDATORY : number);
    this.u16(0);
    return this.at;
  }

  close(mark: number): void {
    const length = this.at - mark;
    this.bytes[mark - 2] = length >>> 8;
    this.bytes[mark - 1] = length;
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.bytes.slice(0, this.at);
  }

  #room(count: number): void {
    const needed = this.at + count;
    if (needed > MAX_MESSAGE) {
      throw new WireError('limit', `the message grows past ${MAX_MESSAGE} bytes; send it in several`, {
        offset: this.at,
      });
    }
    if (needed <= this.bytes.length) return;
    const larger = new Uint8Array(Math.min(MAX_MESSAGE, Math.max(needed, this.bytes.length * 2)));
    larger.set(this.bytes.subarray(0, this.at));
    this.bytes = larger;
  }
}

/** The error for an element that must be understood and is not. */
export const unknownMandatory = (number: number, offset: number): WireError =>
  new WireError(
    'unknown-mandatory',
    `element ${hex16(number)} must be understood and is not known here; leave it out or clear its mandatory bit`,
    { offset, element: number },
  );
