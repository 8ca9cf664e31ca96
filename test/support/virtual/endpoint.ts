/**
 * One end of a stream in virtual time: ordered, windowed, retransmitted, as TCP does it and as Node shows it.
 */
import type { Millis, Stream, StreamHandlers, Timer } from '../../../appliance/host/ports.ts';
import type { Address } from '../../../sdk/wire/address.ts';
import type { VirtualHost } from './network.ts';

interface Place {
  readonly address: Address;
  readonly port: number;
}

/** Part of the stream, or its end. */
interface Segment {
  readonly sequence: number;
  readonly bytes: Uint8Array | 'fin';
}

/** Bytes that may be on the way or unread at the far end; what is written beyond is `pending`. */
const WINDOW = 64 * 1024;

/** `write` says false from so many pending bytes on, like Node's streams. */
const HIGH_WATER = 16 * 1024;

const LARGEST_SEGMENT = 16 * 1024;
const FIRST_RETRY: Millis = 200;
const RETRIES = 15;
/** Like host/net-stream.ts: how long an end waits for the other side's. */
const LINGER: Millis = 2_000;

export class Endpoint implements Stream {
  readonly host: VirtualHost;
  readonly local: Place;
  readonly remote: Place;
  peer: Endpoint | undefined;
  private handlers: StreamHandlers | undefined;
  private state: 'connecting' | 'open' | 'closed' = 'connecting';
  /** Whether this end still answers at all: false once its host has forgotten it. */
  private known = true;
  private readonly queue: Uint8Array[] = [];
  private queued = 0;
  private credit = WINDOW;
  private nextSequence = 0;
  private wantsDrain = false;
  private fin: 'no' | 'wanted' | 'sent' = 'no';
  private finHeard = false;
  private expected = 0;
  private readonly early = new Map<number, Segment>();
  private readonly unread: (Uint8Array | 'fin')[] = [];
  private paused = false;
  private consumed = 0;
  private linger: Timer | undefined;

  constructor(host: VirtualHost, handlers: StreamHandlers | undefined, local: Place, remote: Place) {
    this.host = host;
    this.handlers = handlers;
    this.local = { address: local.address, port: local.port };
    this.remote = { address: remote.address, port: remote.port };
    host.endpoints.add(this);
  }

  get connecting(): boolean {
    return this.state === 'connecting';
  }

  get closed(): boolean {
    return this.state === 'closed';
  }

  get pending(): number {
    return this.queued;
  }

  /** Makes the two ends of one stream of this and `peer`. */
  join(peer: Endpoint): void {
    this.peer = peer;
    peer.peer = this;
  }

  /** Connected: what was written meanwhile goes out. */
  open(): void {
    if (this.state !== 'connecting') return;
    this.state = 'open';
    this.handlers?.onOpen?.();
    this.pump();
  }

  /** Accepted: what came meanwhile is handed over. */
  adopt(handlers: StreamHandlers): void {
    if (this.closed) return;
    this.handlers = handlers;
    this.open();
    this.read();
  }

  write(bytes: Uint8Array): boolean {
    if (this.closed || this.fin !== 'no') return false;
    if (bytes.length > 0) this.queue.push(bytes.slice());
    this.queued += bytes.length;
    this.pump();
    if (this.queued >= HIGH_WATER) this.wantsDrain = true;
    return this.queued < HIGH_WATER;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.soon('stream-resume', () => this.read());
  }

  end(): void {
    if (this.closed || this.fin !== 'no') return;
    this.fin = 'wanted';
    this.linger ??= this.host.network.clock.after('stream-linger', LINGER, () => this.destroy());
    this.pump();
  }

  destroy(): void {
    if (this.closed) return;
    this.leave(this.unread.some(part => part !== 'fin') ? 'reset' : 'fin');
    this.soon('stream-close', () => this.handlers?.onClose());
  }

  /** Ends it with an error, as the kernel does. */
  fail(error: string): void {
    if (this.closed) return;
    this.leave('silently');
    this.handlers?.onClose(error);
  }

  /** Its process is gone: nobody is called any more. */
  abandon(how: 'fin' | 'reset' | 'silently'): void {
    if (this.closed) return;
    this.handlers = undefined;
    this.known = how !== 'silently';
    this.leave(how);
  }

