/**
 * How long to wait before the next attempt to reach a manager.
 */

/** ms. The first retry is nearly at once: a manager that restarts finds its servers back within its own start-up. */
const BACKOFF = { first: 50, base: 100, longest: 2_000 } as const;

/**
 * The pause before attempt number `attempt` (from 0) after a loss. The first is within `first` ms, then it doubles up to
 * `longest`; each is spread over its upper half, so that a thousand servers do not come back in step.
 */
export function backoff(attempt: number, uniform: number): number {
  if (attempt === 0) return BACKOFF.first * uniform;
  const ceiling = Math.min(BACKOFF.longest, BACKOFF.base * 2 ** (attempt - 1));
  return ceiling * (0.5 + 0.5 * uniform);
}
