/**
 * How new flows are shared out: a farm has `length` slots, each belongs to one member, and a flow takes the next slot in turn
 * (weighted round robin) or the slot of its client's hash (source hash).
 */
import { hash32 } from './mark.ts';

/** More slots than this make no share noticeably truer. */
const MOST_TURNS = 256;
/** Slots of every source hash: constant, so that a change of the farm moves no client that it need not. */
export const HASH_SLOTS = 256;

export interface Share {
  /** Stable name of the member, what the hash goes by. */
  readonly name: string;
  /** What the slot holds. */
  readonly index: number;
  /** 1…1000. */
  readonly weight: number;
}

/**
 * Slots for taking turns: each member as often as its weight says, as evenly spread as can be (smooth weighted round robin), so
 * that a burst does not fall on one server. Weights are reduced to their smallest whole ratio, or rounded to 256 turns.
 */
export function turns(shares: readonly Share[]): readonly number[] {
  if (shares.length === 1) return [shares[0]!.index];
  const counts = reduce(shares.map(share => share.weight));
  const total = counts.reduce((sum, count) => sum + count, 0);
  const credit = counts.map(() => 0);
  return Array.from({ length: total }, () => {
    let best = 0;
    for (const [at, count] of counts.entries()) {
      credit[at]! += count;
      if (credit[at]! > credit[best]!) best = at;
    }
    credit[best]! -= total;
    return shares[best]!.index;
  });
}

/**
 * Slots for hashing: each slot goes to the member with the highest score there (weighted rendezvous hashing, Thaler and Ravishankar
 * 1998; weights as -w / ln u), so a member that goes leaves only its own slots to the others, and one that comes takes only its own.
 */
export function hashed(shares: readonly Share[]): readonly number[] {
  return Array.from({ length: HASH_SLOTS }, (_, slot) => {
    let best = { index: -1, score: -1 };
    for (const { name, index, weight } of shares) {
      const uniform = (hash32(`${slot}/${name}`) + 0.5) / 2 ** 32;
      const score = -weight / Math.log(uniform);
      if (score > best.score) best = { index, score };
    }
    return best.index;
  });
}

/** Whole numbers in the ratio of the weights, exact if their sum is at most MOST_TURNS, each at least 1. */
function reduce(weights: readonly number[]): readonly number[] {
  const divisor = weights.reduce(gcd, 0) || 1;
  const exact = weights.map(weight => weight / divisor);
  const total = exact.reduce((sum, weight) => sum + weight, 0);
  if (total <= MOST_TURNS) return exact;
  return exact.map(weight => Math.max(1, Math.round((weight * MOST_TURNS) / total)));
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
