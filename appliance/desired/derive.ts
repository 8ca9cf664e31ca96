/**
 * derive(state) → what the network is to look like. Pure. Given what it derived last, it looks only at the VIPs of which something
 * changed, and gives the same result as without.
 */
import type { Address } from '../../sdk/wire/address.ts';
import { isBalanced, vipOf } from '../registry/carried.ts';
import { farmScore } from '../registry/score.ts';
import type { ServiceKey, ServiceRecord, State } from '../registry/state.ts';
import { Table } from '../registry/table.ts';
import { sameFarm, sameServers, sameServices } from './alike.ts';
import { putChecks } from './checks.ts';
import { directoryOf } from './directory.ts';
import { farmsOf } from './farms.ts';
import type { DirectoryServer, Farm, FarmKey, Wanted, WantedDirectory } from './wanted.ts';

export interface DesiredConfig {
  /** The route's metric from the VIP's score and the metric it has now (undefined = no route yet). */
  readonly metric: (score: number, now: number | undefined) => number;
}

export interface Derived {
  readonly state: State;
  readonly wanted: Wanted;
  /** The farms of each VIP. */
  readonly farms: Table<Address, ReadonlyMap<FarmKey, Farm>>;
}

const NO_FARMS: ReadonlyMap<FarmKey, Farm> = new Map();
const NO_RECORDS: ReadonlyMap<ServiceKey, ServiceRecord> = new Map();

/** What was derived before there was anything. */
const nothing = (state: State): Derived => ({
  state: { ...state, vips: Table.empty() },
  farms: Table.empty(),
  wanted: {
    checks: Table.empty(),
    dataplane: { farms: Table.empty(), vips: Table.empty() },
    routing: { routes: Table.empty() },
    directory: { byVip: Table.empty(), byName: Table.empty() },
    arp: { vips: Table.empty() },
  },
});

/**
 * The whole wanted state; parts that did not change are the very same values as in `last`. `anew`: look at everything, since the
 * configuration is another than that of `last`.
 */
export function derive(state: State, config: DesiredConfig, last?: Derived, anew = false): Derived {
  let derived = last ?? nothing(state);
  for (const vip of changed(state, anew ? undefined : last?.state))
    derived = deriveVip(derived, state, config, vip);
  return { ...derived, state };
}

/** The VIPs that may differ since `before`. */
function changed(state: State, before: State | undefined): ReadonlySet<Address> {
  if (before === undefined) return new Set(state.vips.keys());
  const vips = new Set<Address>();
  if (before.stopping !== state.stopping) for (const vip of state.vips.keys()) vips.add(vip);
  for (const change of state.vips.changesSince(before.vips)) {
    if (!sameServices(change.before ?? NO_RECORDS, change.after ?? NO_RECORDS)) vips.add(change.key);
  }
  for (const { key } of state.reached.routes.changesSince(before.reached.routes)) vips.add(key);
  for (const change of state.reached.farms.changesSince(before.reached.farms)) {
    // Only whether a farm is carried at all is looked at, not by how many.
    if (isCarried(change.before) !== isCarried(change.after)) vips.add(vipOf(change.key));
  }
  return vips;
}

function deriveVip(derived: Derived, state: State, config: DesiredConfig, vip: Address): Derived {
  const { wanted } = derived;
  const records = state.vips.get(vip) ?? NO_RECORDS;
  const services = [...records.values()];
  const routed = state.reached.routes.has(vip);
  const before = derived.farms.get(vip) ?? NO_FARMS;
  const farms = keepEqual(before, farmsOf(vip, services, routed));
  const route = routeOf(state, config, vip, services, farms);
  const dataplane = {
    farms: putFarms(wanted.dataplane.farms, before, farms),
    // Not by the route: after a restart the kernel has them all, before anything is known to be reached.
    vips: mark(wanted.dataplane.vips, vip, services.length > 0 && (routed || serves(state, services))),
  };
  const routes =
    route === undefined ? wanted.routing.routes.without(vip) : wanted.routing.routes.with(vip, route);
  const vips = mark(wanted.arp.vips, vip, route !== undefined);
  return {
    state: derived.state,
    farms: farms.size === 0 ? derived.farms.without(vip) : derived.farms.with(vip, farms),
    wanted: {
      checks: putChecks(wanted.checks, state, derived.state.vips.get(vip) ?? NO_RECORDS, records),
      dataplane: same(wanted.dataplane, dataplane),
      routing: same(wanted.routing, { routes }),
      directory: putDirectory(wanted.directory, vip, state.stopping ? [] : directoryOf(services)),
      arp: same(wanted.arp, { vips }),
    },
  };
}

