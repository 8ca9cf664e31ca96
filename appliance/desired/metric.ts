/**
 * The metric of a VIP's route from its score, in a few coarse steps: a manager whose servers are worn gets dearer, and the network
 * moves clients to another one. Each change floods the routing domain, so a score that dithers on a border changes nothing.
 */
export interface MetricConfig {
  /** Metric at the best scores. */
  readonly metric: number;
  /** Steps above it; 0 = the metric never changes. */
  readonly steps: number;
  /** What each step adds. */
  readonly stepCost: number;
}

/** How far beyond a border, in parts of a band, the score must be to cross it. */
const HYSTERESIS = 0.25;

/** Scores are 0…1000, and fall into `steps` + 1 bands of equal width. */
const BEST = 1000;

/** The metric for a score, given the metric that the route has now (undefined, or of no step: there is none). */
export function metricFor(score: number, now: number | undefined, config: MetricConfig): number {
  const { metric, steps, stepCost } = config;
  const width = BEST / (steps + 1);
  const level = levelOf(score, width, steps);
  const held = now === undefined ? -1 : (now - metric) / stepCost;
  if (!Number.isInteger(held) || held < 0 || held > steps) return metric + level * stepCost;
  // The held level stays as long as the score, moved by the margin either way, can be in its band.
  const margin = width * HYSTERESIS;
  const cheapest = levelOf(score + margin, width, steps);
  const dearest = levelOf(score - margin, width, steps);
  return metric + Math.max(cheapest, Math.min(dearest, held)) * stepCost;
}

/** Every metric that metricFor can give, best first. */
export const metricsOf = ({ metric, steps, stepCost }: MetricConfig): readonly number[] =>
  Array.from({ length: steps + 1 }, (_, level) => metric + level * stepCost);

/** 0 for the band of the best scores. */
const levelOf = (score: number, width: number, steps: number): number =>
  Math.min(steps, Math.max(0, steps - Math.floor(score / width)));
