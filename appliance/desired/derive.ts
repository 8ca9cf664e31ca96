/**
 * derive(state) → what the network is to look like. Pure. Given what it derived last, it looks only at the VIPs of which something
 * changed, and gives the same result as without.
 */
import type { Address } from '../../sdk/wire/address.ts';
import { isBalanced, vipOf } from '../registry/carried.ts';
import { bindingKey } from '../registry/elsewhere.ts';
import { farmScore } from '../registry/score.ts';
import type { ServiceKey, ServiceRecord, State } from '../registry/state.ts';
import { type Draft, Table } from '../registry/table.ts';
import { sameFarm, sameServers, sameServices } from './alike.ts';
import { putChecks } from './checks.ts';
import { directoryOf } from './directory.ts';
import { farmsOf } from './farms.ts';
import { type DerivedNotices, deriveNotices, silent } from './notices.ts';
import type { CheckTarget, DirectoryServer, Farm, FarmKey, Wanted } from './wanted.ts';

export interface DesiredConfig {
  /** The route's metric from the VIP's score and the metric it has now (undefined = no route yet). */
  readonly metric: (score: number, now: number | undefined) => number;
  /** Whether anything is announced to other managers. */
  readonly announce?: boolean;
}

export interface Derived {
  readonly state: State;
  /** The state that checks, directory and ARP follow from: an earlier one while they are `late`. */
  readonly rest: State;
  readonly notices: DerivedNotices;
  readonly wanted: Wanted;
  /** The farms of each VIP. */
  readonly farms: Table<Address, ReadonlyMap<FarmKey, Farm>>;
}

const NO_FARMS: ReadonlyMap<FarmKey, Farm> = new Map();
const NO_RECORDS: ReadonlyMap<ServiceKey, ServiceRecord> = new Map();

/** What was derived before there was anything. */
const nothing = (state: State): Derived => {
  const before = { ...state, vips: Table.empty<Address, ReadonlyMap<ServiceKey, ServiceRecord>>() };
  return {
    state: before,
    rest: before,
    notices: silent(),
    farms: Table.empty(),
    wanted: {
      checks: Table.empty(),
      dataplane: { farms: Table.empty(), vips: Table.empty(), partings: Table.empty() },
      routing: { routes: Table.empty() },
      directory: { byVip: Table.empty(), byName: Table.empty() },
      arp: { vips: Table.empty() },
      notices: silent().wanted,
    },
  };
};

/**
 * The whole wanted state; parts that did not change are the very same values as in `last`. `anew`: look at everything, since the
 * configuration is another than that of `last`. `late`: checks, directory and ARP are left as they are until it is called without, since in
 * a crowd routes wait for nothing that clients do not need.
 */
export function derive(
  state: State,
  config: DesiredConfig,
  last?: Derived,
  { anew = false, late = false }: { readonly anew?: boolean; readonly late?: boolean } = {},
): Derived {
  const before = last ?? nothing(state);
  const vips = changed(state, anew ? undefined : last?.state);
  const rest = late
    ? NO_VIPS
    : before.rest === before.state
      ? vips
      : changed(state, anew ? undefined : last?.rest);
  const notices = config.announce
    ? deriveNotices(state, anew ? undefined : last?.state, before.notices)
    : before.notices;
  const { partings } = state;
  const isSame = vips.size === 0 && rest.size === 0;
  if (isSame && notices === before.notices && partings === before.wanted.dataplane.partings)
    return { ...before, state, rest: late ? before.rest : state };
  const drafts = draftsOf(before);
  for (const vip of vips) deriveVip(drafts, before, state, config, vip);
  for (const vip of rest) deriveRest(drafts, before.rest, state, vip);
  return finish(drafts, before, state, late ? before.rest : state, notices);
}

const NO_VIPS: ReadonlySet<Address> = new Set();

/** The parts of what is derived, while they change: each is copied once, however many VIPs it changes for. */
interface Drafts {
  readonly farms: Draft<Address, ReadonlyMap<FarmKey, Farm>>;
  readonly checks: Draft<ServiceKey, CheckTarget>;
  readonly balanced: Draft<FarmKey, Farm>;
  readonly vips: Draft<Address, true>;
  readonly routes: Draft<Address, number>;
  readonly byVip: Draft<Address, readonly DirectoryServer[]>;
  readonly byName: Draft<string, readonly Address[]>;
  readonly arp: Draft<Address, true>;
}

const draftsOf = ({ farms, wanted }: Derived): Drafts => ({
  farms: farms.draft(),
  checks: wanted.checks.draft(),
  balanced: wanted.dataplane.farms.draft(),
  vips: wanted.dataplane.vips.draft(),
  routes: wanted.routing.routes.draft(),
  byVip: wanted.directory.byVip.draft(),
  byName: wanted.directory.byName.draft(),
  arp: wanted.arp.vips.draft(),
});

