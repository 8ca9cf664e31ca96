/**
 * How many answers each source gets: a token bucket a source, in a table that a stranger cannot grow past its limit.
 */
import type { Clock, Millis } from '../host/ports.ts';

/** Sources that are told apart at once. */
export const MOST_SOURCES = 4096;

/** Buckets that are looked at, at most, to make room for a new one. */
const LOOKS = 8;

interface Bucket {
  tokens: number;
  at: Millis;
}

/** Keys are addresses, or numbers made of MACs: whatever the carrier has at hand. */
export class SourceLimits<Source> {
  private readonly clock: Clock;
  private readonly rate: number;
  private readonly burst: number;
  private readonly buckets = new Map<Source, Bucket>();
  /** Shared by all sources that found the table full. */
  private readonly others: Bucket;
  private readonly onFull: () => void;

  /**
   * `rate` a second, and twice as many at once. `onFull` is called for each answer asked for by a source that has no bucket of its
   * own because as many others are busy as the table holds; these sources share one bucket.
   */
  constructor(clock: Clock, rate: number, onFull: () => void) {
    this.clock = clock;
    this.rate = rate;
    this.burst = 2 * rate;
    this.onFull = onFull;
    this.others = { tokens: this.burst, at: clock.now() };
  }

  /** Whether `source` may be answered now; takes a token if so. */
  allow(source: Source): boolean {
    const bucket = this.buckets.get(source) ?? this.bucketFor(source);
    // The clock is read only by those who ask much: a bucket is filled up when it is empty, and that is often enough.
    if (bucket.tokens < 1) this.fill(bucket, this.clock.now());
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  /** Sources with a bucket of their own. */
  get size(): number {
    return this.buckets.size;
  }

  private bucketFor(source: Source): Bucket {
    const now = this.clock.now();
    if (this.buckets.size >= MOST_SOURCES) this.makeRoom(now);
    if (this.buckets.size >= MOST_SOURCES) {
      this.onFull();
      return this.others;
    }
    const bucket = { tokens: this.burst, at: now };
    this.buckets.set(source, bucket);
    return bucket;
  }

  private fill(bucket: Bucket, now: Millis): void {
    bucket.tokens = Math.min(this.burst, bucket.tokens + ((now - bucket.at) * this.rate) / 1000);
    bucket.at = now;
  }

  /** A full bucket says nothing that a new one would not, so it can go. Busy ones are put behind, to look at others next time. */
  private makeRoom(now: Millis): void {
    let looked = 0;
    for (const [source, bucket] of this.buckets) {
      if (looked++ === LOOKS) return;
      this.fill(bucket, now);
      this.buckets.delete(source);
      if (bucket.tokens < this.burst) this.buckets.set(source, bucket);
    }
  }
}
