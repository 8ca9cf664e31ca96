/**
 * Time that passes only when a test says so.
 */
import type { Clock, Millis, Timer } from '../../../appliance/host/ports.ts';

interface Pending {
  readonly name: string;
  readonly due: Millis;
  readonly order: number;
  run: (() => void) | undefined;
}

/** Timers run in the order of their due times, and those of one instant in the order in which they were set. */
export class VirtualClock implements Clock {
  private time: Millis = 0;
  private order = 0;
  private readonly heap: Pending[] = [];
  private live = 0;

  now(): Millis {
    return this.time;
  }

  /** 2030-01-01T00:00:00Z and what has passed since. */
  wall(): string {
    return new Date(Date.UTC(2030, 0, 1) + this.time).toISOString();
  }

  after(name: string, delay: Millis, run: () => void): Timer {
    if (Number.isNaN(delay)) throw new RangeError(`timer '${name}': its delay is not a number`);
    const entry: Pending = { name, due: this.time + Math.max(0, delay), order: this.order++, run };
    this.push(entry);
    this.live++;
    return {
      cancel: () => {
        if (entry.run !== undefined) this.live--;
        entry.run = undefined;
      },
    };
  }

  /** Names of the timers that are set, soonest first: for asserting that nothing was left behind. */
  get pending(): readonly string[] {
    return this.heap
      .filter(entry => entry.run !== undefined)
      .sort(sooner)
      .map(entry => entry.name);
  }

  /** How many timers are set. */
  get timers(): number {
    return this.live;
  }

  /** Lets `duration` pass; promises and microtasks settle before, between and after the timers. */
  async advance(duration: Millis): Promise<void> {
    const until = this.time + duration;
    await settle();
    for (let entry = this.next(until); entry !== undefined; entry = this.next(until)) {
      this.fire(entry);
      await settle();
    }
    this.time = until;
  }

  /** Like advance, at once and without microtasks: for code of callbacks alone, much faster. */
  advanceSync(duration: Millis): void {
    const until = this.time + duration;
    for (let entry = this.next(until); entry !== undefined; entry = this.next(until)) this.fire(entry);
    this.time = until;
  }

  /** Lets time pass, timer by timer, until `condition` holds, and gives the time it took. Throws after `limit`, naming what was still to come. */
  async runUntil(condition: () => boolean, limit: Millis = 60_000): Promise<Millis> {
    const start = this.time;
    const until = start + limit;
    await settle();
    while (!condition()) {
      const entry = this.next(until);
      if (entry === undefined) {
        const waiting = this.pending.slice(0, 10).join(', ') || 'none';
        throw new Error(`not within ${limit} ms of virtual time; timers still set: ${waiting}\n${condition}`);
      }
      this.fire(entry);
      await settle();
    }
    return this.time - start;
  }

  /** The promise's value, with time passing until it settles. */
  async runToEnd<T>(promise: Promise<T>, limit: Millis = 60_000): Promise<T> {
    let settled = false;
    const done = (): void => {
      settled = true;
    };
    promise.then(done, done);
    await this.runUntil(() => settled, limit);
    return promise;
  }

  private fire(entry: Pending): void {
    this.time = entry.due;
    const run = entry.run;
    entry.run = undefined;
    this.live--;
    run?.();
  }

  /** Takes the next timer that is due by `until` and not cancelled. */
  private next(until: Millis): Pending | undefined {
    while (this.heap.length > 0) {
      const top = this.heap[0]!;
      if (top.run !== undefined && top.due > until) return undefined;
      this.pop();
      if (top.run !== undefined) return top;
    }
    return undefined;
  }

  private push(entry: Pending): void {
    const { heap } = this;
    let index = heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (sooner(heap[parent]!, entry) <= 0) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = entry;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && sooner(heap[child + 1]!, heap[child]!) < 0) child++;
      if (sooner(last, heap[child]!) <= 0) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}

const sooner = (a: Pending, b: Pending): number => a.due - b.due || a.order - b.order;

/** All microtasks (and what they queue in turn) have run when it resolves. */
const settle = (): Promise<void> => new Promise(resolve => setImmediate(resolve));
