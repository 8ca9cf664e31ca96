/**
 * Resolvers that ask a GSLB, hold its answer for the TTL and load the servers that it names, in virtual time: the real GSLB with its
 * publications, the real average and score of connections, polls each second.
 */
import type { View as DnsView, Outcome } from '../../../appliance/dns/view.ts';
import { Gslb } from '../../../appliance/gslb/gslb.ts';
import { DEFAULT_POLICY, type Policy } from '../../../appliance/gslb/policy.ts';
import { locate, readTopology, type Topology } from '../../../appliance/gslb/topology.ts';
import { DEFAULT_LIMITS } from '../../../appliance/gslb/view.ts';
import { averaged } from '../../../appliance/registry/score.ts';
import { address } from '../../../sdk/wire/address.ts';
import { recordingLog, seededRandom, VirtualClock } from '../../support/virtual.ts';
import { heard, offer, polled } from './world.ts';

export interface Town {
  /** Servers of weight 100 at each site; sites are letters. */
  readonly servers: Readonly<Record<string, number>>;
  /** ms between two different sites. */
  readonly rtt: number;
  /** Demand of each site's clients, in servers that it fills. */
  readonly demand: Record<string, number>;
  /** Resolvers at each site. */
  readonly resolvers: number;
}

export interface Course {
  /** Load of each site by second, in its capacity. */
  readonly load: readonly Readonly<Record<string, number>>[];
  /** Resolvers that were sent elsewhere than before, by second, as a share of all. */
  readonly moved: readonly number[];
}

const NAME = 'www.example';

const topologyOf = (sites: readonly string[]): Topology => {
  const read = readTopology(
    JSON.stringify({
      sites: Object.fromEntries(
        sites.map(site => [
          site,
          { clients: [`10.${site.charCodeAt(0)}.0.0/16`], managers: [`site-${site}`] },
        ]),
      ),
    }),
  );
  if ('faults' in read) throw new Error(JSON.stringify(read.faults));
  return read.topology;
};

/** Runs a town for so many seconds; `change` may change its demand. */
export async function live(
  town: Town,
  seconds: number,
  seed: number,
  change: (town: Town, second: number) => void,
  policy: Policy = DEFAULT_POLICY,
): Promise<Course> {
  const clock = new VirtualClock();
  const random = seededRandom(seed);
  const sites = Object.keys(town.servers);
  const topology = topologyOf(sites);
  const kept = new Map<string, Outcome>();
  let view: DnsView | undefined;
  const gslb = new Gslb({
    ...{ clock, log: recordingLog(), zones: [], policies: [policy], topology },
    ...{ here: sites[0], limits: DEFAULT_LIMITS },
    publish(next, changed) {
      view = next;
      for (const key of kept.keys())
        if (changed === undefined || changed.some(name => key.startsWith(name))) kept.delete(key);
    },
  });
  const offerOf = (site: string) =>
    offer(site, { servers: town.servers[site]!, weight: town.servers[site]! * 100 });
  const siteOf = new Map(sites.map(site => [offerOf(site).vip as string, site]));
  const average = Object.fromEntries(sites.map(site => [site, 0]));
  const scoreOf = (site: string): number => {
    const free = town.servers[site]! * 100 * (1 - average[site]!);
    return Math.max(1, Math.round(1000 * (1 - 2 ** (-free / 100))));
  };
  const poll = (site: string): void => {
    const paths = Object.fromEntries(sites.filter(to => to !== site).map(to => [to, town.rtt]));
    gslb.take(
      polled(site, [[offerOf(site), scoreOf(site)]], {
        paths,
        rtt: town.rtt * (0.97 + random.uniform() * 0.06),
      }),
    );
  };
  for (const site of sites) gslb.take(heard(site, [offerOf(site)]));
  for (const site of sites) poll(site);
  const resolvers = sites.flatMap(site =>
    Array.from({ length: town.resolvers }, () => {
      const at = address(
        `10.${site.charCodeAt(0)}.${Math.floor(random.uniform() * 256)}.${1 + Math.floor(random.uniform() * 250)}`,
      );
      const { slot } = locate(topology, at);
      // Some have more people behind them than others.
      return {
        site,
        place: `${site}#${slot}`,
        size: 0.5 + random.uniform(),
        at: site,
        until: random.uniform() * 20,
      };
    }),
  );
  const sizes = Object.fromEntries(
    sites.map(site => [site, resolvers.reduce((sum, one) => sum + (one.site === site ? one.size : 0), 0)]),
  );
  const load: Record<string, number>[] = [];
  const moved: number[] = [];
  for (let second = 0; second < seconds; second++) {
    change(town, second);
    let elsewhere = 0;
    for (const one of resolvers) {
      if (one.until > second && second > 0) continue;
      const key = `${NAME} ${one.place}`;
      const outcome = kept.get(key) ?? view?.answersFor({ name: NAME, type: 'A' }, one.place);
      if (outcome !== undefined) kept.set(key, outcome);
      const [record] = outcome?.records ?? [];
      const at = record?.type === 'A' ? siteOf.get(record.address)! : one.at;
      if (at !== one.at && second > 0) elsewhere++;
      one.at = at;
      // People do not ask the moment that an answer is over.
      if (second > 0) one.until = second + (outcome?.ttl ?? 1) + random.uniform() * 3;
    }
    moved.push(elsewhere / resolvers.length);
    const busy = Object.fromEntries(sites.map(site => [site, 0]));
    for (const { site, at, size } of resolvers) busy[at]! += (town.demand[site]! * size) / sizes[site]!;
    load.push(Object.fromEntries(sites.map(site => [site, busy[site]! / town.servers[site]!])));
    for (const site of sites)
      average[site] = averaged(average[site]!, Math.min(1, load.at(-1)![site]!), 1000);
    const order = [...sites].sort(() => random.uniform() - 0.5);
    for (const site of order) {
      await clock.advance(Math.floor(1000 / sites.length));
      poll(site);
    }
    await clock.advance(5);
  }
  gslb.close();
  return { load, moved };
}
