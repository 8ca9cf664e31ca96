/**
 * What this manager announces, of all VIPs: derived anew only for those of which something changed.
 */
import type { Address } from '../../sdk/wire/address.ts';
import { vipOf } from '../registry/carried.ts';
import { bindingKey } from '../registry/elsewhere.ts';
import type { ServerRecord, State } from '../registry/state.ts';
import { Table } from '../registry/table.ts';
import { type Announced, announcedOf, NOTHING } from './announced.ts';
import type { WantedNotices } from './wanted.ts';

/** What is announced, and of which VIP each part is. */
export interface DerivedNotices {
  readonly wanted: WantedNotices;
  readonly byVip: Table<Address, Announced>;
}

export const silent = (): DerivedNotices => ({
  wanted: { bindings: Table.empty(), offers: Table.empty() },
  byVip: Table.empty(),
});

/** `before`: the state that `last` was derived from; undefined = look at every VIP. */
export function deriveNotices(state: State, before: State | undefined, last: DerivedNotices): DerivedNotices {
  const vips = changed(state, before);
  if (vips.size === 0) return last;
  const byVip = last.byVip.draft();
  const bindings = last.wanted.bindings.draft();
  const offers = last.wanted.offers.draft();
  for (const vip of vips) {
    const old = last.byVip.get(vip) ?? NOTHING;
    const now = announcedOf(state, vip, old);
    if (now === NOTHING) byVip.delete(vip);
    else byVip.set(vip, now);
    replace(bindings, old.bindings, now.bindings, server => bindingKey(vip, server));
    replace(offers, old.offers, now.offers, key => key);
  }
  const wanted = { bindings: bindings.done(), offers: offers.done() };
  const same = wanted.bindings === last.wanted.bindings && wanted.offers === last.wanted.offers;
  return { wanted: same ? last.wanted : wanted, byVip: byVip.done() };
}

function replace<K, V>(
  draft: { set(key: string, value: V): void; delete(key: string): void },
  before: ReadonlyMap<K, V>,
  after: ReadonlyMap<K, V>,
  name: (key: K) => string,
): void {
  for (const key of before.keys()) if (!after.has(key)) draft.delete(name(key));
  for (const [key, value] of after) if (before.get(key) !== value) draft.set(name(key), value);
}

/** The VIPs of which what is announced may differ since `before`. */
function changed(state: State, before: State | undefined): ReadonlySet<Address> {
  if (before === undefined) return new Set(state.vips.keys());
  if (before.stopping !== state.stopping) return new Set(state.vips.keys());
  const vips = new Set<Address>();
  for (const { key } of state.vips.changesSince(before.vips)) vips.add(key);
  for (const { key } of state.reached.routes.changesSince(before.reached.routes)) vips.add(key);
  for (const { key } of state.reached.farms.changesSince(before.reached.farms)) vips.add(vipOf(key));
  for (const { before: old, after } of state.servers.changesSince(before.servers)) {
    if (after === undefined || isSame(old, after)) continue;
    for (const { spec } of after.services.values()) vips.add(spec.vip);
  }
  return vips;
}

/** Whether the same is announced of a server. */
const isSame = (one: ServerRecord | undefined, other: ServerRecord): boolean =>
  one?.epoch === other.epoch &&
  one.hosts === other.hosts &&
  (one.session === undefined) === (other.session === undefined);
