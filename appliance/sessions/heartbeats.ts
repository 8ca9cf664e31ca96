/**
 * A session's times: a heartbeat is sent when nothing else was for an interval, and a server that is silent for three is given up
 * (docs/protocol.md, Heartbeats). Before the session is established the time to register runs instead.
 */
import type { Millis } from '../host/ports.ts';
import type { Reason } from '../registry/state.ts';
import type { SessionLimits } from './limits.ts';
import { Deadline, GRAIN, type Wheel } from './wheel.ts';

/** Silent intervals after which the other side is taken for dead. */
const SILENT_INTERVALS = 3;

export interface HeartbeatOwner {
  now(): Millis;
  beat(sequence: number): void;
  /** Tells the server of another interval. */
  tellPace(interval: Millis): void;
  /** Whether something that was received still waits to be handled. */
  working(): boolean;
  /** What was due did not come: `register-timeout`, `message-timeout` or `heartbeat`. */
  overdue(reason: Reason): void;
}

export class Heartbeats {
  private readonly wheel: Wheel;
  private readonly owner: HeartbeatOwner;
  private readonly messageWithin: Millis;
  private readonly registerWithin: Millis;
  private readonly deadline: Deadline;
  /** undefined until the session is established. */
  private interval: Millis | undefined;
  private lastHeard: Millis;
  private lastSent: Millis;
  private partialSince: Millis | undefined;
  private suspected = false;
  /** The interval that is to hold once the server says so, and whether it has been told. */
  private next: Millis | undefined;
  private told = false;
  /** How often is sent: a server that was told goes by the new interval at once, though it has not said so yet. */
  private sending: Millis = 0;
  private stopped = false;
  private sequence = 0;

  constructor(
    wheel: Wheel,
    now: Millis,
    limits: Pick<SessionLimits, 'registerWithin' | 'messageWithin'>,
    owner: HeartbeatOwner,
  ) {
    this.wheel = wheel;
    this.owner = owner;
    this.messageWithin = limits.messageWithin;
    this.registerWithin = limits.registerWithin;
    this.lastHeard = now;
    this.lastSent = now;
    this.deadline = new Deadline(() => this.look());
    wheel.set(this.deadline, now + limits.registerWithin);
  }

  /** The session is established with this interval (again, when it registers again). */
  establish(interval: Millis): void {
    const now = this.owner.now();
    this.interval = interval;
    this.sending = interval;
    this.next = undefined;
    this.lastHeard = now;
    this.schedule(now, interval);
  }

  /** Another interval shall hold. The server is told within the old one, when its turn comes: thousands must not be told at once. */
  propose(interval: Millis): void {
    if (this.interval === undefined || interval === (this.next ?? this.interval)) return;
    this.next = interval;
    this.told = false;
  }

  /** The server goes by this interval from now on. */
  paced(interval: Millis): void {
    if (interval !== this.next || !this.told) return;
    this.interval = interval;
    this.sending = interval;
    this.next = undefined;
    this.schedule(this.owner.now(), interval);
  }

  heard(now: Millis): void {
    this.lastHeard = now;
    this.suspected = false;
  }

  sent(now: Millis): void {
    this.lastSent = now;
  }

  /** Whether messages were completed, and whether one has begun and not ended: bytes that drip are a sign of life, but not for ever. */
  progress(completed: boolean, begun: boolean, now: Millis): void {
    if (completed || !begun) this.partialSince = undefined;
    if (begun) this.partialSince ??= now;
  }

  stop(): void {
    this.stopped = true;
    this.wheel.clear(this.deadline);
  }

  private look(): void {
    const now = this.owner.now();
    const { interval, owner } = this;
    if (interval === undefined) {
      owner.overdue({
        code: 'register-timeout',
        sentence: `no 'register' was accepted within ${this.registerWithin} ms`,
      });
    } else if (this.partialSince !== undefined && now - this.partialSince >= this.messageWithin) {
      owner.overdue({
        code: 'message-timeout',
        sentence: `a message was not complete after ${this.messageWithin} ms`,
      });
    } else if (now - this.lastHeard >= interval * SILENT_INTERVALS && !owner.working()) {
      this.suspect(now, interval);
    } else {
      if (this.next !== undefined && !this.told) {
        this.told = true;
        this.sending = Math.min(this.sending, this.next);
        owner.tellPace(this.next);
      } else if (now - this.lastSent >= this.sending) owner.beat(++this.sequence);
      this.schedule(now, interval);
    }
  }

  /**
   * When this process itself stood still, what the server sent meanwhile waits in the kernel. So the verdict comes a moment later,
   * after sockets were read once more.
   */
  private suspect(now: Millis, interval: Millis): void {
    if (this.suspected) {
      this.owner.overdue({
        code: 'heartbeat',
        sentence: `nothing was heard for ${Math.round(now - this.lastHeard)} ms`,
      });
      return;
    }
    this.suspected = true;
    if (now - this.lastSent >= interval) this.owner.beat(++this.sequence);
    if (!this.stopped) this.wheel.set(this.deadline, now + GRAIN);
  }

  private schedule(now: Millis, interval: Millis): void {
    if (this.stopped) return;
    const silence = this.lastHeard + interval * SILENT_INTERVALS;
    this.wheel.set(this.deadline, Math.max(now, Math.min(this.lastSent + this.sending, silence)));
  }
}
