/**
 * One registration connection, from its acceptance to its end (docs/protocol.md, Sessions):
 *
 *     opened ──register──▶ (asked) ──registered sent──▶ established ──▶ over
 *        └──────────────── anything that ends it ──────────────────────▶┘
 *
 * It reads in slices, answers for its budgets, keeps both directions alive, and never waits for anybody.
 */

import { WireError } from '../../sdk/wire/errors.ts';
import type {
  ManagerMessage,
  RefusalCode,
  RegistrationMessage,
  ServerMessage,
} from '../../sdk/wire/messages.ts';
import type { Report } from '../../sdk/wire/model.ts';
import { encodeRegistration } from '../../sdk/wire/registration.ts';
import { RegistrationParser } from '../../sdk/wire/stream.ts';
import type { Millis, Stream, StreamHandlers } from '../host/ports.ts';
import type { ServiceRegistration } from '../registry/events.ts';
import type { Reason } from '../registry/state.ts';
import { type HeartbeatOwner, Heartbeats } from './heartbeats.ts';
import { Bucket, type SessionLimits } from './limits.ts';
import { Outbox } from './outbox.ts';
import type { Wheel } from './wheel.ts';

/** What a session asks of its surroundings. */
export interface SessionOwner {
  readonly limits: SessionLimits;
  readonly wheel: Wheel;
  now(): Millis;
  /** A message for the registry. */
  pass(message: ServerMessage): void;
  /** Registrations of services for the registry, which came together. */
  passServices(messages: readonly ServiceRegistration[]): void;
  /** There is more to read than a slice: call `work` when the others had their turn. */
  queue(): void;
  /** So many services are reported to be up. */
  reported(count: number): void;
  /** Enough was handled in this turn of the event loop: what else is there to read is for `queue`. */
  readonly turnIsOver: boolean;
  /** A request was refused, or the session as a whole; the registry's refusals have been logged where they were decided. */
  refused(code: RefusalCode, sentence: string, by: 'session' | 'registry'): void;
  heartbeat(direction: 'sent' | 'heard'): void;
  /** There is something to send: call `flush` at the end of this turn of the event loop, or before. */
  unsent(): void;
  /** It is over; called once. */
  over(reason: Reason): void;
}

/** What a peer may still send, unread, while it takes in why its session ended. */
const DISCARD = 256 * 1024;

export class Session implements StreamHandlers, HeartbeatOwner {
  private readonly stream: Stream;
  private readonly outbox: Outbox;
  private readonly owner: SessionOwner;
  private readonly parser = new RegistrationParser();
  private readonly bytes: Bucket;
  private readonly messages: Bucket;
  private readonly heartbeats: Heartbeats;
  private readonly outstanding = new Set<number>();
  private mistakes = 0;
  private asked = false;
  /** The interval of heartbeats that the server wished. */
  private wish: Millis = 0;
  private queued = false;
  private isOver = false;
  private discarded = 0;
  /** Services that are being registered one after the other: one change of the registry's tables. */
  private gathered: ServiceRegistration[] | undefined;

  constructor(stream: Stream, owner: SessionOwner) {
    const { limits, wheel } = owner;
    const now = owner.now();
    this.stream = stream;
    this.outbox = new Outbox(stream);
    this.owner = owner;
    this.bytes = new Bucket(limits.bytes, now);
    this.messages = new Bucket(limits.messages, now);
    this.heartbeats = new Heartbeats(wheel, now, limits, this);
  }

  onData(bytes: Uint8Array): void {
    if (this.isOver) {
      this.discarded += bytes.length;
      if (this.discarded > DISCARD) this.stream.destroy();
      return;
    }
    const now = this.owner.now();
    if (!this.bytes.take(bytes.length, now)) {
      const { perSecond } = this.owner.limits.bytes;
      this.reject('limit', `more than ${perSecond} bytes a second: send less, or less often`);
      return;
    }
    this.heartbeats.heard(now);
    this.parser.feed(bytes);
    if (this.queued) return;
    if (this.owner.turnIsOver) this.yield();
    else this.work();
  }

  onClose(error?: string): void {
    this.finish({
      code: 'closed',
      sentence: error === undefined ? 'the server closed its connection' : `the connection broke: ${error}`,
    });
  }

  /** Handles a slice of what was received; while there is more, the stream is not read. */
  work(): void {
    const wasQueued = this.queued;
    let completed = false;
    this.queued = false;
    for (let left = this.owner.limits.slice; !this.isOver; left--) {
      if (left === 0 || this.owner.turnIsOver) {
        this.passGathered();
        if (!this.isOver) this.yield();
        return;
      }
      const message = this.next();
      if (message === 'none') break;
      completed = true;
      if (message !== 'refused') this.handle(message);
    }
    this.passGathered();
    if (this.isOver) return;
    this.heartbeats.progress(completed || wasQueued, this.parser.buffered > 0, this.owner.now());
    if (wasQueued) this.stream.resume();
  }

  send(message: ManagerMessage): void {
    if (this.isOver) return;
    if (message.type === 'registered') this.heartbeats.establish(message.heartbeat);
    if (message.type === 'refused') this.owner.refused(message.code, message.sentence, 'registry');
    if ('transaction' in message) this.outstanding.delete(message.transaction);
    this.write(message);
  }

  /** Sends what was said since the last time. */
  flush(): void {
    if (!this.isOver) this.outbox.flush();
  }

