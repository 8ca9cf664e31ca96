/**
 * How much the clients of each place want of a name, in units of weight, from the scores of those that serve it and from what the clients
 * were told: an observer that knows how scores come about. A score tells of an average over 30 s, and clients follow an answer only when
 * the one before has expired; who knows both sees that load rises long before a score alone shows it, and does not take what its own
 * answers have moved for another demand (docs/protocol.md, GSLB: Demand). Pure.
 */
import type { Millis } from '../host/ports.ts';

/** What is known of a name's load. Tables are by place, then by who serves, as are lists. */
export interface Flows {
  readonly at: Millis;
  /** What each place's clients take. */
  readonly demand: readonly number[];
  /** What of each one's weight is in use, as an average over 30 s that follows from the demand. */
  readonly load: readonly number[];
  /** Shares, 0…1, that the clients of a place were told last, and by which they come by now. */
  readonly told: Shares;
  readonly come: Shares;
}

/** By place, then by who serves. */
export type Shares = readonly (readonly number[])[];

/** Who serves: all of its weight, and between what bounds its use is, as its score tells it. */
export interface Serving {
  readonly weight: number;
  readonly least: number;
  readonly most: number;
}

/** Time constants: of the average that a score is made of (registry), of clients that come to know an answer, of what is made of both. */
const AVERAGE: Millis = 30_000;
const COMING: Millis = 4000;
const TRACKING: Millis = 6000;
/** Longer steps would overshoot. */
const LONGEST: Millis = 2000;
/** Fuller than this nobody knows how much more is wanted: each second so much of its weight. */
const FULL = 0.97;
const UNSEEN = 0.1;
/** In units of weight: a place of which nothing is known is not nothing. */
const SOME = 1;

/** At first all use is as the shares say. */
export function firstFlows(serving: readonly Serving[], told: Shares, now: Millis): Flows {
  const load = serving.map(({ least, most }) => (least + most) / 2);
  const sums = load.map((_, at) => told.reduce((sum, row) => sum + row[at]!, 0));
  // Whoever uses what nobody was told to is anybody.
  const part = (share: number, at: number): number => (sums[at]! > 0 ? share / sums[at]! : 1 / told.length);
  const demand = told.map(row => row.reduce((sum, share, at) => sum + load[at]! * part(share, at), 0));
  return { at: now, demand, load, told, come: told };
}

/** The flows now, with what scores tell now. */
export function followedFlows(before: Flows, serving: readonly Serving[], now: Millis): Flows {
  let flows = before;
  for (let left = now - before.at; left > 0; left -= LONGEST)
    flows = step(flows, serving, Math.min(left, LONGEST));
  return flows;
}

function step({ at, demand, load, told, come }: Flows, serving: readonly Serving[], elapsed: Millis): Flows {
  const follow = (value: number, aim: number, constant: Millis): number =>
    value + (aim - value) * (1 - Math.exp(-elapsed / constant));
  const coming = come.map((row, place) => row.map((share, to) => follow(share, told[place]![to]!, COMING)));
  const sum = (to: number, of: (place: number) => number): number =>
    coming.reduce((total, row, place) => total + row[to]! * of(place), 0);
  // An observer of second order, damped critically: both of its poles are at 1/TRACKING.
  const correction = elapsed * (2 / TRACKING - 1 / AVERAGE);
  const tracking = (elapsed * AVERAGE) / TRACKING ** 2;
  const loads: number[] = [];
  const errors = serving.map(({ weight, least, most }, to) => {
    const flow = Math.min(
      weight,
      sum(to, place => demand[place]!),
    );
    const expected = follow(load[to]!, flow, AVERAGE);
    const error = Math.min(Math.max(expected, least), most) - expected;
    loads.push(Math.max(0, expected + correction * error));
    const seen = flow + (2 * AVERAGE * error) / TRACKING;
    return seen > FULL * weight ? error + UNSEEN * weight : error;
  });
  // What is not as expected at one that serves is of the places that come there, by what they bring.
  const wanted = demand.map((value, place) => {
    let next = value;
    for (const [to, error] of errors.entries()) {
      const all = sum(to, one => demand[one]! + SOME);
      if (all > 0) next += (tracking * error * coming[place]![to]! * (value + SOME)) / all;
    }
    return Math.max(0, next);
  });
  return { at: at + elapsed, demand: wanted, load: loads, told, come: coming };
}
