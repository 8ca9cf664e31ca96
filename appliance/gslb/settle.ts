/**
 * Which moves of a measurement mean something. What is decided by moves only when they do: so answers, and what was made of them, hold
 * until there is a reason. Two GSLBs that hear the same are never further apart than this.
 */
import type { LinkUse, Path } from './view.ts';

/** Free capacity (score.ts of the registry) moved by so much is another capacity. */
const CAPACITY_STEP = 0.1;
/** A round trip: by this part of it, and at least so many ms. */
const RTT_STEP = 0.15;
const RTT_LEAST = 1;
const LOSS_STEP = 0.01;
/** What is free of a link. */
const FREE_STEP = 0.1;

/** Free healthy capacity in units of weight, from a score: docs/protocol.md, Score, turned round. */
export const capacityOf = (score: number): number =>
  score <= 0 ? 0 : -100 * Math.log2(1 - Math.min(score, 999.5) / 1000);

const apart = (one: number, other: number, step: number): boolean =>
  Math.abs(one - other) > step * Math.max(one, other);

/** The score to decide by: the told one if it is another. */
export function settledScore(before: number, told: number): number {
  if (before === told) return before;
  if (before === 0 || told === 0) return told;
  return apart(capacityOf(before), capacityOf(told), CAPACITY_STEP) ? told : before;
}

export function settledPath(before: Path | undefined, now: Path): Path {
  if (before === undefined) return now;
  const moved =
    Math.abs(now.rtt - before.rtt) > Math.max(RTT_LEAST, RTT_STEP * Math.max(before.rtt, now.rtt)) ||
    Math.abs(now.loss - before.loss) > LOSS_STEP;
  return moved ? now : before;
}

/** The links as they are shown are always the newest; what is decided by stays until it moved. */
export const sameUse = (before: readonly LinkUse[], now: readonly LinkUse[]): boolean =>
  before.length === now.length &&
  before.every(
    (link, at) =>
      link.name === now[at]!.name &&
      link.rate === now[at]!.rate &&
      !apart(1 - Math.min(0.99, link.use), 1 - Math.min(0.99, now[at]!.use), FREE_STEP),
  );
