/**
 * Remembers how much the clients of each place want of each name that several managers serve, and by which shares they are dealt out.
 * Others decide by it, and nothing changes but when it is told to look.
 */
import type { Millis } from '../host/ports.ts';
import { type Candidate, candidatesOf, type Knowledge, keyOf, type Wanted } from './candidates.ts';
import { type Flows, firstFlows, followedFlows, type Serving, type Shares } from './demand.ts';
import { plannedShares } from './plan.ts';
import { usualShares } from './ranking.ts';
import { capacityOf } from './settle.ts';
import { serves } from './view.ts';

/** Names (with some of their services) that are planned for at most; when there are more, all are forgotten. */
const MOST = 20_000;
/** What moves by less than this part of it in a second rests; of longer than this nothing is made up for. */
const STILL = 0.002;
const RESTED: Millis = 4000;
/** Of a server, in units of weight. */
const TENTH = 10;
/** Places of which a name's clients are remembered; of more, the first. */
const MOST_PLACES = 64;

interface Plan {
  readonly wanted: Wanted;
  /** Where clients asked; '' is that of whom nobody knows where they are. */
  places: readonly string[];
  /** Those of them that the flows are of, and who serves. */
  planned: readonly string[];
  keys: readonly string[];
  /** Undefined: fewer than two serve. */
  flows: Flows | undefined;
}

export class Planner {
  private readonly plans = new Map<string, Plan[]>();
  /** Names of which something moved, or still does; all others rest, and cost nothing. */
  private readonly awake = new Set<string>();
  private turns: Iterator<string, unknown> | undefined;

  /** Names that are looked at each second. */
  get moving(): number {
    return this.awake.size;
  }

  /** Something that shares are made of is another: a score, or a way. */
  wake(name: string): void {
    if (this.plans.has(name)) this.awake.add(name);
  }

  /** Clients at a place were told of a name. */
  asked(name: string, wanted: Wanted, site: string | undefined): void {
    let plan = this.planOf(name, wanted);
    if (plan === undefined) {
      plan = { wanted, places: [], planned: [], keys: [], flows: undefined };
      if (this.plans.size >= MOST) {
        this.plans.clear();
        this.awake.clear();
      }
      this.plans.set(name, [...(this.plans.get(name) ?? []), plan]);
    }
    const place = site ?? '';
    if (plan.places.includes(place) || plan.places.length >= MOST_PLACES) return;
    plan.places = [...plan.places, place].sort();
    this.awake.add(name);
  }

  /** Looks at one name after the other, from where the last turn ended, while there is time; `done`: at all of them. */
  turn(
    know: Knowledge,
    now: Millis,
    time: () => boolean,
  ): { readonly changed: readonly string[]; readonly done: boolean } {
    const changed: string[] = [];
    this.turns ??= [...this.awake].values();
    do {
      const next = this.turns.next();
      if (next.done) {
        this.turns = undefined;
        return { changed, done: true };
      }
      if (this.look(next.value, know, now)) changed.push(next.value);
    } while (time());
    return { changed, done: false };
  }

  /** The shares of those that serve; undefined: nothing is planned for them. */
  sharesFor(
    name: string,
    wanted: Wanted,
    site: string | undefined,
    serving: readonly Candidate[],
  ): readonly number[] | undefined {
    // What nobody has asked for in just this way is explained by what was asked for.
    const plan = this.planOf(name, wanted) ?? this.plans.get(name)?.[0];
    const row = plan?.flows?.told[plan.planned.indexOf(site ?? '')];
    return row && carried(row, plan!.keys, serving.map(keyOf));
  }

  /** Takes in what is known now of a name; whether shares are others than before. */
  look(name: string, know: Knowledge, now: Millis): boolean {
    let changed = false;
    let moving = false;
    for (const plan of this.plans.get(name) ?? []) {
      const before = plan.flows;
      changed = follow(plan, name, know, now) || changed;
      moving ||= !rests(before, plan.flows);
    }
    if (changed || moving) this.awake.add(name);
    else this.awake.delete(name);
    return changed;
  }

  private planOf(name: string, { protocol, transport, family }: Wanted): Plan | undefined {
    return this.plans
      .get(name)
      ?.find(
        ({ wanted }) =>
          wanted.protocol === protocol && wanted.transport === transport && wanted.family === family,
      );
  }
}

