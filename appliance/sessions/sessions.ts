/**
 * All registration sessions: listening, admission, who is who, and the graceful end.
 */
import type { Address } from '../../sdk/wire/address.ts';
import {
  type ManagerMessage,
  type RefusalCode,
  type ServerMessage,
  WELL_KNOWN,
} from '../../sdk/wire/messages.ts';
import type { ServerId } from '../../sdk/wire/model.ts';
import type { Clock, Listener, Log, Net, Peer, Stream, StreamHandlers, TlsIdentity } from '../host/ports.ts';
import { claimsOf, UNLIMITED } from '../pki/claims.ts';
import type { Claims, Event } from '../registry/events.ts';
import type { Reason, SessionId } from '../registry/state.ts';
import { Admission, refuseRole } from './admission.ts';

import { SessionCounters } from './counters.ts';
import { SESSION_LIMITS, type SessionLimits } from './limits.ts';
import { Session, transactionOf } from './session.ts';
import { Wheel } from './wheel.ts';

interface SessionsConfig {
  readonly listen: readonly { readonly address: Address; readonly port: number }[];
  readonly tls: TlsIdentity | undefined;
  /** Without `tls`: accept anybody. */
  readonly plain: boolean;
  readonly limits?: Partial<SessionLimits>;
}

export interface SessionsDeps {
  readonly clock: Clock;
  readonly net: Net;
  readonly log: Log;
  readonly config: SessionsConfig;
  /** The ServerId of a key's SPKI (host/keys.ts). */
  readonly identify: (publicKey: Uint8Array) => ServerId;
  /** Events `message` and `session-ended`. */
  readonly emit: (event: Event) => void;
}

export interface Sessions {
  /** Listens on all addresses; gives their ports. Rejects, listening on none, if one cannot be had. */
  listen(): Promise<readonly number[]>;
  /** Shows another certificate from the next handshake on; sessions that are go on. Throws when it is of no use. */
  renew(identity: TlsIdentity): void;
  /** To a session's server; for a session that is over, nothing. A `registered` sets the session's heartbeat. */
  send(session: SessionId, message: ManagerMessage): void;
  /** Sends at once what the end of this turn of the event loop otherwise would. */
  flush(): void;
  /** Ends a session (one that a newer one of the same server replaces, say). */
  end(session: SessionId, reason: Reason): void;
  /** Takes no more sessions, tells those that are and closes them once all was sent. They do not count as lost. */
  stop(): Promise<void>;
  readonly size: number;
  readonly counters: SessionCounters;
}

/** How long `stop` waits for servers to take in what was sent to them. */
const STOP_MS = 3000;

/** Sessions that handle a slice each before the event loop looks at anything else. */
const TURN = 64;

interface Entry {
  readonly session: Session;
  readonly claims: Claims;
  readonly peer: Address;
  /** Whether the registry has heard of it. */
  known: boolean;
}

export function createSessions(deps: SessionsDeps): Sessions {
  return new SessionTable(deps);
}

class SessionTable implements Sessions {
  readonly counters = new SessionCounters();
  private readonly deps: SessionsDeps;
  private readonly limits: SessionLimits;
  private readonly wheel: Wheel;
  private readonly admission: Admission;
  private readonly entries = new Map<SessionId, Entry>();
  private readonly streams = new Set<Stream>();
  private listeners: readonly Listener[] = [];
  private waiting: Session[] = [];
  private unsent: Session[] = [];
  private lastId = 0;
  private stopping = false;
  private onEmpty: (() => void) | undefined;

  constructor(deps: SessionsDeps) {
    this.deps = deps;
    this.limits = { ...SESSION_LIMITS, ...deps.config.limits };
    this.wheel = new Wheel(deps.clock);
    this.admission = new Admission(this.limits);
  }

  get size(): number {
    return this.entries.size;
  }

