/**
 * The best answers in hindsight: what a DNS server would say that knows, at each second, what all clients will ask for and all that links
 * carry, but whose answers are kept as those of any other. Shares are where each small part of the demand adds least to everybody's
 * time, found greedily and by exchanges.
 */
import { byDns, PEER_TTL } from './choosers.ts';
import type { Chooser, Network } from './network.ts';
import { ANSWER, CLIENTS, capacityOf, PLACES, SERVICE, type World } from './world.ts';

/** A site's clients are dealt out in so many parts. */
const PARTS = 64;
const ROUNDS = 6;
/** Fuller than this counts as that full, and more so. */
const FULLEST = 0.97;

/** Mean time that requests wait at `places` of which the part `use` is busy, ms: M/M/c by Sakasegawa's approximation. */
export function waitOf(use: number, places: number): number {
  const within = Math.min(use, FULLEST);
  const wait = (SERVICE * within ** (Math.sqrt(2 * (places + 1)) - 1)) / (places * (1 - within));
  return use <= FULLEST ? wait : wait * (1 + 50 * (use - FULLEST));
}

export function oracle(network: Network): Chooser {
  const { sites } = network.world;
  let second = -1;
  let plan: readonly (readonly number[])[] = [];
  return byDns(sites.length * CLIENTS, (client, at) => {
    const now = Math.floor(at / 1000);
    if (now >= second + 5 || second < 0) {
      second = now;
      plan = planFor(network.world, now);
    }
    const from = Math.floor(client / CLIENTS);
    // Scattered, so that eager clients are in all parts.
    return { site: plan[from]![(((client % CLIENTS) * 37) % CLIENTS) % PARTS]!, ttl: PEER_TTL };
  });
}

/** For each site's clients, where each part of them goes. The demand is that of the middle of the time that answers are kept. */
export function planFor(world: World, second: number): readonly (readonly number[])[] {
  const { sites } = world;
  const middle = Math.min(world.seconds - 1, second + PEER_TTL / 2);
  const demand = world.demand(middle);
  const background = world.background(middle);
  const load = new Float64Array(sites.length);
  const out = new Float64Array(sites.length);
  const into = new Float64Array(sites.length);
  const farm = (at: number, rate: number): number => {
    const site = sites[at]!;
    return rate * waitOf(rate / capacityOf(site), site.servers * PLACES);
  };
  const link = (at: number, rate: number): number => {
    const free = sites[at]!.rate * (1 - background[at]!);
    const use = Math.min(FULLEST, (rate * ANSWER) / free);
    const over = Math.max(0, (rate * ANSWER) / free - FULLEST);
    return rate * ((ANSWER / free) * 1000) * (1 + use / 2 / (1 - use)) * (1 + 50 * over);
  };
  /** What a part costs all clients together, ms in a second. */
  const added = (from: number, to: number, rate: number): number => {
    const more = farm(to, load[to]! + rate) - farm(to, load[to]!);
    if (from === to) return more;
    const way = 4 * (sites[from]!.delay + sites[to]!.delay) * rate;
    const links =
      link(to, out[to]! + rate) -
      link(to, out[to]!) +
      link(from, into[from]! + rate) -
      link(from, into[from]!);
    return more + way + links;
  };
  const put = (from: number, to: number, rate: number): void => {
    load[to]! += rate;
    if (from === to) return;
    out[to]! += rate;
    into[from]! += rate;
  };
  const plan = sites.map(() => new Array<number>(PARTS).fill(-1));
  for (let round = 0; round < ROUNDS; round++)
    for (let part = 0; part < PARTS; part++)
      for (const [from, mine] of plan.entries()) {
        const rate = demand[from]! / PARTS;
        if (mine[part]! >= 0) put(from, mine[part]!, -rate);
        let best = 0;
        let least = Number.POSITIVE_INFINITY;
        for (let to = 0; to < sites.length; to++) {
          const cost = added(from, to, rate);
          if (cost < least) [best, least] = [to, cost];
        }
        mine[part] = best;
        put(from, best, rate);
      }
  return plan;
}
