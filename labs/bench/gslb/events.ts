/** What is still to happen, soonest first: a binary heap of times and numbers, without an object for each. */
export class Events {
  private times = new Float64Array(1024);
  private whats = new Float64Array(1024);
  private orders = new Float64Array(1024);
  private order = 0;
  size = 0;
  /** What the last pop() took out, and when it is. */
  time = 0;
  what = 0;

  /** When the next one is; Infinity when there is none. */
  get next(): number {
    return this.size === 0 ? Number.POSITIVE_INFINITY : this.times[0]!;
  }

  push(time: number, what: number): void {
    if (this.size === this.times.length) this.grow();
    this.place(this.rise(time), time, what, this.order++);
  }

  /** Takes out the soonest, into `time` and `what`; of one instant, the first that was put in. */
  pop(): void {
    const { times, whats, orders } = this;
    this.time = times[0]!;
    this.what = whats[0]!;
    const last = --this.size;
    if (last > 0) this.place(this.sink(last), times[last]!, whats[last]!, orders[last]!);
  }

  private place(at: number, time: number, what: number, order: number): void {
    this.times[at] = time;
    this.whats[at] = what;
    this.orders[at] = order;
  }

  /** Makes room for a time at the end, and moves that up to where it belongs. */
  private rise(time: number): number {
    let at = this.size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.times[parent]! <= time) break;
      this.place(at, this.times[parent]!, this.whats[parent]!, this.orders[parent]!);
      at = parent;
    }
    return at;
  }

  /** Moves the hole at the top down to where the entry at `last` belongs. */
  private sink(last: number): number {
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= last) break;
      if (child + 1 < last && this.sooner(child + 1, child)) child++;
      if (!this.sooner(child, last)) break;
      this.place(at, this.times[child]!, this.whats[child]!, this.orders[child]!);
      at = child;
    }
    return at;
  }

  private sooner(one: number, other: number): boolean {
    const by = this.times[one]! - this.times[other]!;
    return by < 0 || (by === 0 && this.orders[one]! < this.orders[other]!);
  }

  private grow(): void {
    const wider = (before: Float64Array): Float64Array<ArrayBuffer> => {
      const after = new Float64Array(before.length * 2);
      after.set(before);
      return after;
    };
    this.times = wider(this.times);
    this.whats = wider(this.whats);
    this.orders = wider(this.orders);
  }
}
