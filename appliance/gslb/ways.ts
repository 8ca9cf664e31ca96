/**
 * What the way from each place to each manager costs, kept from view to view: when something of one site moves, only the ways that
 * begin or end there are worked out anew, and it is said which of them are others than before.
 */
import type { ManagerId } from '../../sdk/wire/model.ts';
import { type Places, placesOf, type WayCost, wayCostOf } from './cost.ts';
import { sameUse } from './settle.ts';
import { siteOf, type Topology } from './topology.ts';
import type { Site, View } from './view.ts';

/** Ways that are kept at most; when there are more, all are forgotten. */
const MOST = 200_000;

/** Places from which the way to a manager is another than before; '' is that of whom nobody knows where they are. */
export type Moved = ReadonlyMap<ManagerId, ReadonlySet<string>>;

const NOWHERE: Moved = new Map();

export class Ways {
  readonly places: Places;
  private readonly topology: Topology;
  private readonly here: string | undefined;
  private readonly homes = new Map<ManagerId, string>();
  private readonly sites: Map<string, readonly Site[]>;
  /** By the clients' place, '' for those of whom nobody knows. */
  private readonly kept = new Map<string, Map<ManagerId, WayCost>>();
  private size = 0;

  constructor(view: View, topology: Topology, here: string | undefined) {
    this.topology = topology;
    this.here = here;
    this.sites = new Map(placesOf(view, topology));
    this.places = this.sites;
    for (const [place, sites] of this.sites) for (const { manager } of sites) this.homes.set(manager, place);
  }

  /** Where the topology has the manager; undefined: it is not known (any more). */
  homeOf(manager: ManagerId): string | undefined {
    return this.homes.get(manager);
  }

  /** The cost of the way to a site, which is at `at`. */
  to(site: Site, at: string, client: string | undefined): WayCost {
    let row = this.kept.get(client ?? '');
    const known = row?.get(site.manager);
    if (known !== undefined) return known;
    if (this.size >= MOST) this.forget();
    if (row === undefined || this.size === 0) {
      row = new Map();
      this.kept.set(client ?? '', row);
    }
    const cost = wayCostOf(site, at, client, this.places, this.here);
    row.set(site.manager, cost);
    this.size++;
    return cost;
  }

  /** Takes in what became of one site; an absent side is undefined. Gives the ways, of those that were asked for, that are others now. */
  update(before: Site | undefined, after: Site | undefined): Moved {
    if (!differs(before, after)) return NOWHERE;
    const { manager } = (after ?? before)!;
    const touched = new Set<string>();
    const old = this.homes.get(manager);
    if (old !== undefined) {
      touched.add(old);
      this.put(
        old,
        this.sites.get(old)!.filter(site => site.manager !== manager),
      );
    }
    this.homes.delete(manager);
    if (after === undefined) for (const row of this.kept.values()) row.delete(manager);
    else {
      const moved = before === undefined || before.name !== after.name || !sameAddresses(before, after);
      const home = moved || old === undefined ? siteOf(this.topology, after) : old;
      touched.add(home);
      this.homes.set(manager, home);
      this.put(home, [...(this.sites.get(home) ?? []), after]);
    }
    return this.anew(touched);
  }

  private put(place: string, sites: readonly Site[]): void {
    if (sites.length === 0) this.sites.delete(place);
    else this.sites.set(place, sites);
  }

  private forget(): void {
    this.kept.clear();
    this.size = 0;
  }

  /** Works the ways out anew that begin or end at these places. */
  private anew(touched: ReadonlySet<string>): Moved {
    const moved = new Map<ManagerId, Set<string>>();
    const byManager = new Map<ManagerId, Site>();
    for (const place of touched)
      for (const site of this.sites.get(place) ?? []) byManager.set(site.manager, site);
    const look = (client: string, row: Map<ManagerId, WayCost>, site: Site, at: string): void => {
      const known = row.get(site.manager);
      if (known === undefined) return;
      const now = wayCostOf(site, at, client === '' ? undefined : client, this.places, this.here);
      row.set(site.manager, now);
      if (now.network === known.network && now.link === known.link && now.source === known.source) return;
      const places = moved.get(site.manager);
      if (places === undefined) moved.set(site.manager, new Set([client]));
      else places.add(client);
    };
    for (const [client, row] of this.kept) {
      if (touched.has(client))
        for (const [at, sites] of this.sites) for (const site of sites) look(client, row, site, at);
      else for (const site of byManager.values()) look(client, row, site, this.homes.get(site.manager)!);
    }
    return moved;
  }
}

const sameAddresses = (one: Site, other: Site): boolean => `${one.addresses}` === `${other.addresses}`;

/** Whether anything of a site that ways are judged by is another. */
function differs(one: Site | undefined, other: Site | undefined): boolean {
  if (one === other) return false;
  if (one === undefined || other === undefined) return true;
  return (
    one.own !== other.own ||
    one.paths !== other.paths ||
    one.name !== other.name ||
    !sameAddresses(one, other) ||
    !sameUse(one.links, other.links)
  );
}
