/**
 * Serial numbers of a zone's contents (RFC 1982, with 32 bits).
 */

/** Whether `one` is later than `other`. */
export const isLater = (one: number, other: number): boolean => ((one - other) | 0) > 0;

/**
 * The number after `previous`: the seconds of the clock if they are later, so that a server that starts without remembering goes on
 * where it was, else one more. Never 0, which some secondaries take for "none".
 */
export function serialAfter(previous: number, seconds: number): number {
  const next = (previous + 1) >>> 0;
  const clock = seconds >>> 0;
  const later = isLater(clock, next) ? clock : next;
  return later === 0 ? 1 : later;
}
