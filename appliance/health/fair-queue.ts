/**
 * Who may run next when more is due than may run at once: each lane (a server's address, or all programs) in turn, so that a host
 * whose checks all hang delays nobody else's.
 */

interface Lane<T> {
  readonly name: string;
  readonly limit: number;
  readonly waiting: Set<T>;
  running: number;
}

export class FairQueue<T> {
  private readonly lanes = new Map<string, Lane<T>>();
  /** Lanes that have something waiting and room to run it, in turn. */
  private readonly turn = new Set<Lane<T>>();
  private readonly limit: number;
  private waitingCount = 0;
  private runningCount = 0;

  /** `limit`: how many may run at once, over all lanes. */
  constructor(limit: number) {
    this.limit = limit;
  }

  get waiting(): number {
    return this.waitingCount;
  }

  get running(): number {
    return this.runningCount;
  }

  /** Queues it; `laneLimit` holds for the lane from its first member on. */
  add(laneName: string, laneLimit: number, item: T): void {
    let lane = this.lanes.get(laneName);
    if (lane === undefined) {
      lane = { name: laneName, limit: laneLimit, waiting: new Set(), running: 0 };
      this.lanes.set(laneName, lane);
    }
    if (lane.waiting.has(item)) return;
    lane.waiting.add(item);
    this.waitingCount++;
    this.settle(lane);
  }

  /** Takes the next one that may run, if there is room. It counts as running until `finished`. */
  take(): T | undefined {
    if (this.runningCount >= this.limit) return undefined;
    const [lane] = this.turn;
    if (lane === undefined) return undefined;
    const [item] = lane.waiting;
    lane.waiting.delete(item!);
    lane.running++;
    this.waitingCount--;
    this.runningCount++;
    this.turn.delete(lane); // To the end of the turn, if it has more.
    this.settle(lane);
    return item;
  }

  finished(laneName: string): void {
    const lane = this.lanes.get(laneName);
    if (lane === undefined) return;
    lane.running--;
    this.runningCount--;
    this.settle(lane);
  }

  /** Takes out one that still waits. */
  drop(laneName: string, item: T): void {
    const lane = this.lanes.get(laneName);
    if (lane?.waiting.delete(item) !== true) return;
    this.waitingCount--;
    this.settle(lane);
  }

  private settle(lane: Lane<T>): void {
    if (lane.waiting.size > 0 && lane.running < lane.limit) this.turn.add(lane);
    else this.turn.delete(lane);
    if (lane.waiting.size === 0 && lane.running === 0) this.lanes.delete(lane.name);
  }
}
