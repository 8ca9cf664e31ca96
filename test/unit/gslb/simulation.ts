/**
 * Clients that ask, hold their answer for its TTL, and load the servers that it names: a fluid model, deterministic, one second a step.
 * How long servers take is M/M/c by Sakasegawa's approximation, which the GSLB's formula knows nothing of.
 */

import type { Knowledge } from '../../../appliance/gslb/candidates.ts';
import { placesOf } from '../../../appliance/gslb/cost.ts';
import { decide } from '../../../appliance/gslb/decide.ts';
import { DEFAULT_POLICY, type Policy, ttlOf } from '../../../appliance/gslb/policy.ts';
import { reduce } from '../../../appliance/gslb/reduce.ts';
import { locate, readTopology, type Topology } from '../../../appliance/gslb/topology.ts';
import { emptyView, type View } from '../../../appliance/gslb/view.ts';
import { address } from '../../../sdk/wire/address.ts';
import { heard, manager, offer, polled } from './world.ts';

/** Sites are letters. */
export interface Scene {
  readonly sites: readonly string[];
  /** Servers of weight 100 at each site. */
  readonly servers: Readonly<Record<string, number>>;
  /** Round trips, ms: `rtt.a.b`; 0 at home. */
  rtt: Record<string, Record<string, number>>;
  /** Requests a second of each site's clients: 100 fill one server. */
  demand: Record<string, number>;
  /** What is offered nowhere any more. */
  readonly down: Set<string>;
}

/** ms that a server takes for one request; so it does 100 in a second. */
const SERVICE = 10;
const CLIENTS = 160;
/** Mean response time of a farm, ms; what is refused or waits for ever counts as 2 s. */
export function response(servers: number, load: number): number {
  const rho = load / (servers * 100);
  if (servers === 0 || rho >= 0.995) return 2000;
  return SERVICE * (1 + rho ** (Math.sqrt(2 * (servers + 1)) - 1) / (servers * (1 - rho)));
}

interface Client {
  readonly site: string;
  readonly slot: number;
  at: string;
  until: number;
}

/** How an answer is chosen: by the GSLB, or as its peers would. */
export type Chooser = (
  know: Knowledge,
  client: Client,
  turn: number,
  last: string,
) => { at: string; ttl: number };

export const byPolicy = (policy: Policy = DEFAULT_POLICY): Chooser => {
  const leaders = new Map<string, string | undefined>();
  const kept = new Map<string, ReturnType<Chooser>>();
  let of: Knowledge | undefined;
  return (know, { site, slot }) => {
    if (know !== of) kept.clear();
    of = know;
    const key = `${site} ${slot}`;
    const before = kept.get(key);
    if (before !== undefined) return before;
    const decision = decide('www.example', { site, slot }, know, policy, leaders.get(site));
    leaders.set(site, decision.leader);
    const ttl = ttlOf(policy, now.value - decision.since);
    const made = { at: decision.ranked[0]!.manager[0]!, ttl };
    kept.set(key, made);
    return made;
  };
};

/** The simulation's clock, for the TTL. */
const now = { value: 0 };

export const roundRobin: Chooser = ({ view }, _, turn) => {
  const up = view.names.get('www.example')!.held.filter(held => held.supply.score > 0);
  return { at: up[turn % up.length]!.manager[0]!, ttl: 30 };
};

export const nearestOnly =
  (scene: Scene): Chooser =>
  ({ view }, { site }) => {
    const up = view.names
      .get('www.example')!
      .held.filter(held => held.supply.score > 0)
      .map(held => held.manager[0]!);
    const far = (at: string): number => (at === site ? 0 : scene.rtt[site]![at]!);
    return { at: up.reduce((best, one) => (far(one) < far(best) ? one : best)), ttl: 30 };
  };

export interface Outcome {
  /** ms, over all requests from `after` on. */
  readonly mean: number;
  readonly p99: number;
  /** Clients that were sent elsewhere, by second, as a share of all. */
  readonly moved: readonly number[];
  /** Load of each site by second, as a share of its capacity. */
  readonly load: readonly Readonly<Record<string, number>>[];
}