/** The metric of the VIP's route: only when something serves it and the data plane has it (or need not). */
function routeOf(
  state: State,
  config: DesiredConfig,
  vip: Address,
  services: readonly ServiceRecord[],
  farms: ReadonlyMap<FarmKey, Farm>,
): number | undefined {
  const up = services.filter(record => record.state === 'up');
  if (state.stopping || up.length === 0) return undefined;
  const carried = (farm: Farm): boolean =>
    farm.members.some(member => member.accepts) && isCarried(state.reached.farms.get(farm.key));
  const ready = up.some(record => !isBalanced(record)) || [...farms.values()].some(carried);
  // Those that were up before a restart count, though nobody has checked them again: a metric that drops and rises moves clients.
  return ready
    ? config.metric(
        farmScore(up, () => true),
        state.reached.routes.get(vip),
      )
    : undefined;
}

const isCarried = (members: number | undefined): boolean => members !== undefined && members > 0;

const serves = (state: State, services: readonly ServiceRecord[]): boolean =>
  !state.stopping && services.some(record => record.state === 'up');

/** `farms` with the old value wherever nothing differs, and `before` itself if nothing does at all. */
function keepEqual(
  before: ReadonlyMap<FarmKey, Farm>,
  farms: Map<FarmKey, Farm>,
): ReadonlyMap<FarmKey, Farm> {
  let equal = before.size === farms.size;
  for (const [key, farm] of farms) {
    const old = before.get(key);
    if (old !== undefined && sameFarm(old, farm)) farms.set(key, old);
    else equal = false;
  }
  return equal ? before : farms;
}

function putFarms(
  table: Table<FarmKey, Farm>,
  before: ReadonlyMap<FarmKey, Farm>,
  farms: ReadonlyMap<FarmKey, Farm>,
): Table<FarmKey, Farm> {
  let next = table;
  for (const key of before.keys()) if (!farms.has(key)) next = next.without(key);
  for (const [key, farm] of farms) if (before.get(key) !== farm) next = next.with(key, farm);
  return next;
}

function putDirectory(
  directory: WantedDirectory,
  vip: Address,
  servers: readonly DirectoryServer[],
): WantedDirectory {
  const before = directory.byVip.get(vip) ?? [];
  if (sameServers(before, servers)) return directory;
  let { byName } = directory;
  const names = namesOf(servers);
  for (const name of namesOf(before)) if (!names.has(name)) byName = putName(byName, name, vip, false);
  for (const name of names) byName = putName(byName, name, vip, true);
  return {
    byName,
    byVip: servers.length === 0 ? directory.byVip.without(vip) : directory.byVip.with(vip, servers),
  };
}

const namesOf = (servers: readonly DirectoryServer[]): ReadonlySet<string> =>
  new Set(servers.flatMap(server => server.services.map(service => service.name)));

function putName(
  byName: WantedDirectory['byName'],
  name: string,
  vip: Address,
  present: boolean,
): WantedDirectory['byName'] {
  const before = byName.get(name) ?? [];
  if (before.includes(vip) === present) return byName;
  const vips = present ? [...before, vip].sort() : before.filter(other => other !== vip);
  return vips.length === 0 ? byName.without(name) : byName.with(name, vips);
}

const mark = (table: Table<Address, true>, vip: Address, present: boolean): Table<Address, true> =>
  present ? table.with(vip, true) : table.without(vip);

/** `before` when all of its fields are those of `after`. */
const same = <T extends object>(before: T, after: T): T =>
  (Object.keys(after) as (keyof T)[]).every(key => before[key] === after[key]) ? before : after;
