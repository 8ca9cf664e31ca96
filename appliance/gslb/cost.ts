/**
 * What a client may expect to wait, in ms, if it is sent to a manager: the default policy goes by it (docs/protocol.md, GSLB: Cost). Pure.
 */
import type { ManagerId } from '../../sdk/wire/model.ts';
import type { Millis } from '../host/ports.ts';
import { siteOf, type Topology } from './topology.ts';
import type { LinkUse, Path, Site, View } from './view.ts';

/** An exchange is a connection and a question: two round trips. */
const ROUND_TRIPS = 2;
/** What one lost packet costs: the least retransmission timeout of RFC 6298 §2.4. */
const RETRANSMISSION: Millis = 1000;
/** What an idle server of weight 100 takes to answer. */
const SERVICE: Millis = 10;
/** bits that an answer has to get through a link: 12 kB. */
const ANSWER = 96_000;
/** A link is never counted as fuller. */
const FULLEST = 0.98;
/** The way of which nothing is known. */
const UNKNOWN: Path = { rtt: 100, jitter: 0, loss: 0 };
const LEAST_CAPACITY = 0.5;
/** With this part of all servers free, what they take counts twice: so much is kept for what comes of a sudden. */
const HEADROOM = 0.2;

/** Where the figure of the way comes from. */
export type WaySource = 'local' | 'measured' | 'from-here' | 'unknown';

/** The network's part of a cost: that of a way from a place to a manager, whatever is offered there. */
export interface WayCost {
  readonly way: Path;
  readonly source: WaySource;
  /** ms, each. */
  readonly network: Millis;
  readonly link: Millis;
  /** The link that the answer has to get through, if it is told of. */
  readonly bottleneck: LinkUse | undefined;
}

export interface Cost extends WayCost {
  /** ms, all together. */
  readonly total: Millis;
  /** ms. */
  readonly service: Millis;
}

/** What a service has at a manager: free capacity and all of it, in units of weight, and its servers. */
export interface Stock {
  readonly capacity: number;
  readonly servers: number;
  /** Sum of the weights of servers that are up; undefined: not told, and each counts as 100. */
  readonly weight?: number | undefined;
}

/** Sites of a view, by where the topology has them; made once a view. */
export type Places = ReadonlyMap<string, readonly Site[]>;

export function placesOf(view: View, topology: Topology): Places {
  const places = new Map<string, Site[]>();
  for (const site of view.sites.values()) {
    const name = siteOf(topology, site);
    const list = places.get(name);
    if (list === undefined) places.set(name, [site]);
    else list.push(site);
  }
  return places;
}

const homes = new WeakMap<Places, ReadonlyMap<ManagerId, string>>();

/** The site of a manager that is at one of the places. */
export function siteIn(places: Places, manager: ManagerId): string | undefined {
  let known = homes.get(places);
  if (known === undefined) {
    known = new Map([...places].flatMap(([name, sites]) => sites.map(site => [site.manager, name] as const)));
    homes.set(places, known);
  }
  return known.get(manager);
}

/** The cost for clients at `client` (undefined: nobody knows where) of a service at the manager. */
export const costOf = (
  site: Site,
  at: string,
  client: string | undefined,
  stock: Stock,
  places: Places,
  here: string | undefined,
): Cost => withService(wayCostOf(site, at, client, places, here), stock);

/** What the network adds for clients at `client`, of whatever the manager offers. */
export function wayCostOf(
  site: Site,
  at: string,
  client: string | undefined,
  places: Places,
  here: string | undefined,
): WayCost {
  const { way, source } = wayTo(site.manager, site.own, at, client, places, here);
  const bottleneck = source === 'local' ? undefined : narrowest(at, client, places);
  const network = networkOf(way);
  const link = bottleneck === undefined ? 0 : (1000 * ANSWER) / freeOf(bottleneck);
  return { way, source, network, link, bottleneck };
}

/** The whole cost of what is in stock at the end of the way. */
export function withService(by: WayCost, stock: Stock): Cost {
  const { way, source, network, link, bottleneck } = by;
  const service = serviceTime(stock);
  return { total: network + link + service, way, source, network, link, service, bottleneck };
}

/**
 * What is waited for at the servers: what an idle one takes, shared by those that are idle; and more, the less of all of them is free.
 */
export function serviceTime({ capacity, servers, weight }: Stock): Millis {
  const free = Math.max(LEAST_CAPACITY, capacity);
  const all = weight ?? 100 * Math.max(1, servers);
  return ((SERVICE * 100) / free) * (1 + (HEADROOM * all) / free);
}

function wayTo(
  manager: ManagerId,
  own: Path | undefined,
  at: string,
  client: string | undefined,
  places: Places,
  here: string | undefined,
): { readonly way: Path; readonly source: WaySource } {
  if (client !== undefined && client === at) return { way: { rtt: 0, jitter: 0, loss: 0 }, source: 'local' };
  let best: Path | undefined;
  for (const { paths } of (client !== undefined && places.get(client)) || []) {
    const path = paths.get(manager);
    if (path !== undefined && (best === undefined || networkOf(path) < networkOf(best))) best = path;
  }
  if (best !== undefined) return { way: best, source: 'measured' };
  if (own === undefined) return { way: UNKNOWN, source: 'unknown' };
  return { way: own, source: client !== undefined && client === here ? 'measured' : 'from-here' };
}

const networkOf = ({ rtt, loss }: Path): Millis => ROUND_TRIPS * rtt + RETRANSMISSION * loss;

/** bit/s that are free of a link. */
const freeOf = ({ rate, use }: LinkUse): number => rate * (1 - Math.min(FULLEST, use));

/** The link with the least room, of either site, of those whose rate is known. */
function narrowest(at: string, client: string | undefined, places: Places): LinkUse | undefined {
  let found: LinkUse | undefined;
  for (const place of client === undefined ? [at] : [at, client])
    for (const { links } of places.get(place) ?? [])
      for (const link of links)
        if (link.rate > 0 && (found === undefined || freeOf(link) < freeOf(found))) found = link;
  return found;
}