export function simulate(
  scene: Scene,
  chooser: Chooser,
  seconds: number,
  change: (scene: Scene, second: number) => void = () => {},
): Outcome & { between(from: number, to: number): { mean: number; p99: number } } {
  const topology = topologyOf(scene);
  let view = emptyView();
  const average: Record<string, number> = {};
  const clients: Client[] = scene.sites.flatMap(site =>
    Array.from({ length: CLIENTS }, (_, at) => ({
      site,
      slot: locate(topology, address(`10.${site.charCodeAt(0)}.0.${at + 20}`)).slot,
      at: site,
      until: -1,
    })),
  );
  const samples: { second: number; time: number; weight: number }[] = [];
  const moved: number[] = [];
  const load: Record<string, number>[] = [];
  let turn = 0;
  for (let second = 0; second < seconds; second++) {
    now.value = second * 1000;
    change(scene, second);
    view = observe(view, scene, average, second);
    const know: Knowledge = { view, topology, places: placesOf(view, topology), here: undefined };
    let changed = 0;
    for (const [index, client] of clients.entries()) {
      // The first answers are asked for over half a minute, as people come.
      if (second === 0) client.until = (index * 7) % 30;
      if (client.until > second && !(second === 0)) continue;
      const { at, ttl } = chooser(know, client, turn++, client.at);
      if (at !== client.at) changed++;
      client.at = at;
      client.until = second === 0 ? client.until : second + ttl;
    }
    moved.push(changed / clients.length);
    const arriving: Record<string, number> = Object.fromEntries(scene.sites.map(site => [site, 0]));
    for (const { site, at } of clients) arriving[at]! += scene.demand[site]! / CLIENTS;
    for (const { site, at } of clients) {
      const servers = scene.down.has(at) ? 0 : scene.servers[at]!;
      const trip = site === at ? 0 : scene.rtt[site]![at]!;
      samples.push({
        ...{ second, time: 2 * trip + response(servers, arriving[at]!) },
        weight: scene.demand[site]! / CLIENTS,
      });
    }
    const used = Object.fromEntries(
      scene.sites.map(site => [site, Math.min(1, arriving[site]! / Math.max(1, scene.servers[site]! * 100))]),
    );
    load.push(used);
    for (const site of scene.sites)
      average[site] = (average[site] ?? 0) + (used[site]! - (average[site] ?? 0)) * (1 - Math.exp(-1 / 30));
  }
  const between = (from: number, to: number) =>
    statistics(samples.filter(({ second }) => second >= from && second < to));
  return { ...between(0, seconds), moved, load, between };
}

function statistics(samples: readonly { time: number; weight: number }[]) {
  const sorted = [...samples].sort((one, other) => one.time - other.time);
  const all = sorted.reduce((sum, { weight }) => sum + weight, 0);
  const mean = sorted.reduce((sum, { time, weight }) => sum + time * weight, 0) / all;
  let sum = 0;
  const p99 = sorted.find(({ weight }) => {
    sum += weight;
    return sum >= 0.99 * all;
  })!.time;
  return { mean, p99 };
}

/** What notices and polls tell of this second. */
function observe(view: View, scene: Scene, average: Record<string, number>, second: number): View {
  let next = view;
  for (const site of scene.sites) {
    const capacity = scene.servers[site]! * 100 * (1 - Math.min(1, average[site] ?? 0));
    const score = scene.down.has(site) ? 0 : Math.max(1, Math.round(1000 * (1 - 2 ** (-capacity / 100))));
    const one = offer(site, { score, servers: scene.servers[site]! });
    const paths = Object.fromEntries(
      scene.sites.filter(to => to !== site).map(to => [to, scene.rtt[site]![to]!]),
    );
    if (second === 0) next = reduce(next, heard(site, [one]), 0);
    next = reduce(next, polled(site, [[one, score]], { paths }), second * 1000);
  }
  return next;
}

function topologyOf({ sites }: Scene): Topology {
  const read = readTopology(
    JSON.stringify({
      sites: Object.fromEntries(
        sites.map(site => [
          `site-${site}`,
          { clients: [`10.${site.charCodeAt(0)}.0.0/24`], managers: [manager(site)] },
        ]),
      ),
    }),
  );
  if ('faults' in read) throw new Error(read.faults.map(({ sentence }) => sentence).join());
  const named = new Map(
    [...read.topology.sites].map(([name, place]) => [name.slice(5), { ...place, name: name.slice(5) }]),
  );
  return {
    ...read.topology,
    sites: named,
    lengths: read.topology.lengths.map(([length, prefixes]) => [
      length,
      new Map([...prefixes].map(([prefix, name]) => [prefix, name.slice(5)])),
    ]),
  };
}

/** The best mean response time, with a demand known beforehand: where each small part of it adds least (greedily, then by exchanges). */
export function bestMean(scene: Scene): number {
  const parts = 60;
  const up = scene.sites.filter(site => !scene.down.has(site));
  const load: Record<string, number> = Object.fromEntries(up.map(site => [site, 0]));
  const flows: { site: string; at: string; size: number }[] = [];
  const trip = (from: string, to: string): number => (from === to ? 0 : scene.rtt[from]![to]!);
  const total = (at: string, more: number): number =>
    (load[at]! + more) * response(scene.servers[at]!, load[at]! + more);
  const place = (flow: { site: string; at: string; size: number }): void => {
    const added = (at: string): number =>
      total(at, flow.size) - total(at, 0) + 2 * trip(flow.site, at) * flow.size;
    flow.at = up.reduce((best, one) => (added(one) < added(best) ? one : best));
    load[flow.at]! += flow.size;
  };
  for (let part = 0; part < parts; part++)
    for (const site of scene.sites) flows.push({ site, at: '', size: scene.demand[site]! / parts });
  for (const flow of flows) place(flow);
  for (let round = 0; round < 20; round++)
    for (const flow of flows) {
      load[flow.at]! -= flow.size;
      place(flow);
    }
  const demand = flows.reduce((sum, { size }) => sum + size, 0);
  const time = flows.reduce(
    (sum, { site, at, size }) => sum + size * (2 * trip(site, at) + response(scene.servers[at]!, load[at]!)),
    0,
  );
  return time / demand;
}
