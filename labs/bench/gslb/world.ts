/**
 * Sites, their clients and their links, for the simulation of choice: drawn by a seed, so that each run has another, and the same again.
 *
 *     site A: servers, clients ── its link ──┐
 *     site B: servers, clients ── its link ──┼── the middle: no bounds, no delay of its own
 *     site C: …                              ┘
 *
 * The story of each: load is uneven; it moves, so that another site is asked for more than it has; then the link of the site that has most
 * to spare fills with other traffic; that ends, and at last the load is again as at first. Changes take a minute.
 */
import type { Random } from '../../../appliance/host/ports.ts';

export interface SimulatedSite {
  /** A letter. */
  readonly name: string;
  /** Of weight 100, PLACES requests at once each. */
  readonly servers: number;
  /** One way to the middle, ms. */
  readonly delay: number;
  /** Of its link, each way, bit/s. */
  readonly rate: number;
}

export interface World {
  readonly sites: readonly SimulatedSite[];
  /** How long the story is, s. */
  readonly seconds: number;
  /** Requests of each site's clients in a second, at `second`. */
  demand(second: number): readonly number[];
  /** How much of each site's link other traffic takes, 0…1. */
  background(second: number): readonly number[];
}

/** Requests that a server works on at once, and how long it takes for one on average, ms: 100 in a second. */
export const PLACES = 4;
export const SERVICE = 40;
/** Connections that a server holds at most, working or waiting; to more it does not answer. */
export const BACKLOG = 4 * PLACES;
/** How much a link's router holds back, ms of it; what comes then is lost. */
export const BUFFER = 250;
/** What is not answered, or is lost, is tried again after this, ms, and after twice as long each time (RFC 6298 §2, §5.5). */
export const RETRY = 1000;
/** Times that it is tried again, before it is given up. */
export const TRIES = 2;
/** bits of an answer, with its connection: 12 kB. */
export const ANSWER = 96_000;
/** Hosts at each site that ask DNS themselves. */
export const CLIENTS = 64;
/** The first seconds do not count. */
export const WARM = 150;

/** Requests that a site can answer in a second. */
export const capacityOf = ({ servers }: SimulatedSite): number => (servers * PLACES * 1000) / SERVICE;

const SITES = ['a', 'b', 'c', 'd'];
/** How much of all capacity is asked for. */
const LOAD = { least: 0.5, most: 0.65 };
/** What a site's clients may ask for, of its capacity. */
const MOST_DEMAND = 1.4;
/** What the others have to bear at most when the site with the most to spare serves nobody but its own. */
const MOST_LEFT = 0.85;

interface Frame {
  readonly second: number;
  readonly demand: readonly number[];
  readonly background: readonly number[];
}

export function makeWorld(random: Random): World {
  const between = (least: number, most: number): number => least + (most - least) * random.uniform();
  const sites = SITES.map(
    (name): SimulatedSite => ({
      name,
      servers: 1 + Math.floor(between(0, 5)),
      delay: between(2, 20),
      rate: Math.round(between(40, 100)) * 1e6,
    }),
  );
  const usual = sites.map(() => between(0.05, 0.25));
  const first = drawDemand(sites, between);
  const second = drawDemand(sites, between);
  const spare = sites.map((site, at) => capacityOf(site) - second[at]!);
  const crowded = spare.indexOf(Math.max(...spare));
  const full = usual.map((use, at) => (at === crowded ? 0.95 : use));
  return story(sites, [
    { second: 0, demand: first.map(() => 1), background: usual },
    { second: 90, demand: first, background: usual },
    { second: 270, demand: first, background: usual },
    { second: 330, demand: second, background: usual },
    { second: 510, demand: second, background: usual },
    { second: 570, demand: second, background: full },
    { second: 690, demand: second, background: full },
    { second: 750, demand: second, background: usual },
    { second: 810, demand: first, background: usual },
    { second: 900, demand: first, background: usual },
  ]);
}

/** Requests a second by site: uneven, one site asked for more than it has, and together no more than can be served. */
function drawDemand(
  sites: readonly SimulatedSite[],
  between: (least: number, most: number) => number,
): readonly number[] {
  const capacity = sites.map(capacityOf);
  const all = capacity.reduce((sum, one) => sum + one, 0);
  for (;;) {
    const wish = sites.map(() => -Math.log(between(0.01, 1)));
    const total = wish.reduce((sum, one) => sum + one, 0);
    const load = between(LOAD.least, LOAD.most) * all;
    const demand = wish.map(one => (one / total) * load);
    const use = demand.map((one, at) => one / capacity[at]!);
    const most = Math.max(...use);
    const spare = demand.map((one, at) => capacity[at]! - one);
    const apart = spare.indexOf(Math.max(...spare));
    const left = (load - demand[apart]!) / (all - capacity[apart]!);
    if (most > 1.05 && most < MOST_DEMAND && left < MOST_LEFT) return demand;
  }
}

/** What the frames say at their seconds, and between them what lies between. */
export function story(sites: readonly SimulatedSite[], frames: readonly Frame[]): World {
  const at = (second: number, field: 'demand' | 'background'): readonly number[] => {
    const next = frames.findIndex(frame => frame.second > second);
    if (next < 0) return frames.at(-1)![field];
    const [before, after] = [frames[Math.max(0, next - 1)]!, frames[next]!];
    const part = (second - before.second) / (after.second - before.second);
    return before[field].map((value, index) => value + (after[field][index]! - value) * part);
  };
  return {
    sites,
    seconds: frames.at(-1)!.second,
    demand: second => at(second, 'demand'),
    background: second => at(second, 'background'),
  };
}
