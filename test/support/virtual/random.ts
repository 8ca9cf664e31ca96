/**
 * Chance that is the same in each run.
 */
import type { Random } from '../../../appliance/host/ports.ts';

/** A Random whose every draw follows from `seed` (mulberry32: good enough to spread, worthless as a secret). */
export function seededRandom(seed: number): Random {
  let state = seed | 0;
  const word = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return {
    uniform: () => word() / 0x1_0000_0000,
    bytes: length => Uint8Array.from({ length }, () => word() & 255),
  };
}