function follow(plan: Plan, name: string, know: Knowledge, now: Millis): boolean {
  const held = know.view.names.get(name)?.held ?? [];
  const [first] = held;
  // Most names are served by one manager: there is nothing to plan.
  const alone = held.every(one => one.manager === first!.manager && one.offer.vip === first!.offer.vip);
  const up = alone ? [] : held.filter(serves);
  const { places } = plan;
  const rows = places.map(place => candidatesOf(up, place === '' ? undefined : place, know, plan.wanted));
  const [some = []] = rows;
  if (some.length < 2) {
    plan.flows = undefined;
    return false;
  }
  const keys = some.map(keyOf);
  const serving = some.map(servingOf);
  const flows =
    plan.flows === undefined
      ? firstFlows(serving, rows.map(usualShares), now)
      : followedFlows(recent(refitted(plan, plan.flows, keys, rows, serving), now), serving, now);
  const ways = rows.map(row => row.map(({ cost }) => cost.network + cost.link));
  const weights = serving.map(({ weight }) => weight);
  const told = plannedShares(flows.demand, ways, weights, flows.told);
  const changed = plan.flows === undefined || !alike(told, flows.told) || !alike(told, plan.flows.told);
  Object.assign(plan, { keys, planned: places, flows: { ...flows, told } });
  return changed;
}

/** Whether nothing moves any more: what is wanted, what is in use, and by which shares clients come. */
function rests(before: Flows | undefined, now: Flows | undefined): boolean {
  if (before === undefined || now === undefined) return before === now;
  const elapsed = Math.max(1, now.at - before.at);
  const same = (one: readonly number[], other: readonly number[], scale: number): boolean =>
    one.length === other.length &&
    one.every(
      (value, at) => Math.abs(value - other[at]!) <= (STILL * elapsed * (Math.abs(value) + scale)) / 1000,
    );
  return (
    same(before.demand, now.demand, TENTH) &&
    same(before.load, now.load, TENTH) &&
    before.come.length === now.come.length &&
    before.come.every((row, place) => same(row, now.come[place]!, 0.1))
  );
}

/** What has rested is as it was: nothing is to be followed of that time. */
const recent = (flows: Flows, now: Millis): Flows =>
  now - flows.at > RESTED ? { ...flows, at: now - RESTED } : flows;

/** The same flows for other places, or others that serve: those that are still there keep what they had. */
function refitted(
  { places, planned, keys: before }: Plan,
  flows: Flows,
  keys: readonly string[],
  rows: readonly (readonly Candidate[])[],
  serving: readonly Serving[],
): Flows {
  const same = keys.length === before.length && keys.every((key, at) => key === before[at]);
  if (same && places === planned) return flows;
  const fitted = (shares: Shares): Shares =>
    places.map((place, at) => {
      const row = shares[planned.indexOf(place)];
      return (row && carried(row, before, keys)) ?? usualShares(rows[at]!);
    });
  return {
    at: flows.at,
    demand: places.map(place => flows.demand[planned.indexOf(place)] ?? 0),
    load: keys.map((key, at) => flows.load[before.indexOf(key)] ?? serving[at]!.least),
    told: fitted(flows.told),
    come: fitted(flows.come),
  };
}

/** Shares of `before`, for those that serve now; undefined: none of these had any. */
function carried(
  row: readonly number[],
  before: readonly string[],
  keys: readonly string[],
): readonly number[] | undefined {
  if (keys.length === before.length && keys.every((key, at) => key === before[at])) return row;
  const left = keys.map(key => row[before.indexOf(key)] ?? 0);
  const all = left.reduce((sum, share) => sum + share, 0);
  return all > 0 ? left.map(share => share / all) : undefined;
}

/** Its weight, and what may be in use of it: a score is a whole number, and of much free capacity tells little. */
function servingOf({ weight, held }: Candidate): Serving {
  const score = Math.min(...held.map(one => one.supply.told));
  const used = (free: number): number => Math.max(0, weight - free);
  return {
    weight,
    least: score >= 1000 ? 0 : used(capacityOf(score + 0.5)),
    most: score <= 1 ? weight : used(capacityOf(score - 0.5)),
  };
}

const alike = (one: Shares, other: Shares): boolean =>
  one.length === other.length &&
  one.every(
    (row, place) =>
      row.length === other[place]!.length && row.every((share, at) => share === other[place]![at]),
  );
