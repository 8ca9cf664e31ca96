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
import type {
  Clock,
  Listener,
  Log,
  Millis,
  Net,
  Peer,
  Stream,
  StreamHandlers,
  TlsIdentity,
} from '../host/ports.ts';
import { claimsOf, UNLIMITED } from '../pki/claims.ts';
import { canonicalSerial } from '../pki/crl.ts';
import type { Claims, Event, ServiceRegistration } from '../registry/events.ts';
import type { Reason, SessionId } from '../registry/state.ts';
import { Admission, refuseCertificate, refuseRevoked } from './admission.ts';

import { SessionCounters } from './counters.ts';
import { SESSION_LIMITS, type SessionLimits } from './limits.ts';
import { Session, type SessionOwner, transactionOf } from './session.ts';
import { Wheel } from './wheel.ts';

interface SessionsConfig {
  readonly listen: readonly { readonly address: Address; readonly port: number }[];
  readonly tls: TlsIdentity | undefined;
  /** Without `tls`: accept anybody. */
  readonly plain: boolean;
  /** Canonical serial numbers of certificates that are accepted no more. */
  readonly revoked?: ReadonlySet<string>;
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
  /** Accepts these certificates no more, and ends the sessions of their holders; those that were revoked before and are not named are good again. */
  revoke(serials: ReadonlySet<string>): void;
  /** Gives sessions another interval of heartbeats, each by what its server wished (0 = nothing). */
  pace(intervalFor: (wish: Millis) => Millis): void;
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

export function createSessions(deps: SessionsDeps): Sessions {
  return new SessionTable(deps);
}

/** What other files see of it is Sessions; the rest is for its entries. */
class SessionTable implements Sessions {
  readonly counters = new SessionCounters();
  private readonly deps: SessionsDeps;
  readonly limits: SessionLimits;
  readonly wheel: Wheel;
  private readonly admission: Admission;
  private readonly entries = new Map<SessionId, Entry>();
  private readonly streams = new Set<Stream>();
  private listeners: readonly Listener[] = [];
  private waiting: Session[] = [];
  /** Services that were reported to be up in this turn of the event loop. */
  private reports = 0;
  private unsent: Session[] = [];
  private lastId = 0;
  private stopping = false;
  private revoked: ReadonlySet<string>;
  private onEmpty: (() => void) | undefined;

