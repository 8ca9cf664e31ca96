/**
 * One direction of a line: frames wait for the transmitter, take their time through it, and arrive after the delay. A bounded queue and a
 * delay, as tbf and netem of Linux would do; network control goes first, as routers do it at a thin line. Pure: time is handed in.
 */
import type { Shape } from '../topology/shape.ts';

interface Waiting {
  readonly frame: Uint8Array;
  /** ms, when it came. */
  readonly at: number;
}

export class Pipe {
  readonly #shape: Shape;
  /** Network control, then all else. */
  readonly #queues: readonly [Waiting[], Waiting[]] = [[], []];
  /** Bytes in each. */
  readonly #bytes: [number, number] = [0, 0];
  /** On their way, the first to arrive first. */
  readonly #flying: { readonly frame: Uint8Array; readonly due: number }[] = [];
  /** Until when the transmitter is busy, ms. */
  #free = 0;
  dropped = 0;

  constructor(shape: Shape) {
    this.#shape = shape;
  }

  /** Takes a frame in at `now`; false: the queue is full. */
  offer(frame: Uint8Array, now: number): boolean {
    this.#transmit(now);
    const rank = isControl(frame) ? 0 : 1;
    if (this.#took(this.#bytes[rank]!) > this.#shape.queue) {
      this.dropped++;
      return false;
    }
    this.#queues[rank].push({ frame, at: now });
    this.#bytes[rank]! += frame.length;
    this.#transmit(now);
    return true;
  }

  /** The frames that have arrived by `now`. */
  arrived(now: number): readonly Uint8Array[] {
    this.#transmit(now);
    let count = 0;
    while (count < this.#flying.length && this.#flying[count]!.due <= now) count++;
    return this.#flying.splice(0, count).map(({ frame }) => frame);
  }

  /** When something is to be done again, ms; Infinity: nothing is in it. */
  get next(): number {
    const waits = this.#queues.some(queue => queue.length > 0);
    return Math.min(this.#flying[0]?.due ?? Number.POSITIVE_INFINITY, waits ? this.#free : Infinity);
  }

  /** ms that so many bytes take. */
  #took(bytes: number): number {
    return (bytes * 8000) / this.#shape.rate;
  }

  #transmit(now: number): void {
    while (this.#free <= now) {
      const rank = this.#queues[0].length > 0 ? 0 : 1;
      const next = this.#queues[rank].shift();
      if (next === undefined) return;
      this.#bytes[rank]! -= next.frame.length;
      this.#free = Math.max(this.#free, next.at) + this.#took(next.frame.length);
      this.#flying.push({ frame: next.frame, due: this.#free + this.#shape.delay });
    }
  }
}

/** Ethernet types (IEEE 802.3): IPv4, ARP, IPv6. */
const IPV4 = 0x0800;
const ARP = 0x0806;
const IPV6 = 0x86dd;
/** CS6 and above are network control (RFC 4594 §3.1): OSPF, PIM and BFD of FRR are marked so. */
const CS6 = 0xc0;

/** Whether it keeps the network together: without it a full line would be taken for a dead one. */
export function isControl(frame: Uint8Array): boolean {
  const type = (frame[12]! << 8) | frame[13]!;
  if (type === IPV4) return frame[15]! >= CS6;
  if (type === IPV6) return (((frame[14]! << 4) | (frame[15]! >> 4)) & 0xff) >= CS6;
  return type === ARP;
}
