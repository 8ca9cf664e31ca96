/**
 * A batch of datagrams: received by one system call, answered in place, and sent back by another, each to whom it came from and from
 * the address that it was sent to.
 */
import { addressOf, calls, EAGAIN, errno, MSG_DONTWAIT } from './datagram-calls.ts';

/** Datagrams a system call. */
const BATCH = 64;

/** What takes part in an exchange of datagrams. All its functions run to the end at once. */
export interface DatagramHandler {
  /** A batch begins. */
  begin(): void;
  /**
   * Answers bytes[start…end), which came from the 16 bytes at source[sourceAt…] (IPv4 addresses mapped), into output[at…]. Gives the
   * answer's length; 0: none; less: later, and then `keep` is called with a copy.
   */
  answer(
    bytes: Uint8Array,
    start: number,
    end: number,
    source: Uint8Array,
    sourceAt: number,
    output: Uint8Array,
    at: number,
  ): number;
  keep(query: {
    readonly bytes: Uint8Array;
    readonly source: Uint8Array;
    readonly reply: (bytes: Uint8Array) => void;
  }): void;
}

/**
 * Largest query taken whole, and room for the largest answer: odd numbers of cache lines (64 bytes), or all of a batch would lie in the same
 * few sets of the processor's cache.
 */
const IN_BYTES = 1600;
const OUT_BYTES = 1344;
const NAME_BYTES = 28;
/** A control message with in6_pktinfo (40 bytes), or in_pktinfo (32): both go back as they came, but for the interface. */
const CONTROL_BYTES = 64;
const HEADER_BYTES = 64;
const AF_INET = 2;
const MSG_TRUNC = 0x20;

/** Offsets within mmsghdr. */
const AT = {
  name: 0,
  nameLength: 8,
  iov: 16,
  iovLength: 24,
  control: 32,
  controlLength: 40,
  flags: 48,
  length: 56,
} as const;
/** Offsets within the control message: its protocol, and the number of the interface in either kind of data. */
const CONTROL = { level: 8, index4: 16, index6: 32 } as const;

export class DatagramBatch {
  private readonly handler: DatagramHandler;
  private readonly names = Buffer.allocUnsafeSlow(BATCH * NAME_BYTES).fill(0);
  private readonly controls = Buffer.allocUnsafeSlow(BATCH * CONTROL_BYTES).fill(0);
  private readonly input = Buffer.allocUnsafeSlow(BATCH * IN_BYTES);
  private readonly output = Buffer.allocUnsafeSlow(BATCH * OUT_BYTES);
  private readonly received: Headers;
  private readonly sent: Headers;
  private readonly source = new Uint8Array(16);

  constructor(handler: DatagramHandler) {
    this.handler = handler;
    this.received = new Headers(this.names, this.controls, this.input, IN_BYTES);
    this.sent = new Headers(this.names, this.controls, this.output, OUT_BYTES);
  }

  /** Answers what waits at a socket, a batch at most; gives how many there were. */
  turn(fd: number): number {
    const { received, sent, handler } = this;
    const count = calls.recvmmsg(fd, received.bytes, BATCH, MSG_DONTWAIT, null);
    if (count <= 0) return 0;
    handler.begin();
    let first = 0;
    for (let index = 0; index < count; index++) {
      const length = this.answer(fd, index);
      if (length > 0) {
        sent.follow(received, index, length);
        continue;
      }
      if (index > first) this.send(fd, first, index);
      first = index + 1;
    }
    if (count > first) this.send(fd, first, count);
    received.rearm(count);
    return count;
  }

  private answer(fd: number, index: number): number {
    const { received, handler, input, output } = this;
    const start = index * IN_BYTES;
    const end = start + received.length(index);
    if (received.flags(index) & MSG_TRUNC) return 0;
    const name = index * NAME_BYTES;
    let source: Uint8Array = this.names;
    let sourceAt = name + 8;
    if (this.names[name] === AF_INET) {
      source = this.source;
      sourceAt = 0;
      source[10] = source[11] = 0xff;
      for (let byte = 0; byte < 4; byte++) source[12 + byte] = this.names[name + 4 + byte]!;
    }
    if (received.controlLength(index) > 0) this.clearInterface(index);
    const length = handler.answer(input, start, end, source, sourceAt, output, index * OUT_BYTES);
    if (length < 0)
      this.keep(fd, index, input.subarray(start, end), source.subarray(sourceAt, sourceAt + 16));
    return length;
  }

  /** The way back is the routes' to choose, except where an address is of one link only. */
  private clearInterface(index: number): void {
    const { controls, names } = this;
    const at = index * CONTROL_BYTES;
    const name = index * NAME_BYTES + 8;
    const linkLocal = names[name] === 0xfe && (names[name + 1]! & 0xc0) === 0x80;
    if (controls[at + CONTROL.level] === 0) controls.fill(0, at + CONTROL.index4, at + CONTROL.index4 + 4);
    else if (!linkLocal) controls.fill(0, at + CONTROL.index6, at + CONTROL.index6 + 4);
  }

