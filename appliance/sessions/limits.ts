/**
 * What one session, one address and all sessions together may take (docs/protocol.md, Limits).
 */
import type { Millis } from '../host/ports.ts';

export interface SessionLimits {
  /** Sessions at once, and from one address. */
  readonly sessions: number;
  readonly perAddress: number;
  /** From the connection to the first accepted register. */
  readonly registerWithin: Millis;
  /** From a message's first byte to its last. */
  readonly messageWithin: Millis;
  /** Token buckets of what a server sends. */
  readonly bytes: Rate;
  readonly messages: Rate;
  /** Requests that have no answer yet. */
  readonly outstanding: number;
  /** Messages that break the protocol without breaking the stream; each is refused, the last one ends the session. */
  readonly mistakes: number;
  /** Bytes that a server may leave unread. */
  readonly pendingBytes: number;
  /** Messages of one session that are handled before others get their turn. */
  readonly slice: number;
  /** Services reported to be up, by all sessions together, after which the event loop looks at everything else before the next is handled. */
  readonly reports: number;
}

export interface Rate {
  readonly perSecond: number;
  /** What may come at once. */
  readonly burst: number;
}

export const SESSION_LIMITS: SessionLimits = {
  sessions: 20_000,
  perAddress: 64,
  registerWithin: 10_000,
  messageWithin: 10_000,
  bytes: { perSecond: 256 * 1024, burst: 2 * 1024 * 1024 },
  messages: { perSecond: 250, burst: 4000 },
  outstanding: 64,
  mistakes: 16,
  pendingBytes: 256 * 1024,
  slice: 32,
  reports: 100,
};

/** A token bucket: full at the start, refilled by time, never beyond its burst. */
export class Bucket {
  private readonly rate: Rate;
  private tokens: number;
  private at: Millis;

  constructor(rate: Rate, now: Millis) {
    this.rate = rate;
    this.tokens = rate.burst;
    this.at = now;
  }

  /** Takes `count` tokens; false when there are fewer, and then takes none. */
  take(count: number, now: Millis): boolean {
    const earned = ((now - this.at) * this.rate.perSecond) / 1000;
    this.tokens = Math.min(this.rate.burst, this.tokens + earned);
    this.at = now;
    if (this.tokens < count) return false;
    this.tokens -= count;
    return true;
  }
}
