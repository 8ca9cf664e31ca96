/**
 * Which moves of a measurement mean something. What is decided by moves only when they do: so answers, and what was made of them, hold
 * until there is a reason. Two GSLBs that hear the same are never further apart than this.
 */
import type { Millis } from '../host/ports.ts';
import type { LinkUse, Path } from './view.ts';

/** Free capacity (score.ts of the registry) moved by so much is another capacity. */
const CAPACITY_STEP = 0.03;
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

/** Time constant of the average by which the trend of a score is seen, and how much of the trend is taken off, in ms. */
const TREND: Millis = 10_000;
const AHEAD: Millis = 12_000;
/** Capacity that is lost counts at once, what is gained by and by: clients that are sent back too soon come all together. */
const GAIN: Millis = 180_000;
const LOSS: Millis = 3000;
/** What has not moved for so long is decided by as it is: so GSLBs that came to it by different ways are in the same place. */
const REST: Millis = 60_000;
/** Less than this is no difference. */
const STILL = 0.01;
/** Capacity is never taken for less, in units of weight: a hundredth of an idle server is full. */
const FULL = 0.5;

/** What can be had of an offer. */
export interface Supply {
  /** The newest score that was told. */
  readonly told: number;
  /** The score to decide by, and the free capacity, in units of weight. */
  readonly score: number;
  readonly capacity: number;
  /** Free capacity as it was of late; as it is about to be; and when. */
  readonly slow: number;
  readonly ahead: number;
  readonly at: Millis;
}

/**
 * After another score was told. A score lags behind the load, for it is made of an average; who goes by it alone sends clients until it
 * is too late, and takes them away until it is too late. So its trend is taken off, and what is free again is given out slowly.
 * `fresh`: servers came or went, which is no trend.
 */
export function supplied(before: Supply | undefined, told: number, now: Millis, fresh: boolean): Supply {
  const capacity = Math.max(FULL, capacityOf(told));
  if (before === undefined || fresh || before.score === 0 || told === 0)
    return { told, score: told, capacity, slow: capacity, ahead: capacity, at: now };
  const rests = near(capacity, before.slow) && near(capacity, before.ahead);
  if (told === before.told && rests) {
    if (before.capacity === capacity || now - before.at < REST) return before;
    return { told, score: told, capacity, slow: capacity, ahead: capacity, at: now };
  }
  const elapsed = Math.max(0, now - before.at);
  const slow = before.slow + (capacity - before.slow) * (1 - Math.exp(-elapsed / TREND));
  const aim = Math.max(FULL, capacity + (capacity - slow) * (AHEAD / TREND));
  const pace = 1 - Math.exp(-elapsed / (aim > before.ahead ? GAIN : LOSS));
  const ahead = before.ahead * (aim / before.ahead) ** pace;
  return {
    told,
    score: settledScore(before.score, told),
    capacity: apart(before.capacity, ahead, CAPACITY_STEP) ? ahead : before.capacity,
    ...{ slow, ahead, at: now },
  };
}

const near = (one: number, other: number): boolean => !apart(one, other, STILL);

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
