/**
 * Which shares of the clients of each place go to whom, when it is known how much they want: so that none would be better off elsewhere
 * by more than a margin, with what they themselves add to the load counted (docs/protocol.md, GSLB: Shares). Pure.
 */
import type { Millis } from '../host/ports.ts';
import { serviceTime } from './cost.ts';
import type { Shares } from './demand.ts';
import { SLOTS } from './topology.ts';

/** What is free of a weight is never counted as less; but what is wanted beyond that costs the more. */
const LEAST_FREE = 0.05;
const BEYOND = 2;
/** A slot moves for no less than this part of its cost and so many ms. */
const MARGIN = { part: 0.06, least: 1 } as const;
/** Every slot could move this often. */
const ROUNDS = 4 * SLOTS;

/** ms that a request costs at servers of so much weight in all, of which `load` is in use. */
export function servicePrice(load: number, weight: number): Millis {
  const least = LEAST_FREE * weight;
  const free = weight - load;
  const price = serviceTime({ capacity: Math.max(free, least), servers: 1, weight });
  return free >= least ? price : price * (1 + (BEYOND * (least - free)) / least);
}

/**
 * The shares that follow `before`. `demand`: by place, in units of weight; `ways`: ms from each place to each that serves; `weights`: of
 * those that serve.
 */
export function plannedShares(
  demand: readonly number[],
  ways: readonly (readonly Millis[])[],
  weights: readonly number[],
  before: Shares,
): Shares {
  const counts = before.map(slotsOf);
  const load = weights.map((_, to) =>
    counts.reduce((sum, row, place) => sum + (row[to]! * demand[place]!) / SLOTS, 0),
  );
  for (let round = 0, moved = true; moved && round < ROUNDS; round++) {
    moved = false;
    for (const [place, row] of counts.entries()) {
      const slot = demand[place]! / SLOTS;
      const move = bestMove(row, ways[place]!, weights, load, slot);
      if (move === undefined) continue;
      row[move.from]!--;
      row[move.to]!++;
      load[move.from]! -= slot;
      load[move.to]! += slot;
      moved = true;
    }
  }
  return counts.map(row => row.map(count => count / SLOTS));
}

/** From where it costs most to where it would cost least, if that is worth it. `slot`: what one slot's clients want. */
function bestMove(
  row: readonly number[],
  ways: readonly Millis[],
  weights: readonly number[],
  load: readonly number[],
  slot: number,
): { readonly from: number; readonly to: number } | undefined {
  let [from, dearest] = [-1, 0];
  let [to, cheapest] = [-1, Number.POSITIVE_INFINITY];
  for (let at = 0; at < row.length; at++) {
    const stays = ways[at]! + servicePrice(load[at]!, weights[at]!);
    const comes = ways[at]! + servicePrice(load[at]! + slot, weights[at]!);
    if (row[at]! > 0 && stays > dearest) [from, dearest] = [at, stays];
    if (comes < cheapest) [to, cheapest] = [at, comes];
  }
  const worth = cheapest < dearest * (1 - MARGIN.part) - MARGIN.least;
  return worth && from >= 0 && from !== to ? { from, to } : undefined;
}

/** Shares as whole slots, all of them together: what is left over goes to those that are cut short most. */
function slotsOf(shares: readonly number[]): number[] {
  const counts = shares.map(share => Math.floor(share * SLOTS + 1e-6));
  const rest = SLOTS - counts.reduce((sum, count) => sum + count, 0);
  const cut = shares.map((share, at) => [share * SLOTS - counts[at]!, at] as const);
  for (const [, at] of cut.sort(([one], [other]) => other - one).slice(0, rest)) counts[at]!++;
  return counts;
}
