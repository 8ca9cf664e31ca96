/**
 * Writes netlink messages one behind the other into one piece of memory (netlink(7); attributes.ts has the picture of an attribute): a
 * transaction has thousands of attributes, and each in memory of its own takes longer than all that the kernel does with them.
 */

const FIRST_ROOM = 4096;
const NESTED = 0x8000;
/** Type, flags and sequence of a netlink header begin here. */
const HEADER = { type: 4, flags: 6, sequence: 8, bytes: 16 } as const;

export class MessageWriter {
  private bytes = new Uint8Array(FIRST_ROOM);
  private at = 0;
  /** Where the last message begins. */
  private last = 0;
  /** Messages so far; each has its count as sequence number. */
  count = 0;

  /** Begins a netfilter message (linux/netfilter/nfnetlink.h): family, version 0 and a resource id behind the netlink header. */
  begin(type: number, flags: number, family: number, resource = 0): void {
    this.end();
    this.reserve(HEADER.bytes + 4);
    this.last = this.at;
    this.little16(this.at + HEADER.type, type);
    this.little16(this.at + HEADER.flags, flags);
    this.little32(this.at + HEADER.sequence, ++this.count);
    this.at += HEADER.bytes;
    this.bytes[this.at] = family;
    this.bytes[this.at + 3] = resource;
    this.at += 4;
  }

  /** Adds flags to the last message. */
  flag(flags: number): void {
    this.bytes[this.last + HEADER.flags]! |= flags;
  }

  /** Begins an attribute whose value is attributes; what it gives is for `close`. */
  nest(type: number): number {
    return this.open(type | NESTED);
  }

  /** Begins an attribute whose value is bytes. */
  open(type: number): number {
    this.reserve(4);
    const start = this.at;
    this.little16(start + 2, type);
    this.at += 4;
    return start;
  }

  close(start: number): void {
    this.little16(start, this.at - start);
    this.reserve(3);
    while ((this.at & 3) !== 0) this.bytes[this.at++] = 0;
  }

  /** An attribute that is a number in network order. */
  big32(type: number, value: number): void {
    const start = this.open(type);
    this.u32(value);
    this.close(start);
  }

  /** An attribute that is ASCII text with the zero that ends it. */
  text(type: number, text: string): void {
    const start = this.open(type);
    this.reserve(text.length + 1);
    for (let index = 0; index < text.length; index++) this.bytes[this.at++] = text.charCodeAt(index);
    this.bytes[this.at++] = 0;
    this.close(start);
  }

  /** Four bytes in network order, as part of a value. */
  u32(value: number): void {
    this.reserve(4);
    const { bytes, at } = this;
    bytes[at] = value >>> 24;
    bytes[at + 1] = value >>> 16;
    bytes[at + 2] = value >>> 8;
    bytes[at + 3] = value;
    this.at = at + 4;
  }

  /** Bytes, as part of a value. */
  raw(value: ArrayLike<number>): void {
    this.reserve(value.length);
    this.bytes.set(value, this.at);
    this.at += value.length;
  }

  /** All messages, in memory of their own. */
  finish(): Uint8Array {
    this.end();
    return this.bytes.slice(0, this.at);
  }

  private end(): void {
    if (this.count > 0) this.little32(this.last, this.at - this.last);
  }

  private reserve(more: number): void {
    if (this.at + more <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.at + more));
    grown.set(this.bytes.subarray(0, this.at));
    this.bytes = grown;
  }

  private little16(at: number, value: number): void {
    this.bytes[at] = value;
    this.bytes[at + 1] = value >>> 8;
  }

  private little32(at: number, value: number): void {
    this.little16(at, value);
    this.little16(at + 2, value >>> 16);
  }
}
