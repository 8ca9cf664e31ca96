/**
 * DNS over TCP (RFC 7766): each message behind two bytes of its length; as many queries on one connection as one likes, answered in
 * order. Connections, their idle time and what waits in them are bounded.
 */
import { type Address, addressBytes, type Prefix, prefixHolds } from '../../sdk/wire/address.ts';
import type { Clock, Listener, Millis, Net, Peer, Stream, StreamHandlers, Timer } from '../host/ports.ts';
import type { Authority } from './authority.ts';
import type { Desk } from './desk.ts';
import { HEADER, OPCODE, QTYPE } from './numbers.ts';
import { Query } from './query.ts';
import { transferMessages } from './transfer.ts';
import type { TsigAsker } from './tsig.ts';

export interface StreamLimits {
  /** Connections at once, of all sources and of one. When there are more, who has been silent for longest has to go. */
  readonly connections: number;
  readonly perSource: number;
  /** ms without a whole query. */
  readonly idle: Millis;
}

export const STREAM_LIMITS: StreamLimits = { connections: 512, perSource: 32, idle: 10_000 };

/** A query has no use for more. */
const LARGEST_QUERY = 4096;
/** Bytes that may wait for the asker to read before no more queries of his are read: 32 MB of all connections together. */
export const MOST_PENDING = 64 * 1024;
/** Answers made before others get their turn. */
const TURN = 100;

export interface StreamDeps {
  readonly clock: Clock;
  readonly net: Net;
  readonly authority: Authority;
  readonly desk: Desk;
  /** Who may have a zone as a whole. */
  readonly secondaries: () => readonly Prefix[];
  /** Whether a signature is wanted, too. */
  readonly signed: boolean;
  /** Seconds of the wall clock. */
  readonly seconds: () => number;
  readonly limits: StreamLimits;
  /** A transfer was begun, or refused. */
  readonly onTransfer: (zone: string, to: Address, allowed: boolean) => void;
}

export class StreamServer {
  private readonly deps: StreamDeps;
  /** Whoever was heard last stands last. */
  private readonly connections = new Set<Connection>();
  private readonly listeners: Listener[] = [];

  constructor(deps: StreamDeps) {
    this.deps = deps;
  }

  /** Accepts at an address. Gives the port. Rejects when it cannot be bound. */
  async listen(address: Address, port: number): Promise<number> {
    const listener = await this.deps.net.listen(
      { address, port },
      (stream, peer) => this.accept(stream, peer),
      () => {},
    );
    this.listeners.push(listener);
    return listener.port;
  }

  get size(): number {
    return this.connections.size;
  }

  close(): void {
    for (const listener of this.listeners.splice(0)) listener.close();
    for (const connection of [...this.connections]) connection.drop();
  }

  private accept(stream: Stream, peer: Peer): StreamHandlers {
    const { limits } = this.deps;
    let others = 0;
    let oldest: Connection | undefined;
    for (const other of this.connections) {
      if (other.peer.address !== peer.address) continue;
      oldest ??= other;
      others++;
    }
    if (others >= limits.perSource) oldest?.drop();
    else if (this.connections.size >= limits.connections) this.connections.values().next().value?.drop();
    const connection = new Connection(this.deps, stream, peer, {
      heard: () => {
        this.connections.delete(connection);
        this.connections.add(connection);
      },
      gone: () => void this.connections.delete(connection),
    });
    this.connections.add(connection);
    return connection.handlers;
  }
}

class Connection {
  readonly peer: Peer;
  readonly handlers: StreamHandlers;
  private readonly deps: StreamDeps;
  private readonly stream: Stream;
  private readonly on: { readonly heard: () => void; readonly gone: () => void };
  private readonly source = new Uint8Array(16);
  private readonly query = new Query();
  private input = new Uint8Array(0);
  private transfer: Generator<Uint8Array, void> | undefined;
  /** Who signed the query for it. */
  private asker: TsigAsker | undefined;
  private timer: Timer;
  private turn: Timer | undefined;
  private open = true;

  constructor(deps: StreamDeps, stream: Stream, peer: Peer, on: Connection['on']) {
    this.deps = deps;
    this.stream = stream;
    this.peer = peer;
    this.on = on;
    const bytes = addressBytes(peer.address);
    this.source.set(bytes, 16 - bytes.length);
    if (bytes.length === 4) this.source.fill(0xff, 10, 12);
    this.timer = this.watch();
    this.handlers = {
      onData: chunk => this.take(chunk),
      onDrain: () => this.proceed(),
      onClose: () => this.forget(),
    };
  }

