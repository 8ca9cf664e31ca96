/** Messages out of a byte stream, however it is cut (docs/protocol.md §5.1). */

import { WireError } from './errors.ts';
import { HEADER, type Header, readHeader } from './header.ts';
import type { RegistrationMessage } from './messages.ts';
import { decodeAt } from './registration.ts';
import { MAX_MESSAGE } from './tlv.ts';

export interface ParserLimits {
  /** Longest message with its header, bytes. */
  readonly maxMessage: number;
}

const EMPTY = new Uint8Array(0);

/**
 * Push parser of the registration stream. It keeps at most one incomplete message beyond the chunk that it was given.
 *
 * `push` is the short way: all messages that the bytes complete, or a throw, which then loses messages before the bad
 * one. A session that outlives a bad message uses `feed` and `next`: when `next` throws a WireError that is not
 * `fatal`, the bad message is consumed and `next` may be called again.
 */
export class RegistrationParser {
  readonly #limits: ParserLimits;
  #bytes: Uint8Array = EMPTY;
  #start = 0;
  #end = 0;
  /** Whether #bytes is this parser's own memory, to be written to and kept. */
  #owned = false;
  #broken: WireError | undefined;

  constructor(limits: Partial<ParserLimits> = {}) {
    this.#limits = { maxMessage: MAX_MESSAGE, ...limits };
  }

  /** Bytes held that are not a whole message yet. */
  get buffered(): number {
    return this.#end - this.#start;
  }

  push(bytes: Uint8Array): RegistrationMessage[] {
    this.feed(bytes);
    const messages: RegistrationMessage[] = [];
    for (let message = this.next(); message !== undefined; message = this.next()) messages.push(message);
    return messages;
  }

  /** Takes bytes over. They may be reused by the caller once `next` has given undefined. */
  feed(bytes: Uint8Array): void {
    if (this.buffered > 0) this.#append(bytes);
    else {
      this.#bytes = bytes;
      this.#start = 0;
      this.#end = bytes.length;
      this.#owned = false;
    }
  }

  /** The next message, or undefined when more bytes are needed. Throws WireError. */
  next(): RegistrationMessage | undefined {
    if (this.#broken !== undefined) throw this.#broken;
    while (this.buffered >= HEADER) {
      const header = this.#header();
      const size = HEADER + header.length;
      if (this.buffered < size) break;
      const at = this.#start;
      this.#start += size;
      const message = decodeAt(this.#bytes, at, header);
      if (message !== undefined) return message;
    }
    this.#keep();
    return undefined;
  }

  #header(): Header {
    try {
      const header = readHeader(this.#bytes, this.#start);
      const size = HEADER + header.length;
      if (size <= this.#limits.maxMessage) return header;
      throw new WireError(
        'limit',
        `a message of ${size} bytes, at most ${this.#limits.maxMessage} are taken`,
        {
          offset: 4,
          transaction: header.transaction,
          fatal: true,
        },
      );
    } catch (error) {
      if (error instanceof WireError) this.#broken = error;
      throw error;
    }
  }

  #append(bytes: Uint8Array): void {
    const needed = this.#end + bytes.length;
    if (!this.#owned || needed > this.#bytes.length) this.#move(this.buffered + bytes.length);
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** To own memory with room for `needed` bytes, doubled so that a drip of bytes is not copied over and over. */
  #move(needed: number): void {
    const moved = new Uint8Array(Math.max(256, needed * 2));
    moved.set(this.#bytes.subarray(this.#start, this.#end));
    this.#bytes = moved;
    this.#end -= this.#start;
    this.#start = 0;
    this.#owned = true;
  }

  #keep(): void {
    if (this.buffered === 0) {
      this.#bytes = EMPTY;
      this.#start = 0;
      this.#end = 0;
    } else if (!this.#owned) this.#move(this.buffered);
  }
}