  async listen(): Promise<readonly number[]> {
    const { config, net, log } = this.deps;
    const { tls, plain } = config;
    if (tls === undefined && !plain) {
      throw new Error(
        "no certificate to listen with: set 'tls' (see `bivouac pki`), or 'plain' to accept anybody",
      );
    }
    if (tls === undefined) {
      const risk =
        'registrations are accepted from anyone, without TLS: anybody who reaches this port can claim any VIP';
      log('warning', 'sessions-unauthenticated', { sentence: risk });
    }
    const results = await Promise.allSettled(
      config.listen.map(({ address, port }) =>
        net.listen(
          { address, port, ...(tls && { tls, alpn: [WELL_KNOWN.alpn] }) },
          (stream, peer) => this.accept(stream, peer),
          (from, reason) => this.refusedHandshake(from, reason),
        ),
      ),
    );
    this.listeners = results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []));
    const failed = results.findIndex(result => result.status === 'rejected');
    if (failed < 0) return this.listeners.map(({ port }) => port);
    for (const listener of this.listeners) listener.close();
    const { address, port } = config.listen[failed]!;
    const cause = (results[failed] as PromiseRejectedResult).reason as Error;
    throw new Error(`cannot listen on ${address} port ${port}: ${cause.message}`, { cause });
  }

  renew(identity: TlsIdentity): void {
    for (const listener of this.listeners) listener.renew?.(identity);
  }

  send(id: SessionId, message: ManagerMessage): void {
    this.entries.get(id)?.session.send(message);
  }

  flush(): void {
    const { unsent } = this;
    this.unsent = [];
    for (const session of unsent) session.flush();
  }

  end(id: SessionId, reason: Reason): void {
    this.entries.get(id)?.session.dismiss('conflict', reason);
  }

  async stop(): Promise<void> {
    this.stopping = true;
    for (const listener of this.listeners) listener.close();
    const reason = { code: 'shutting-down', sentence: 'this manager is stopping' };
    for (const { session } of [...this.entries.values()]) session.dismiss('shutting-down', reason);
    if (this.streams.size === 0) return;
    await new Promise<void>(resolve => {
      const timer = this.deps.clock.after('sessions-stop', STOP_MS, resolve);
      this.onEmpty = () => {
        timer.cancel();
        resolve();
      };
    });
    for (const stream of this.streams) stream.destroy();
  }

  private accept(stream: Stream, peer: Peer): StreamHandlers {
    const { address } = peer;
    if (this.admission.overrun(address)) {
      this.refused('limit', 'too many connections: dropped without a word', { peer: address });
      stream.destroy();
      return { onData() {}, onClose() {} };
    }
    const refusal = this.admission.refuse(address) ?? refuseRole(peer);
    this.admission.add(address);
    this.streams.add(stream);
    const session = this.open(stream, peer);
    if (refusal === undefined) this.counters.accepted++;
    else session.reject(refusal.code, refusal.sentence);
    return {
      onData: bytes => session.onData(bytes),
      onClose: error => {
        session.onClose(error);
        this.admission.remove(address);
        this.streams.delete(stream);
        if (this.streams.size === 0) this.onEmpty?.();
      },
    };
  }

  private open(stream: Stream, { address: peer, certificate }: Peer): Session {
    const { clock, identify } = this.deps;
    const id = `s${++this.lastId}` as SessionId;
    const claims = certificate === undefined ? UNLIMITED : claimsOf(certificate, identify);
    const session: Session = new Session(stream, {
      limits: this.limits,
      wheel: this.wheel,
      now: () => clock.now(),
      pass: message => this.pass(id, message),
      queue: () => this.queue(session),
      refused: (code, sentence, by) => {
        if (by === 'registry') this.counters.countRefused(code);
        else this.refused(code, sentence, { session: id, peer, subject: certificate?.subject });
      },
      unsent: () => {
        if (this.unsent.push(session) === 1) clock.after('session-flush', 0, () => this.flush());
      },
      heartbeat: direction => this.counters.countHeartbeat(direction),
      over: reason => this.over(id, reason),
    });
    this.entries.set(id, { session, claims, peer, known: false });
    return session;
  }

  private pass(id: SessionId, message: ServerMessage): void {
    const entry = this.entries.get(id);
    if (entry === undefined || this.stopping) return;
    const { session, claims, peer } = entry;
    entry.known = true;
    this.counters.messages++;
    try {
      this.deps.emit({ type: 'message', session: id, claims, peer, message });
    } catch (error) {
      // A fault of ours that one message brings out must not take the others' sessions with it.
      this.deps.log('error', 'session-message-failed', { session: id, peer, message: message.type, error });
      session.reject('internal', `the manager failed at this '${message.type}'`, transactionOf(message));
    }
  }

  private over(id: SessionId, reason: Reason): void {
    const entry = this.entries.get(id);
    if (entry === undefined) return;
    this.entries.delete(id);
    this.counters.countEnded(reason.code);
    this.deps.log('info', 'session-ended', { session: id, peer: entry.peer, ...reason });
    if (entry.known && !this.stopping) this.deps.emit({ type: 'session-ended', session: id, reason });
  }

  private refused(code: RefusalCode, sentence: string, about: Readonly<Record<string, unknown>>): void {
    this.counters.countRefused(code);
    this.deps.log('warning', 'session-refused', { code, sentence, ...about });
  }

  private refusedHandshake(peer: string, sentence: string): void {
    this.counters.countRefused('tls');
    this.deps.log('warning', 'session-refused', { code: 'tls', sentence, peer });
  }

  /** Sessions with more to read than a slice take turns, a few sessions at a time, between everything else. */
  private queue(session: Session): void {
    this.waiting.push(session);
    if (this.waiting.length === 1) this.nextTurn();
  }

  private nextTurn(): void {
    this.deps.clock.after('session-slices', 0, () => {
      const turn = this.waiting.splice(0, TURN);
      if (this.waiting.length > 0) this.nextTurn();
      for (const session of turn) session.work();
    });
  }
}