  drop(): void {
    this.stream.destroy();
    this.forget();
  }

  private forget(): void {
    if (!this.open) return;
    this.open = false;
    this.timer.cancel();
    this.turn?.cancel();
    this.on.gone();
  }

  private watch(): Timer {
    return this.deps.clock.after('dns-idle', this.deps.limits.idle, () => this.drop());
  }

  /** A whole query came, or a part of a transfer went: a byte now and then is not enough to stay. */
  private alive(): void {
    this.timer.cancel();
    this.timer = this.watch();
    this.on.heard();
  }

  private take(chunk: Uint8Array): void {
    if (!this.open) return;
    const joined = new Uint8Array(this.input.length + chunk.length);
    joined.set(this.input);
    joined.set(chunk, this.input.length);
    this.input = joined;
    this.proceed();
  }

  /** Answers what is there, as long as the asker reads; others have their turn in between. */
  private proceed(): void {
    if (!this.open || this.turn !== undefined) return;
    let at = 0;
    for (let count = 0; this.open; count++) {
      if (this.stream.pending > MOST_PENDING) break;
      if (count === TURN) {
        this.turn = this.deps.clock.after('dns-turn', 0, () => {
          this.turn = undefined;
          this.proceed();
        });
        break;
      }
      if (this.transfer !== undefined) {
        this.continueTransfer();
        continue;
      }
      if (this.input.length - at < 2) break;
      const length = (this.input[at]! << 8) | this.input[at + 1]!;
      if (length < HEADER || length > LARGEST_QUERY) {
        this.drop();
        return;
      }
      if (this.input.length - at < 2 + length) break;
      this.alive();
      this.answer(this.input.subarray(at + 2, at + 2 + length));
      at += 2 + length;
    }
    if (at > 0) this.input = this.input.slice(at);
    // Whoever does not read his answers is not read either.
    if (!this.open) return;
    if (this.turn !== undefined || this.transfer !== undefined || this.stream.pending > MOST_PENDING)
      this.stream.pause();
    else this.stream.resume();
  }

  private answer(bytes: Uint8Array): void {
    if (this.startTransfer(bytes)) return;
    const { answerer } = this.deps.desk;
    answerer.begin();
    const length = answerer.answer(bytes, 0, bytes.length, this.source, 0, true, OUTPUT, 2);
    // Who sends no query has lost his way.
    if (length <= 0) {
      this.drop();
      return;
    }
    OUTPUT[0] = length >> 8;
    OUTPUT[1] = length & 255;
    this.stream.write(OUTPUT.slice(0, 2 + length));
  }

  /** Whether it is a transfer that this source may have. */
  private startTransfer(bytes: Uint8Array): boolean {
    const { query } = this;
    const { authority, secondaries, onTransfer, desk } = this.deps;
    if (query.read(bytes, 0, bytes.length) !== 0 || query.opcode !== OPCODE.QUERY || query.nameLength === 0)
      return false;
    if (query.type !== QTYPE.AXFR && query.type !== QTYPE.IXFR) return false;
    const apex = desk.book.find(query, 0)?.name;
    const zone = authority.view.zones.find(one => one.apex === apex);
    if (zone === undefined || query.qclass !== 1) return false;
    const signed = query.tsigAt >= 0 || this.deps.signed;
    const asker = query.tsigAt >= 0 ? desk.answerer.tsig.judge(query, this.deps.seconds()) : undefined;
    const allowed =
      (!signed || asker?.error === 0) && secondaries().some(prefix => prefixHolds(prefix, this.peer.address));
    onTransfer(zone.apex, this.peer.address, allowed);
    if (!allowed) return false;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const says = query.type === QTYPE.IXFR && query.serialAt >= 0;
    const has = says ? view.getUint32(query.serialAt) : undefined;
    const question = { id: view.getUint16(0), type: query.type, has };
    this.asker = asker;
    this.transfer = transferMessages(authority.view, authority.serial, zone, question);
    return true;
  }

  private continueTransfer(): void {
    const next = this.transfer?.next();
    if (next?.value === undefined) {
      this.transfer = undefined;
      return;
    }
    this.alive();
    const { asker } = this;
    const framed = new Uint8Array(2 + next.value.length + (asker?.length ?? 0));
    framed.set(next.value, 2);
    const length = asker?.sign(framed, 2, next.value.length, this.deps.seconds()) ?? next.value.length;
    framed[0] = length >> 8;
    framed[1] = length & 255;
    this.stream.write(framed);
  }
}

/** One for all connections: each answer is copied out of it. */
const OUTPUT = new Uint8Array(2 + 65_535);
