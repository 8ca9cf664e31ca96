/**
 * Flap damping (RFC 2439 §4): each fall adds 1000 to a penalty that time halves; above `suppress` a service is held back
 * until the penalty has decayed below `reuse`.
 */
import type { Damping } from './config.ts';
import type { Flap, Millis } from './state.ts';

const FALL = 1000;

export const CALM: Flap = { penalty: 0, at: 0, halfLife: 1, suppressed: false };

/** The penalty at `now`, in units of 1000 a fall. */
export const penaltyAt = (flap: Flap, now: Millis): number =>
  flap.penalty * 2 ** (-(now - flap.at) / flap.halfLife);

/** After one more fall. */
export function fell(flap: Flap, now: Millis, damping: Damping | undefined): Flap {
  if (damping === undefined) return flap;
  const penalty = Math.min(damping.ceiling, penaltyAt(flap, now) + FALL);
  return {
    penalty,
    at: now,
    halfLife: damping.halfLife,
    suppressed: flap.suppressed || penalty >= damping.suppress,
  };
}

/** After time alone: the suppression is lifted when the penalty is below `reuse`. */
export function calmed(flap: Flap, now: Millis, damping: Damping | undefined): Flap {
  if (!flap.suppressed || damping === undefined) return flap.suppressed ? CALM : flap;
  const penalty = penaltyAt(flap, now);
  return penalty < damping.reuse ? { ...flap, penalty, at: now, suppressed: false } : flap;
}