  /** Ends it from this side, with a word to the server. */
  dismiss(code: RefusalCode, reason: Reason, transaction = 0): void {
    if (this.isOver) return;
    this.write({ type: 'refused', transaction, code, sentence: reason.sentence });
    if (this.isOver) return;
    this.outbox.flush();
    this.stream.resume();
    this.stream.end();
    this.finish(reason);
  }

  /** The server did what it may not: ends it, and counts the refusal. */
  reject(code: RefusalCode, sentence: string, transaction = 0): void {
    this.passGathered();
    this.owner.refused(code, sentence, 'session');
    this.dismiss(code, { code, sentence }, transaction);
  }

  now(): Millis {
    return this.owner.now();
  }

  beat(sequence: number): void {
    this.owner.heartbeat('sent');
    this.write({ type: 'heartbeat', sequence });
  }

  tellPace(interval: Millis): void {
    this.write({ type: 'pace', heartbeat: interval });
  }

  /** Has the interval of heartbeats changed; `intervalFor` gives it for the one that the server wished (0 = none). */
  pace(intervalFor: (wish: Millis) => Millis): void {
    if (!this.isOver) this.heartbeats.propose(intervalFor(this.wish));
  }

  working(): boolean {
    return this.queued;
  }

  overdue(reason: Reason): void {
    if (reason.code === 'register-timeout') this.dismiss('out-of-order', reason);
    else if (reason.code === 'message-timeout') this.dismiss('limit', reason);
    else this.drop(reason);
  }

  /** Reads no more until the others had their turn. */
  private yield(): void {
    this.queued = true;
    this.stream.pause();
    this.owner.queue();
  }

  private next(): RegistrationMessage | 'none' | 'refused' {
    try {
      return this.parser.next() ?? 'none';
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.passGathered();
      const { code, message, transaction = 0, fatal } = error;
      this.mistakes++;
      if (fatal || this.mistakes >= this.owner.limits.mistakes) this.reject(code, message, transaction);
      else this.refuse(code, message, transaction);
      return 'refused';
    }
  }

  private handle(message: RegistrationMessage): void {
    const { messages, outstanding } = this.owner.limits;
    if (message.type !== 'register-service') this.passGathered();
    if (!this.messages.take(costOf(message), this.owner.now())) {
      this.reject('limit', `more than ${messages.perSecond} messages a second: send fewer`);
    } else if (!fromServer(message)) {
      this.reject('out-of-order', `a '${message.type}' is for a manager to send`);
    } else if (!this.asked && message.type !== 'register') {
      this.reject('out-of-order', `a '${message.type}' before 'register'`, transactionOf(message));
    } else if (message.type === 'heartbeat') {
      this.owner.heartbeat('heard');
    } else if (message.type === 'pace') {
      this.heartbeats.paced(message.heartbeat);
    } else if ('transaction' in message && this.outstanding.size >= outstanding) {
      this.refuse(
        'limit',
        `${outstanding} requests wait for their answers: wait with it`,
        message.transaction,
      );
    } else {
      if (message.type === 'register') {
        this.asked = true;
        this.wish = message.heartbeat;
      }
      if ('transaction' in message) this.outstanding.add(message.transaction);
      if (message.type === 'report') this.owner.reported(upIn(message.reports));
      if (message.type !== 'register-service') this.owner.pass(message);
      else if (this.gathered === undefined) this.gathered = [message];
      else this.gathered.push(message);
    }
  }

  private passGathered(): void {
    const { gathered } = this;
    if (gathered === undefined) return;
    this.gathered = undefined;
    if (gathered.length === 1) this.owner.pass(gathered[0]!);
    else this.owner.passServices(gathered);
  }

  /** With transaction 0 a refusal would be of the whole session: what carries none is only counted and logged. */
  private refuse(code: RefusalCode, sentence: string, transaction: number): void {
    this.owner.refused(code, sentence, 'session');
    if (transaction !== 0) this.write({ type: 'refused', transaction, code, sentence });
  }

  private write(message: ManagerMessage): void {
    if (this.outbox.put(encodeRegistration(message))) this.owner.unsent();
    this.heartbeats.sent(this.owner.now());
    const { pending } = this.outbox;
    if (pending <= this.owner.limits.pendingBytes) return;
    this.drop({ code: 'slow-reader', sentence: `the server left ${pending} bytes unread` });
  }

  /** Ends it without a word: nobody would read it. */
  private drop(reason: Reason): void {
    if (this.isOver) return;
    this.stream.destroy();
    this.finish(reason);
  }

  private finish(reason: Reason): void {
    if (this.isOver) return;
    this.isOver = true;
    this.heartbeats.stop();
    this.outstanding.clear();
    this.owner.over(reason);
  }
}

/** Of what comes up a part may wait for the next turn; what goes never does: clients are still sent to it. */
function upIn(reports: readonly Report[]): number {
  let count = 0;
  for (const { state } of reports) if (state === 'up') count++;
  return count;
}

/** What a message takes of the budget: each lease that a server presents is a signature to verify. */
const costOf = (message: RegistrationMessage): number =>
  message.type === 'register' ? 1 + message.leases.length : 1;

/** The transaction that a message carries, 0 for none. */
export const transactionOf = (message: RegistrationMessage): number =>
  'transaction' in message ? message.transaction : 0;

const FROM_SERVER: ReadonlySet<string> = new Set<ServerMessage['type']>([
  'register',
  'lease-request',
  'lease-renew',
  'lease-release',
  'register-service',
  'drain-service',
  'withdraw-service',
  'deregister',
  'report',
  'pace',
  'heartbeat',
]);

const fromServer = (message: RegistrationMessage): message is ServerMessage => FROM_SERVER.has(message.type);
