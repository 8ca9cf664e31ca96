/**
 * The announcing phase (RFC 5227 §2.3): gratuitous ARP for each VIP that was taken up, repeated, because the first may be lost
 * and a switch or a neighbour may still be waking. Many VIPs at once are spread out rather than sent in one burst.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { Clock, Millis, Timer } from '../host/ports.ts';

/** RFC 5227 §1.1 has two announcements; one more costs nothing and heals more. */
export const ANNOUNCE_NUM = 3;

/** RFC 5227 §1.1: ANNOUNCE_INTERVAL. */
export const ANNOUNCE_INTERVAL: Millis = 2000;

/** Announcements in a row, and the pause behind them: 10,000 a second. */
const BATCH = 50;
const PAUSE: Millis = 5;
/** A crowd that comes at once waits so long for its first: its routes are on their way, and the processor is for them. */
const CROWD_WAIT: Millis = 50;

interface Pending {
  readonly vip: Address;
  readonly due: Millis;
  /** Announcements that are still to be sent, this one included. */
  readonly left: number;
}

export class Announcer {
  private readonly clock: Clock;
  private readonly announce: (vip: Address) => void;
  /** Both in the order of their due times: first ones are due at once, repetitions an interval after the last. */
  private first: Pending[] = [];
  private repeated: Pending[] = [];
  /** The one entry of each VIP that still counts; others are skipped when they come up. */
  private readonly valid = new Map<Address, Pending>();
  private timer: Timer | undefined;

  constructor(clock: Clock, announce: (vip: Address) => void) {
    this.clock = clock;
    this.announce = announce;
  }

  /** Begins (or begins again) to announce these; at once, unless they are a crowd, or one is being announced. */
  start(vips: Iterable<Address>): void {
    const due = this.clock.now();
    // While others wait to be sent these wait behind them: however they come, they are spread out.
    const behind = this.first.length > 0;
    for (const vip of vips) this.put(this.first, { vip, due, left: ANNOUNCE_NUM });
    if (behind) return;
    if (this.first.length <= BATCH) this.pass();
    else this.passAfter(CROWD_WAIT);
  }

  /** Announces it no more. */
  stop(vip: Address): void {
    this.valid.delete(vip);
  }

  close(): void {
    this.timer?.cancel();
    this.timer = undefined;
    this.valid.clear();
    this.first = [];
    this.repeated = [];
  }

  private put(queue: Pending[], entry: Pending): void {
    this.valid.set(entry.vip, entry);
    queue.push(entry);
  }

  private pass(): void {
    this.timer?.cancel();
    this.timer = undefined;
    const now = this.clock.now();
    let sent = 0;
    for (const queue of ['first', 'repeated'] as const) {
      let taken = 0;
      const entries = this[queue];
      for (; taken < entries.length && sent < BATCH; taken++) {
        const entry = entries[taken]!;
        if (entry.due > now) break;
        if (this.valid.get(entry.vip) !== entry) continue;
        this.valid.delete(entry.vip);
        this.announce(entry.vip);
        sent++;
        if (entry.left > 1)
          this.put(this.repeated, { vip: entry.vip, due: now + ANNOUNCE_INTERVAL, left: entry.left - 1 });
      }
      this[queue].splice(0, taken);
    }
    const next = Math.min(
      this.first[0]?.due ?? Number.POSITIVE_INFINITY,
      this.repeated[0]?.due ?? Number.POSITIVE_INFINITY,
    );
    if (next === Number.POSITIVE_INFINITY) return;
    this.passAfter(next > now ? next - now : PAUSE);
  }

  private passAfter(delay: Millis): void {
    this.timer?.cancel();
    this.timer = this.clock.after('arp-announce', delay, () => this.pass());
  }
}