function finish(
  drafts: Drafts,
  { wanted }: Derived,
  state: State,
  rest: State,
  notices: DerivedNotices,
): Derived {
  const { partings } = state;
  return {
    state,
    rest,
    notices,
    farms: drafts.farms.done(),
    wanted: {
      checks: drafts.checks.done(),
      dataplane: same(wanted.dataplane, {
        farms: drafts.balanced.done(),
        vips: drafts.vips.done(),
        partings,
      }),
      routing: same(wanted.routing, { routes: drafts.routes.done() }),
      directory: same(wanted.directory, { byVip: drafts.byVip.done(), byName: drafts.byName.done() }),
      arp: same(wanted.arp, { vips: drafts.arp.done() }),
      notices: notices.wanted,
    },
  };
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

function deriveVip(drafts: Drafts, last: Derived, state: State, config: DesiredConfig, vip: Address): void {
  const records = state.vips.get(vip) ?? NO_RECORDS;
  const services = [...records.values()];
  const routed = state.reached.routes.has(vip);
  const before = last.farms.get(vip) ?? NO_FARMS;
  const recordsBefore = last.state.vips.get(vip) ?? NO_RECORDS;
  // When its farms or its route have been reached, nothing but the route can follow; farms go by the route only while they drain.
  const routeOnly =
    sameServices(recordsBefore, records) &&
    (routed === last.state.reached.routes.has(vip) || services.every(isUp)) &&
    state.stopping === last.state.stopping;
  const farms = routeOnly
    ? before
    : keepEqual(
        before,
        farmsOf(vip, services, routed, record => isParted(state, record)),
      );
  const route = routeOf(state, config, vip, services, farms);
  put(drafts.routes, vip, route);
  if (routeOnly) return;
  putFarms(drafts.balanced, before, farms);
  put(drafts.farms, vip, farms.size === 0 ? undefined : farms);
  // Not by the route: after a restart the kernel has them all, before anything is known to be reached.
  put(drafts.vips, vip, services.length > 0 && (routed || serves(state, services)) ? true : undefined);
}

/** What can be late: `before` is the state that it was derived from last. */
function deriveRest(drafts: Drafts, before: State, state: State, vip: Address): void {
  put(drafts.arp, vip, drafts.routes.get(vip) === undefined ? undefined : true);
  const records = state.vips.get(vip) ?? NO_RECORDS;
  const recordsBefore = before.vips.get(vip) ?? NO_RECORDS;
  if (sameServices(recordsBefore, records) && before.stopping === state.stopping) return;
  putChecks(drafts.checks, state, recordsBefore, records);
  putDirectory(drafts, vip, state.stopping ? [] : directoryOf(records.values()));
}

const isParted = ({ partings }: State, { spec, server }: ServiceRecord): boolean =>
  partings.size > 0 && partings.has(bindingKey(spec.vip, server));

const isUp = ({ state }: ServiceRecord): boolean => state === 'up';

function put<K extends string, V>(draft: Draft<K, V>, key: K, value: V | undefined): void {
  if (value === undefined) draft.delete(key);
  else draft.set(key, value);
}

/** The metric of the VIP's route: only when something serves it and the data plane has it (or need not). */
function routeOf(
  state: State,
  config: DesiredConfig,
  vip: Address,
  services: readonly ServiceRecord[],
  farms: ReadonlyMap<FarmKey, Farm>,
): number | undefined {
  const up = services.filter(isUp);
  if (state.stopping || up.length === 0) return undefined;
  let accepting = 0;
  let carried = 0;
  for (const { key, members } of farms.values()) {
    if (!members.some(member => member.accepts)) continue;
    accepting++;
    if (isCarried(state.reached.farms.get(key))) carried++;
  }
  if (carried === 0 && up.every(isBalanced)) return undefined;
  const now = state.reached.routes.get(vip);
  // To a server that was lost or elsewhere clients have flows, on all of its ports: those that are not carried yet would be reset here.
  const isWhole = carried === accepting && !services.some(isPending);
  if (
    !isWhole &&
    now === undefined &&
    up.some(record => mayHaveFlows(state, record)) &&
    (carried < accepting || services.some(record => awaited(state, record)))
  )
    return undefined;
  // Those that were up before a restart count, though nobody has checked them again: a metric that drops and rises moves clients.
  return config.metric(
    farmScore(up, () => true),
    now,
  );
}

/** Servers raise their epoch with each manager they go to. */
function mayHaveFlows({ servers }: State, { server }: ServiceRecord): boolean {
  const owner = servers.get(server);
  return owner !== undefined && (owner.returned === true || owner.epoch > 1);
}

/** Its first check here has not ended. */
const awaited = (state: State, record: ServiceRecord): boolean =>
  isPending(record) && mayHaveFlows(state, record);

const isPending = ({ state }: ServiceRecord): boolean => state === 'pending';

const isCarried = (members: number | undefined): boolean => members !== undefined && members > 0;

const serves = (state: State, services: readonly ServiceRecord[]): boolean =>
  !state.stopping && services.some(isUp);

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
  draft: Draft<FarmKey, Farm>,
  before: ReadonlyMap<FarmKey, Farm>,
  farms: ReadonlyMap<FarmKey, Farm>,
): void {
  for (const key of before.keys()) if (!farms.has(key)) draft.delete(key);
  for (const [key, farm] of farms) if (before.get(key) !== farm) draft.set(key, farm);
}

function putDirectory(
  { byVip, byName }: Pick<Drafts, 'byVip' | 'byName'>,
  vip: Address,
  servers: readonly DirectoryServer[],
): void {
  const before = byVip.get(vip) ?? [];
  if (sameServers(before, servers)) return;
  const names = namesOf(servers);
  for (const name of namesOf(before)) if (!names.has(name)) putName(byName, name, vip, false);
  for (const name of names) putName(byName, name, vip, true);
  put(byVip, vip, servers.length === 0 ? undefined : servers);
}

function namesOf(servers: readonly DirectoryServer[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { services } of servers) for (const { name } of services) names.add(name);
  return names;
}

function putName(byName: Drafts['byName'], name: string, vip: Address, present: boolean): void {
  const before = byName.get(name) ?? [];
  if (before.includes(vip) === present) return;
  const vips = present ? [...before, vip].sort() : before.filter(other => other !== vip);
  put(byName, name, vips.length === 0 ? undefined : vips);
}

/** `before` when all of its fields are those of `after`. */
const same = <T extends object>(before: T, after: T): T =>
  (Object.keys(after) as (keyof T)[]).every(key => before[key] === after[key]) ? before : after;