  private leave(how: 'fin' | 'reset' | 'silently'): void {
    this.state = 'closed';
    this.queue.length = 0;
    this.queued = 0;
    this.unread.length = 0;
    this.linger?.cancel();
    this.host.endpoints.delete(this);
    if (how === 'fin' && this.fin !== 'sent' && this.peer !== undefined) this.transmit('fin');
    if (how === 'reset') this.reset();
  }

  private reset(): void {
    const { peer } = this;
    if (peer !== undefined)
      this.host.network.carry(
        this.host,
        peer.host,
        () => peer.fail('read ECONNRESET'),
        () => {},
      );
  }

  private pump(): void {
    if (this.state !== 'open') return;
    while (this.queue.length > 0 && this.credit > 0) {
      const first = this.queue[0]!;
      const size = Math.min(first.length, this.credit, LARGEST_SEGMENT);
      if (size === first.length) this.queue.shift();
      else this.queue[0] = first.subarray(size);
      this.queued -= size;
      this.credit -= size;
      this.transmit(first.subarray(0, size));
    }
    if (this.queue.length > 0) return;
    if (this.wantsDrain) {
      this.wantsDrain = false;
      this.soon('stream-drain', () => {
        if (!this.closed) this.handlers?.onDrain?.();
      });
    }
    if (this.fin === 'wanted') {
      this.fin = 'sent';
      this.transmit('fin');
      this.closeWhenBothEnded();
    }
  }

  private transmit(bytes: Uint8Array | 'fin'): void {
    this.attempt({ sequence: this.nextSequence++, bytes }, 0);
  }

  private attempt(segment: Segment, tries: number): void {
    const { network } = this.host;
    if (!this.known || this.peer === undefined) return;
    const again = (): void => {
      const wait = Math.min(FIRST_RETRY * 2 ** tries, 120_000);
      if (tries >= RETRIES) this.fail('read ETIMEDOUT');
      else network.clock.after('retransmit', wait, () => this.attempt(segment, tries + 1));
    };
    // To whoever has the address now: a host that took it over knows nothing of this stream.
    const target = this.peer.host.silent ? this.peer.host : network.hosts.get(this.remote.address);
    network.carry(
      this.host,
      target,
      there => {
        if (there === this.peer?.host) this.peer.receive(segment);
        else
          network.carry(
            there,
            this.host,
            () => this.fail('read ECONNRESET'),
            () => {},
          );
      },
      again,
    );
  }

  private receive(segment: Segment): void {
    if (segment.sequence < this.expected) return;
    if (!this.known || (this.closed && segment.bytes !== 'fin')) {
      this.reset();
      return;
    }
    if (this.closed) return;
    this.early.set(segment.sequence, segment);
    for (let next = this.early.get(this.expected); next !== undefined; next = this.early.get(this.expected)) {
      this.early.delete(this.expected++);
      this.unread.push(next.bytes);
    }
    this.read();
  }

  private read(): void {
    while (!this.paused && this.handlers !== undefined && !this.closed) {
      const part = this.unread.shift();
      if (part === undefined) return;
      if (part === 'fin') {
        this.finHeard = true;
        this.end();
        this.closeWhenBothEnded();
      } else {
        this.grant(part.length);
        this.handlers.onData(part);
      }
    }
  }

  /** Tells the sender, in good time, that there is room again. */
  private grant(size: number): void {
    this.consumed += size;
    if (this.consumed < WINDOW / 4) return;
    const room = this.consumed;
    this.consumed = 0;
    const { peer, host } = this;
    if (peer === undefined) return;
    host.network.clock.after('window', host.network.qualityOf(host, peer.host).latency, () => {
      peer.credit += room;
      peer.pump();
    });
  }

  private closeWhenBothEnded(): void {
    if (this.closed || this.fin !== 'sent' || !this.finHeard) return;
    this.leave('silently');
    this.soon('stream-close', () => this.handlers?.onClose());
  }

  private soon(name: string, run: () => void): void {
    this.host.network.clock.after(name, 0, run);
  }
}
