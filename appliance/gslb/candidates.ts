/** Who could be in the answer for a name: one for each manager and VIP that has it, with what sending clients there costs. Pure. */
import { type Address, type Family, familyOf } from '../../sdk/wire/address.ts';
import type { ManagerId, Transport } from '../../sdk/wire/model.ts';
import { Table } from '../registry/table.ts';
import { type Cost, type Places, siteIn, wayCostOf, withService } from './cost.ts';
import type { Planner } from './planner.ts';
import { siteOf, type Topology } from './topology.ts';
import type { Held, Site, View } from './view.ts';
import type { Ways } from './ways.ts';

/** All that decisions are made of besides the question. */
export interface Knowledge {
  readonly view: View;
  readonly topology: Topology;
  readonly places: Places;
  /** The GSLB's own site, if the topology knows it. */
  readonly here: string | undefined;
  /** What ways cost, where that is kept; else it is worked out each time. */
  readonly ways?: Ways;
  /** How clients are dealt out by what they want, where that is known; else by costs alone. */
  readonly plans?: Pick<Planner, 'sharesFor'>;
}

/** Which services of a name count; an absent field is a wildcard. */
export interface Wanted {
  readonly protocol?: string;
  readonly transport?: Transport;
  readonly family?: Family;
}

/** A VIP at a manager. */
export interface Candidate {
  readonly manager: ManagerId;
  /** The manager's name, and the site that it is at. */
  readonly name: string;
  readonly site: string;
  readonly vip: Address;
  /** The least score of what is offered there. */
  readonly score: number;
  /** Sum of the weights of the servers there that are up. */
  readonly weight: number;
  /** What it has there. */
  readonly held: readonly Held[];
  readonly cost: Cost;
}

/** In an order that does not depend on what they are worth, nor on who was heard of first. `held`: in the order of a Name. */
export function candidatesOf(
  held: readonly Held[],
  client: string | undefined,
  know: Knowledge,
  { protocol, transport, family }: Wanted,
): Candidate[] {
  const groups: Held[][] = [];
  for (const one of held) {
    if (protocol !== undefined && one.offer.protocol !== protocol) continue;
    if (transport !== undefined && one.offer.transport !== transport) continue;
    const { vip } = one.offer;
    if (family !== undefined && familyOf(vip) !== family) continue;
    const group = lastOf(groups, one.manager, vip);
    if (group === undefined) groups.push([one]);
    else group.push(one);
  }
  return groups.map(group => candidateOf(group, client, know));
}

/** The group of that manager and VIP: those of one manager stand together, at the end. */
function lastOf(groups: readonly Held[][], manager: ManagerId, vip: Address): Held[] | undefined {
  for (let at = groups.length - 1; at >= 0; at--) {
    const [first] = groups[at]!;
    if (first!.manager !== manager) return undefined;
    if (first!.offer.vip === vip) return groups[at];
  }
  return undefined;
}

function candidateOf(
  group: readonly Held[],
  client: string | undefined,
  { view, topology, places, here, ways }: Knowledge,
): Candidate {
  const { manager, offer } = group[0]!;
  const site = view.sites.get(manager) ?? gone(manager);
  const at = ways?.homeOf(manager) ?? siteIn(places, manager) ?? siteOf(topology, site);
  let { supply } = group[0]!;
  let least = offer;
  let { score } = supply;
  for (const one of group) {
    score = Math.min(score, one.supply.score);
    if (one.supply.capacity < supply.capacity) {
      supply = one.supply;
      least = one.offer;
    }
  }
  const stock = { capacity: supply.capacity, servers: least.servers, weight: least.weight };
  const way = ways?.to(site, at, client) ?? wayCostOf(site, at, client, places, here);
  return {
    manager,
    name: site.name,
    site: at,
    vip: offer.vip,
    score,
    weight: least.weight ?? 100 * Math.max(1, least.servers),
    held: group,
    cost: withService(way, stock),
  };
}

/** A manager that is no more, as far as what it last offered needs one. */
const gone = (manager: ManagerId): Site => ({
  ...{ manager, name: manager.slice(0, 12), addresses: [], anycastPort: 0, silent: true, since: 0 },
  ...{
    polled: 'lost',
    links: [],
    own: undefined,
    paths: new Map(),
    offers: Table.empty(),
    tags: Table.empty(),
  },
});

/** What tells one from all others. */
export const keyOf = ({ manager, vip }: Candidate): string => `${manager} ${vip}`;

/** By what an operator may name it: its site, its manager's name or identity, its VIP. */
export const namesOf = ({ site, name, manager, vip }: Candidate): readonly string[] => [
  site,
  name,
  manager,
  vip,
];

const byKey = (one: Candidate, other: Candidate): number => {
  if (one.manager !== other.manager) return one.manager < other.manager ? -1 : 1;
  return one.vip < other.vip ? -1 : 1;
};
export const cheaper = (one: Candidate, other: Candidate): number =>
  one.cost.total - other.cost.total || byKey(one, other);
export const stronger = (one: Candidate, other: Candidate): number =>
  other.score - one.score || cheaper(one, other);
export const nearer = (one: Candidate, other: Candidate): number =>
  one.cost.way.rtt - other.cost.way.rtt || stronger(one, other);
