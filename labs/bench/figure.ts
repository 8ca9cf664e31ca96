/**
 * Figures: what was measured, beside what, and whether it reaches its goal.
 */

/** Of several measurements of the same thing. */
export interface Sample {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly count: number;
}

/** A peer, a limit, or what else one wants to know of the same runs. */
export interface Beside {
  readonly name: string;
  readonly sample: Sample;
  /** Absent = the figure's own. */
  readonly unit?: string;
}

/** One row of a benchmark's table. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly ours: Sample;
  /** The peers or limits, measured in the same run, in turn with ours. */
  readonly beside: readonly Beside[];
  /** Ours to the first of `beside`, pair by pair. */
  readonly ratio?: Sample;
  readonly goal: string;
  readonly met: boolean;
}

/** Summarizes measurements; throws when there is none. */
export function sample(numbers: readonly number[]): Sample {
  const sorted = [...numbers].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) throw new RangeError('nothing was measured');
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)!, count: sorted.length };
}

/** The ratios of measurements that were taken in pairs. */
export const ratios = (ours: readonly number[], theirs: readonly number[]): Sample =>
  sample(ours.map((value, index) => value / theirs[index]!));