  private send(fd: number, from: number, to: number): void {
    let next = from;
    while (next < to) {
      const done = calls.sendmmsg(fd, this.sent.from[next], to - next, MSG_DONTWAIT);
      if (done > 0) next += done;
      // No room: who asked will ask again. Any other error is of the first alone (its source cannot be reached, say).
      else if (errno() === EAGAIN) return;
      else next++;
    }
  }

  private keep(fd: number, index: number, bytes: Uint8Array, source: Uint8Array): void {
    const name = keptPart(this.names, index, NAME_BYTES);
    const control = keptPart(this.controls, index, CONTROL_BYTES);
    const sizes = [this.received.nameLength(index), this.received.controlLength(index)] as const;
    this.handler.keep({
      // Not slice: a Buffer's is no copy.
      bytes: Uint8Array.from(bytes),
      source: Uint8Array.from(source),
      reply: answer => {
        const output = unmoved(answer.length);
        output.set(answer);
        const headers = new Headers(name, control, output, answer.length, 1);
        headers.set(0, sizes[0], sizes[1], answer.length);
        calls.sendmsg(fd, headers.bytes, MSG_DONTWAIT);
      },
    });
  }
}

/** V8 keeps smaller ones among its own objects, and moves them. */
const unmoved = (length: number): Buffer => Buffer.allocUnsafeSlow(Math.max(length, 128));

/** A copy of what is kept of one datagram in a buffer for many. */
function keptPart(from: Buffer, index: number, size: number): Buffer {
  const part = unmoved(size);
  from.copy(part, 0, index * size, (index + 1) * size);
  return part;
}

/** An array of mmsghdr, each with one iovec, and the buffers that they point to. */
class Headers {
  readonly bytes: Buffer;
  /** The array from each of its members on. */
  readonly from: readonly Buffer[];
  private readonly iovs: Buffer;
  private readonly size: number;
  private readonly words: Uint32Array;
  private readonly iovWords: Uint32Array;

  constructor(names: Buffer, controls: Buffer, data: Buffer, size: number, count = BATCH) {
    this.size = size;
    this.bytes = unmoved(count * HEADER_BYTES).fill(0);
    this.iovs = unmoved(count * 16).fill(0);
    const [nameAt, controlAt, dataAt, iovAt] = [names, controls, data, this.iovs].map(addressOf) as [
      number,
      number,
      number,
      number,
    ];
    for (let index = 0; index < count; index++) {
      const header = index * HEADER_BYTES;
      pointer(this.bytes, header + AT.name, nameAt + index * NAME_BYTES);
      pointer(this.bytes, header + AT.iov, iovAt + index * 16);
      this.bytes.writeUInt32LE(1, header + AT.iovLength);
      pointer(this.bytes, header + AT.control, controlAt + index * CONTROL_BYTES);
      pointer(this.iovs, index * 16, dataAt + index * size);
      this.iovs.writeUInt32LE(size, index * 16 + 8);
    }
    this.from = Array.from({ length: count }, (_, index) => this.bytes.subarray(index * HEADER_BYTES));
    this.words = new Uint32Array(this.bytes.buffer, this.bytes.byteOffset, (count * HEADER_BYTES) / 4);
    this.iovWords = new Uint32Array(this.iovs.buffer, this.iovs.byteOffset, count * 4);
    this.rearm(count);
  }

  length = (index: number): number => this.words[(index * HEADER_BYTES + AT.length) >> 2]!;
  flags = (index: number): number => this.words[(index * HEADER_BYTES + AT.flags) >> 2]!;
  nameLength = (index: number): number => this.words[(index * HEADER_BYTES + AT.nameLength) >> 2]!;
  controlLength = (index: number): number => this.words[(index * HEADER_BYTES + AT.controlLength) >> 2]!;

  /** Room for what comes next: the kernel has written over the sizes. */
  rearm(count: number): void {
    for (let index = 0; index < count; index++) this.set(index, NAME_BYTES, CONTROL_BYTES, this.size);
  }

  /** Goes to where the other came from. */
  follow(other: Headers, index: number, length: number): void {
    this.set(index, other.nameLength(index), other.controlLength(index), length);
  }

  set(index: number, nameLength: number, controlLength: number, length: number): void {
    const word = (index * HEADER_BYTES) >> 2;
    this.words[word + (AT.nameLength >> 2)] = nameLength;
    this.words[word + (AT.controlLength >> 2)] = controlLength;
    this.words[word + (AT.flags >> 2)] = 0;
    this.iovWords[index * 4 + 2] = length;
  }
}

/** An address of at most 53 bits, as 64. */
function pointer(bytes: Buffer, at: number, address: number): void {
  bytes.writeUInt32LE(address % 2 ** 32, at);
  bytes.writeUInt32LE(Math.floor(address / 2 ** 32), at + 4);
}
