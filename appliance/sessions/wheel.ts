/**
 * A timer wheel (Varghese and Lauck 1987, hashed): thousands of deadlines on one timer of the clock, none of them allocated.
 */
import type { Clock, Millis, Timer } from '../host/ports.ts';

/** What has a deadline: at most one at a time. The wheel owns the fields. */
export class Deadline {
  due: Millis = 0;
  slot = -1;
  next: Deadline | undefined;
  previous: Deadline | undefined;
  readonly run: () => void;

  constructor(run: () => void) {
    this.run = run;
  }
}

/** Deadlines are met up to this late. */
export const GRAIN: Millis = 5;
const SLOTS = 512;

export class Wheel {
  private readonly clock: Clock;
  private readonly slots: (Deadline | undefined)[] = new Array<Deadline | undefined>(SLOTS).fill(undefined);
  private size = 0;
  /** All ticks up to this one have been run. */
  private tick: number;
  /** No slot before this tick holds anything. */
  private nextTick = Number.POSITIVE_INFINITY;
  private turning = false;
  private timer: Timer | undefined;
  private timerTick = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.clock = clock;
    this.tick = Math.floor(clock.now() / GRAIN);
  }

  /** Sets the deadline, or moves it. */
  set(deadline: Deadline, due: Millis): void {
    this.clear(deadline);
    deadline.due = due;
    this.insert(deadline);
    this.arm();
  }

  /** Also for one that is not set. */
  clear(deadline: Deadline): void {
    if (deadline.slot < 0) return;
    if (deadline.previous === undefined) this.slots[deadline.slot] = deadline.next;
    else deadline.previous.next = deadline.next;
    if (deadline.next !== undefined) deadline.next.previous = deadline.previous;
    deadline.next = undefined;
    deadline.previous = undefined;
    deadline.slot = -1;
    this.size--;
  }

  private insert(deadline: Deadline): void {
    if (this.size === 0) this.tick = Math.floor(this.clock.now() / GRAIN);
    // What lies beyond the wheel's turn is looked at again when the turn ends.
    const wanted = Math.ceil(deadline.due / GRAIN);
    const tick = Math.min(Math.max(wanted, this.tick + 1), this.tick + SLOTS - 1);
    const slot = tick % SLOTS;
    const head = this.slots[slot];
    deadline.slot = slot;
    deadline.next = head;
    if (head !== undefined) head.previous = deadline;
    this.slots[slot] = deadline;
    this.size++;
    if (tick < this.nextTick) this.nextTick = tick;
  }

  /** The clock wakes the wheel at the first slot that is not empty, and not at all when none is. */
  private arm(): void {
    if (this.turning || this.size === 0 || this.nextTick >= this.timerTick) return;
    this.timer?.cancel();
    this.timerTick = this.nextTick;
    const delay = this.timerTick * GRAIN - this.clock.now();
    this.timer = this.clock.after('session-deadlines', Math.max(0, delay), () => this.turn());
  }

  private turn(): void {
    this.timer = undefined;
    this.timerTick = Number.POSITIVE_INFINITY;
    this.turning = true;
    const until = Math.floor(this.clock.now() / GRAIN);
    // However long the process stood still, each slot is run once.
    for (let left = Math.min(until - this.tick, SLOTS); left > 0 && this.size > 0; left--) {
      this.tick = until - left + 1;
      this.runSlot(this.tick % SLOTS, until);
    }
    this.tick = Math.max(this.tick, until);
    this.nextTick = this.tick + 1;
    while (this.size > 0 && this.slots[this.nextTick % SLOTS] === undefined) this.nextTick++;
    if (this.size === 0) this.nextTick = Number.POSITIVE_INFINITY;
    this.turning = false;
    this.arm();
  }

  private runSlot(slot: number, until: number): void {
    // Taken off first: what runs may set deadlines, also into this slot.
    const due: Deadline[] = [];
    for (let each = this.slots[slot]; each !== undefined; each = each.next) due.push(each);
    for (const deadline of due) {
      if (deadline.slot !== slot) continue;
      const early = Math.ceil(deadline.due / GRAIN) > until;
      this.clear(deadline);
      if (early) this.insert(deadline);
      else deadline.run();
    }
  }
}
