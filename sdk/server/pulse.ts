/**
 * Heartbeats of one connection (docs/protocol.md, Heartbeats): one is sent when nothing else was for an interval; three intervals
 * in which nothing came make one doubt the manager, ten end the connection.
 */
import type { Clock, Timer } from '../transport/environment.ts';

/** Silent intervals after which another manager is looked for. */
const SILENT_INTERVALS = 3;

/** And after which this one counts as lost, should it only have stood still. */
const LOST_INTERVALS = 10;

/** ms: sums of fractional times come out a little off, and a timer must not be set again for nothing. */
const GRAIN = 0.5;

/** ms; the clocks that tell of a suspension are read at different moments, and one of them in steps. */
const LEAST_SLEEP = 500;

/** ms between the suspicion and the verdict: what had come meanwhile, and only waited to be read, is read by then. */
const LAST_LOOK = 5;

export interface PulseOwner {
  beat(): void;
  /** The manager is silent (why), or is heard again after all (undefined). */
  doubt(reason: string | undefined): void;
  lost(reason: string): void;
}

export class Pulse {
  private readonly clock: Clock;
  private interval: number;
  private readonly owner: PulseOwner;
  private readonly asleep: () => number;
  private slept: number;
  private lastSent: number;
  private lastHeard: number;
  private suspected = false;
  private doubted = false;
  private sending: Timer | undefined;
  private hearing: Timer | undefined;

  /** `interval` in ms. `asleep`: for how long this host has been suspended since it booted, ms. */
  constructor(clock: Clock, interval: number, owner: PulseOwner, asleep: () => number = () => 0) {
    this.clock = clock;
    this.interval = interval;
    this.owner = owner;
    this.asleep = asleep;
    this.slept = asleep();
    this.lastSent = clock.now();
    this.lastHeard = clock.now();
    this.armSending();
    this.armHearing(clock.now() + interval * SILENT_INTERVALS);
  }

  /** Another interval from now on, ms, both ways. */
  pace(interval: number): void {
    this.stop();
    this.interval = interval;
    this.armSending();
    this.armHearing(this.lastHeard + interval * SILENT_INTERVALS);
  }

  /** Something was sent. */
  sent(): void {
    this.lastSent = this.clock.now();
  }

  /** Something came. */
  heard(): void {
    this.lastHeard = this.clock.now();
    this.suspected = false;
    if (!this.doubted) return;
    this.doubted = false;
    this.hearing?.cancel();
    this.armHearing(this.lastHeard + this.interval * SILENT_INTERVALS);
    this.owner.doubt(undefined);
  }

  stop(): void {
    this.sending?.cancel();
    this.hearing?.cancel();
  }

  private armSending(): void {
    const due = this.lastSent + this.interval;
    this.sending = this.clock.after('heartbeat', due - this.clock.now(), () => {
      // The clock of timers stands still meanwhile, the manager's does not: it has given this server up.
      const slept = this.asleep() - this.slept;
      if (slept > Math.max(LEAST_SLEEP, this.interval * SILENT_INTERVALS)) {
        this.owner.lost(`this host was suspended for ${Math.round(slept / 1000)} s`);
        return;
      }
      if (this.clock.now() - this.lastSent >= this.interval - GRAIN) {
        this.owner.beat();
        this.sent();
      }
      this.armSending();
    });
  }

  private armHearing(due: number): void {
    this.hearing = this.clock.after('silence', due - this.clock.now(), () => {
      const now = this.clock.now();
      const silent = now - this.lastHeard;
      const intervals = this.doubted ? LOST_INTERVALS : SILENT_INTERVALS;
      const limit = this.interval * intervals;
      if (silent < limit - GRAIN) this.armHearing(this.lastHeard + limit);
      // This process itself stood still: what the manager sent meanwhile is still to be read.
      else if (now - due > this.interval) this.armHearing(now + this.interval);
      else if (!this.suspected) {
        this.suspected = true;
        this.armHearing(now + LAST_LOOK);
      } else {
        const reason = `nothing heard for ${Math.round(silent)} ms (${intervals} heartbeats)`;
        if (this.doubted) return this.owner.lost(reason);
        this.doubted = true;
        this.suspected = false;
        this.armHearing(this.lastHeard + this.interval * LOST_INTERVALS);
        this.owner.doubt(reason);
      }
    });
  }
}
