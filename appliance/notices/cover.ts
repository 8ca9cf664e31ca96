/**
 * Which of a peer's changes are known, when notices come late, twice, or not at all. Pure.
 */

/** Ranges beyond a gap that are remembered; of what lies beyond them is asked again. */
const MOST_RANGES = 64;

export class Cover {
  /** Everything up to and with this change is known. */
  cursor = 0;
  /** The newest change that was heard of. */
  newest = 0;
  /** (since, change] beyond the first gap, in order, not touching. */
  private ranges: (readonly [since: number, change: number])[] = [];

  /** Nothing is missing that was heard of. */
  get whole(): boolean {
    return this.cursor >= this.newest;
  }

  /** Whether all of it is known already. */
  has(since: number, change: number): boolean {
    return change <= this.cursor || this.ranges.some(([from, to]) => from <= since && change <= to);
  }

  /** The changes after `since` up to `change` are known now. */
  add(since: number, change: number): void {
    this.newest = Math.max(this.newest, change);
    let from = since;
    let to = change;
    const apart: (readonly [number, number])[] = [];
    for (const range of this.ranges) {
      if (range[1] < from || range[0] > to) apart.push(range);
      else {
        from = Math.min(from, range[0]);
        to = Math.max(to, range[1]);
      }
    }
    if (from <= this.cursor) this.cursor = Math.max(this.cursor, to);
    else apart.push([from, to]);
    this.ranges = apart
      .filter(range => range[1] > this.cursor)
      .sort((one, other) => one[0] - other[0])
      .slice(0, MOST_RANGES);
    const first = this.ranges[0];
    if (first !== undefined && first[0] <= this.cursor) {
      this.cursor = first[1];
      this.ranges.shift();
    }
  }

  /** A change was heard of, but not what it was. */
  hearOf(change: number): void {
    this.newest = Math.max(this.newest, change);
  }

  /** Nothing is known any more, save that there is something. */
  restart(): void {
    this.cursor = 0;
    this.ranges = [];
  }
}
