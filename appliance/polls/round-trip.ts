/** A round trip as it is followed from sample to sample (docs/protocol.md, Polls: Links and round trips). Pure. */
import type { Millis } from '../host/ports.ts';

export interface RoundTrip {
  /** ms. */
  readonly rtt: Millis;
  /** ms: mean deviation. */
  readonly jitter: Millis;
  /** 0…1. */
  readonly loss: number;
}

/** The next value after a sample, or after one that was lost (undefined). Undefined as long as nothing was ever answered. */
export function followed(before: RoundTrip | undefined, sample: Millis | undefined): RoundTrip | undefined {
  if (sample === undefined) return before && { ...before, loss: before.loss + (1 - before.loss) / 16 };
  if (before === undefined) return { rtt: sample, jitter: 0, loss: 0 };
  return {
    rtt: before.rtt + (sample - before.rtt) / 8,
    jitter: before.jitter + (Math.abs(sample - before.rtt) - before.jitter) / 8,
    loss: before.loss - before.loss / 16,
  };
}
