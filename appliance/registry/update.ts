/**
 * How the state's tables are changed together: a service stands in its server's record and under its VIP, always the same value.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { ServerId } from '../../sdk/wire/model.ts';
import { nowhere } from './elsewhere.ts';
import type { LeaseRecord, ServerRecord, ServiceKey, ServiceRecord, State } from './state.ts';
import { Table } from './table.ts';

/** A manager that knows nothing. */
export const emptyState = (): State => ({
  servers: Table.empty(),
  sessions: Table.empty(),
  leases: Table.empty(),
  holdings: Table.empty(),
  vips: Table.empty(),
  reached: { routes: Table.empty(), farms: Table.empty() },
  lost: Table.empty(),
  damped: Table.empty(),
  elsewhere: nowhere(),
  partings: Table.empty(),
  rounds: 0,
  stopping: false,
});

/** `map` with one entry set, or deleted when `value` is undefined. */
function alter<K, V>(map: ReadonlyMap<K, V> | undefined, key: K, value: V | undefined): ReadonlyMap<K, V> {
  const copy = new Map(map);
  if (value === undefined) copy.delete(key);
  else copy.set(key, value);
  return copy;
}

/** The state with these service records in place of the old ones of the same server. */
export function putServices(state: State, server: ServerRecord, records: readonly ServiceRecord[]): State {
  let { damped } = state;
  const services = new Map(server.services);
  const changed = new Map<Address, Map<ServiceKey, ServiceRecord>>();
  const servicesOf = (vip: Address): Map<ServiceKey, ServiceRecord> => {
    const known = changed.get(vip);
    if (known !== undefined) return known;
    const copy = copyOf(state.vips.get(vip));
    changed.set(vip, copy);
    return copy;
  };
  for (const record of records) {
    const before = services.get(record.spec.id);
    if (before === record) continue;
    if (before !== undefined && before.spec.vip !== record.spec.vip)
      servicesOf(before.spec.vip).delete(before.key);
    services.set(record.spec.id, record);
    servicesOf(record.spec.vip).set(record.key, record);
    if (record.flap.suppressed) damped = damped.with(record.key, true);
    else if (before?.flap.suppressed) damped = damped.without(record.key);
  }
  if (changed.size === 0 && state.servers.get(server.id) === server) return state;
  const vips = putVips(state.vips, changed);
  return { ...state, servers: state.servers.with(server.id, { ...server, services }), vips, damped };
}

/** The state without one service. */
export function dropService(state: State, record: ServiceRecord): State {
  const server = state.servers.get(record.server);
  const servers =
    server &&
    state.servers.with(server.id, { ...server, services: alter(server.services, record.spec.id, undefined) });
  return {
    ...state,
    servers: servers ?? state.servers,
    vips: putVip(state.vips, record.spec.vip, [[record.key, undefined]]),
    damped: state.damped.without(record.key),
  };
}

/** The state without a server, its session and its services; its leases stay. */
export function dropServer(state: State, id: ServerId): State {
  const server = state.servers.get(id);
  if (server === undefined) return state;
  const rest = [...server.services.values()].reduce(dropService, state);
  return {
    ...rest,
    servers: rest.servers.without(id),
    sessions: server.session === undefined ? rest.sessions : rest.sessions.without(server.session),
    lost: rest.lost.without(id),
  };
}

/** The state with one holder's lease of a VIP set, or removed when `lease` is undefined. */
export function putLease(
  state: State,
  vip: Address,
  holder: ServerId,
  lease: LeaseRecord | undefined,
): State {
  const holders = alter(state.leases.get(vip), holder, lease);
  const others = (state.holdings.get(holder) ?? []).filter(held => held !== vip);
  const holds = lease === undefined ? others : [...others, vip];
  return {
    ...state,
    leases: holders.size === 0 ? state.leases.without(vip) : state.leases.with(vip, holders),
    holdings: holds.length === 0 ? state.holdings.without(holder) : state.holdings.with(holder, holds),
  };
}

/** Most VIPs have few services, and `new Map(old)` makes an iterator and an array for each. */
function copyOf<K, V>(map: ReadonlyMap<K, V> | undefined): Map<K, V> {
  const copy = new Map<K, V>();
  if (map !== undefined) for (const [key, value] of map) copy.set(key, value);
  return copy;
}

/** `vips` with all services of these VIPs replaced; VIPs with none leave. */
function putVips(
  vips: State['vips'],
  changed: ReadonlyMap<Address, ReadonlyMap<ServiceKey, ServiceRecord>>,
): State['vips'] {
  const draft = vips.draft();
  for (const [vip, services] of changed) {
    if (services.size === 0) draft.delete(vip);
    else draft.set(vip, services);
  }
  return draft.done();
}

/** `vips` with these services of one VIP set, or deleted when undefined. */
function putVip(
  vips: State['vips'],
  vip: Address,
  entries: Iterable<readonly [ServiceKey, ServiceRecord | undefined]>,
): State['vips'] {
  const services = new Map(vips.get(vip));
  for (const [key, record] of entries) {
    if (record === undefined) services.delete(key);
    else services.set(key, record);
  }
  return services.size === 0 ? vips.without(vip) : vips.with(vip, services);
}