  constructor(deps: SessionsDeps) {
    this.deps = deps;
    this.limits = { ...SESSION_LIMITS, ...deps.config.limits };
    this.wheel = new Wheel(deps.clock);
    this.admission = new Admission(this.limits);
    this.revoked = deps.config.revoked ?? new Set();
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

  revoke(serials: ReadonlySet<string>): void {
    this.revoked = serials;
    for (const { session, certificate } of [...this.entries.values()]) {
      if (certificate === undefined || !serials.has(canonicalSerial(certificate.serial))) continue;
      const { code, sentence } = refuseRevoked(certificate);
      session.reject(code, sentence);
    }
  }

  pace(intervalFor: (wish: Millis) => Millis): void {
    for (const { session } of this.entries.values()) session.pace(intervalFor);
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
    const refusal = this.admission.refuse(address) ?? refuseCertificate(peer, this.revoked);
    this.admission.add(address);
    this.streams.add(stream);
    const entry = this.open(stream, peer);
    if (refusal === undefined) this.counters.accepted++;
    else entry.session.reject(refusal.code, refusal.sentence);
    return entry;
  }

  private open(stream: Stream, { address: peer, certificate }: Peer): Entry {
    const id = `s${++this.lastId}` as SessionId;
    const claims = certificate === undefined ? UNLIMITED : claimsOf(certificate, this.deps.identify);
    const shown = certificate && { subject: certificate.subject, serial: certificate.serial };
    const entry = new Entry(this, stream, { id, claims, peer, certificate: shown });
    this.entries.set(id, entry);
    return entry;
  }

  closed({ peer, stream }: Entry): void {
    this.admission.remove(peer);
    this.streams.delete(stream);
    if (this.streams.size === 0) this.onEmpty?.();
  }

  now(): Millis {
    return this.deps.clock.now();
  }

  later(session: Session): void {
    if (this.unsent.push(session) === 1) this.deps.clock.after('session-flush', 0, () => this.flush());
  }

  pass(entry: Entry, event: Event, messages: readonly ServerMessage[]): void {
    const { id, session, peer } = entry;
    if (this.stopping || !this.entries.has(id)) return;
    entry.known = true;
    this.counters.messages += messages.length;
    try {
      this.deps.emit(event);
    } catch (error) {
      // A fault of ours that one message brings out must not take the others' sessions with it.
      const [message] = messages;
      const { type } = message!;
      this.deps.log('error', 'session-message-failed', { session: id, peer, message: type, error });
      session.reject('internal', `the manager failed at this '${type}'`, transactionOf(message!));
    }
  }

  over({ id, peer, known }: Entry, reason: Reason): void {
    if (!this.entries.delete(id)) return;
    this.counters.countEnded(reason.code);
    this.deps.log('info', 'session-ended', { session: id, peer, ...reason });
    if (known && !this.stopping) this.deps.emit({ type: 'session-ended', session: id, reason });
  }

  refused(code: RefusalCode, sentence: string, about: Readonly<Record<string, unknown>>): void {
    this.counters.countRefused(code);
    this.deps.log('warning', 'session-refused', { code, sentence, ...about });
  }

  private refusedHandshake(peer: string, sentence: string): void {
    this.counters.countRefused('tls');
    this.deps.log('warning', 'session-refused', { code: 'tls', sentence, peer });
  }

  /** Sessions with more to read than a slice take turns, a few sessions at a time, between everything else. */
  queue(session: Session): void {
    this.waiting.push(session);
    if (this.waiting.length === 1) this.nextTurn();
  }

  private nextTurn(): void {
    this.deps.clock.after('session-slices', 0, () => {
      const turn = this.waiting;
      this.waiting = [];
      let at = 0;
      for (; at < turn.length && at < TURN && !this.turnIsOver; at++) turn[at]!.work();
      // Whoever queued up meanwhile has asked for a turn already.
      const isAsked = this.waiting.length > 0;
      this.waiting = [...turn.slice(at), ...this.waiting];
      if (this.waiting.length > 0 && !isAsked) this.nextTurn();
    });
  }

  reported(count: number): void {
    if (this.reports === 0 && count > 0)
      this.deps.clock.after('session-turn', 0, () => {
        this.reports = 0;
      });
    this.reports += count;
  }

  /**
   * Each report of a hundred services sets drivers to work. Were all that came at once handled in one turn, the drivers would be heard of
   * only after the last, and the network learn of the first route that late.
   */
  get turnIsOver(): boolean {
    return this.reports >= this.limits.reports;
  }
}

type Shown = Pick<NonNullable<Peer['certificate']>, 'subject' | 'serial'>;

/** A session and whose it is. Thousands are held for long: methods, where closures would take a kilobyte each time. */
class Entry implements SessionOwner, StreamHandlers {
  readonly id: SessionId;
  readonly claims: Claims;
  readonly peer: Address;
  readonly stream: Stream;
  readonly session: Session;
  /** Whether the registry has heard of it. */
  known = false;
  private readonly table: SessionTable;
  /** What is kept of its certificate, if it has shown one. */
  readonly certificate: Shown | undefined;

  constructor(
    table: SessionTable,
    stream: Stream,
    who: {
      readonly id: SessionId;
      readonly claims: Claims;
      readonly peer: Address;
      readonly certificate: Shown | undefined;
    },
  ) {
    this.table = table;
    this.stream = stream;
    this.id = who.id;
    this.claims = who.claims;
    this.peer = who.peer;
    this.certificate = who.certificate;
    this.session = new Session(stream, this);
  }

  get limits(): SessionLimits {
    return this.table.limits;
  }

  get wheel(): Wheel {
    return this.table.wheel;
  }

  onData(bytes: Uint8Array): void {
    this.session.onData(bytes);
  }

  onClose(error?: string): void {
    this.session.onClose(error);
    this.table.closed(this);
  }

  now(): Millis {
    return this.table.now();
  }

  pass(message: ServerMessage): void {
    const { id: session, claims, peer } = this;
    this.table.pass(this, { type: 'message', session, claims, peer, message }, [message]);
  }

  passServices(messages: readonly ServiceRegistration[]): void {
    const { id: session, claims } = this;
    this.table.pass(this, { type: 'services', session, claims, messages }, messages);
  }

  queue(): void {
    this.table.queue(this.session);
  }

  reported(count: number): void {
    this.table.reported(count);
  }

  get turnIsOver(): boolean {
    return this.table.turnIsOver;
  }

  refused(code: RefusalCode, sentence: string, by: 'session' | 'registry'): void {
    const { id: session, peer } = this;
    const subject = this.certificate?.subject;
    if (by === 'registry') this.table.counters.countRefused(code);
    else this.table.refused(code, sentence, { session, peer, subject });
  }

  unsent(): void {
    this.table.later(this.session);
  }

  heartbeat(direction: 'sent' | 'heard'): void {
    this.table.counters.countHeartbeat(direction);
  }

  over(reason: Reason): void {
    this.table.over(this, reason);
  }
}
