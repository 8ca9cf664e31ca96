import { BACKLOG, BUFFER, PLACES } from './world.ts';

/** The servers of a site: first come, first served, by whichever place is free first. */
export class Farm {
  private readonly free: Float64Array;
  private readonly most: number;
  /** Requests that are served or wait. */
  connections = 0;

  constructor(servers: number) {
    this.free = new Float64Array(servers * PLACES);
    this.most = servers * BACKLOG;
  }

  /** Another request would not be answered. */
  get full(): boolean {
    return this.connections >= this.most;
  }

  /** When a request that comes at `at` would begin to be served, ms. */
  begin(at: number): number {
    return Math.max(at, this.free[0]!);
  }

  /** Takes a request in that comes at `at` (never before one that is in already) and takes `service` ms; gives when it is done. */
  take(at: number, service: number): number {
    const { free } = this;
    const done = this.begin(at) + service;
    // The place that is free first is at the top of a heap: it is taken, and sinks.
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= free.length) break;
      if (child + 1 < free.length && free[child + 1]! < free[child]!) child++;
      if (free[child]! >= done) break;
      free[hole] = free[child]!;
      hole = child;
    }
    free[hole] = done;
    return done;
  }
}

/** One direction of a link: what comes first goes first, through what other traffic leaves of it. */
export class Pipe {
  /** bit/s. */
  readonly rate: number;
  /** Until when it is busy, ms. */
  busy = 0;
  /** bits of answers and of other traffic that went through. */
  carried = 0;
  /** 0…1 of it that other traffic takes. */
  background = 0;
  private since = 0;

  constructor(rate: number) {
    this.rate = rate;
  }

  /** ms that so many bits take. */
  time(bits: number): number {
    return (bits / (this.rate * (1 - this.background))) * 1000;
  }

  /** How long what comes at `at` waits for its turn, ms. */
  wait(at: number): number {
    return Math.max(0, this.busy - at);
  }

  /** What comes at `at` is lost. */
  full(at: number): boolean {
    return this.busy - at > BUFFER;
  }

  /** Takes bits in at `at` (never before others that are in already); gives when they are through. */
  take(at: number, bits: number): number {
    this.carried += bits;
    this.busy = Math.max(at, this.busy) + this.time(bits);
    return this.busy;
  }

  /** Other traffic takes another part from now on. */
  share(part: number, at: number): void {
    this.carried += ((at - this.since) / 1000) * this.rate * this.background;
    this.since = at;
    this.background = part;
  }
}
