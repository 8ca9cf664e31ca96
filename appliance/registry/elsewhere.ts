/**
 * What other managers of the mission have said that they carry, and who of several that claim the same comes first. Kept by manager,
 * by VIP and by server, all three changed together.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { Binding, ManagerId, ServerId } from '../../sdk/wire/model.ts';
import type { Millis } from './state.ts';
import { Table } from './table.ts';

/** A binding and the manager that announced it. */
export interface Claim extends Binding {
  readonly manager: ManagerId;
}

/** `vip|server`. */
export type BindingKey = string & { readonly __brand: 'BindingKey' };

export const bindingKey = (vip: Address, server: ServerId): BindingKey => `${vip}|${server}` as BindingKey;

/** Another manager. */
export interface PeerRecord {
  readonly id: ManagerId;
  readonly name: string;
  /** Where it is reached, not as a VIP. */
  readonly addresses: readonly Address[];
  /** Nothing is heard of it any more; what it said still holds, but keeps nobody from a VIP for which he has a lease. */
  readonly silent: boolean;
  /** When `silent` last changed. */
  readonly since: Millis;
  readonly claims: Table<BindingKey, Claim>;
}

/**
 * Whose a VIP is that nobody announces any more: its last holder's, whose lease goes on. Of a VIP that is this manager's to grant it is
 * written down as soon as somebody announces it, so that a restart does not forget it (`until`: Infinity).
 */
export interface Kept {
  readonly server: ServerId;
  readonly shared: boolean;
  readonly until: Millis;
}

export interface Elsewhere {
  readonly peers: Table<ManagerId, PeerRecord>;
  readonly byVip: Table<Address, readonly Claim[]>;
  readonly byServer: Table<ServerId, readonly Claim[]>;
  readonly kept: Table<Address, Kept>;
  /** Claims of all peers together. */
  readonly count: number;
  /** A limit was reached: something that was heard is not kept. */
  readonly full: boolean;
}

export const nowhere = (): Elsewhere => ({
  peers: Table.empty(),
  byVip: Table.empty(),
  byServer: Table.empty(),
  kept: Table.empty(),
  count: 0,
  full: false,
});

/** Whether two bindings cannot both be: of one VIP, to different servers that do not both share it. */
export const excludes = (
  one: { readonly server: ServerId; readonly shared: boolean },
  other: { readonly server: ServerId; readonly shared: boolean },
): boolean => one.server !== other.server && !(one.shared && other.shared);

/** Who has a VIP of two that claim it: the greater epoch, then the greater server, then the greater manager, as text. */
export function comesBefore(one: Holder, other: Holder): boolean {
  if (one.epoch !== other.epoch) return one.epoch > other.epoch;
  if (one.server !== other.server) return one.server > other.server;
  return one.manager > other.manager;
}

type Holder = Pick<Claim, 'epoch' | 'server' | 'manager'>;

/** The newest claim on a server, by whichever manager; undefined when no other manager has it. */
export const newestOf = (elsewhere: Elsewhere, server: ServerId): Claim | undefined =>
  elsewhere.byServer
    .get(server)
    ?.reduce<Claim | undefined>(
      (best, claim) => (best === undefined || comesBefore(claim, best) ? claim : best),
      undefined,
    );

/** A manager's name for people. */
export const nameOf = (elsewhere: Elsewhere, manager: ManagerId): string =>
  elsewhere.peers.get(manager)?.name || manager.slice(0, 12);

/** With these claims of one peer set, and these gone. `peer`: as it is to be, but for its claims. */
export function putClaims(
  elsewhere: Elsewhere,
  peer: PeerRecord,
  set: readonly Claim[],
  gone: readonly Claim[],
): Elsewhere {
  const claims = peer.claims.draft();
  const byVip = elsewhere.byVip.draft();
  const byServer = elsewhere.byServer.draft();
  const vips = group(set, gone, claim => claim.vip);
  const servers = group(set, gone, claim => claim.server);
  for (const { vip, server } of gone) claims.delete(bindingKey(vip, server));
  for (const claim of set) claims.set(bindingKey(claim.vip, claim.server), claim);
  for (const [vip, change] of vips) replace(byVip, vip, change);
  for (const [server, change] of servers) replace(byServer, server, change);
  const next = { ...peer, claims: claims.done() };
  return {
    ...elsewhere,
    peers: elsewhere.peers.with(peer.id, next),
    byVip: byVip.done(),
    byServer: byServer.done(),
    count: elsewhere.count + next.claims.size - peer.claims.size,
  };
}

interface Change {
  readonly set: Claim[];
  /** All that is to be taken out, or replaced. */
  readonly out: Set<string>;
}

const identityOf = ({ manager, vip, server }: Claim): string => `${manager}|${vip}|${server}`;

function group<K>(set: readonly Claim[], gone: readonly Claim[], keyOf: (claim: Claim) => K): Map<K, Change> {
  const groups = new Map<K, Change>();
  const at = (claim: Claim): Change => {
    const key = keyOf(claim);
    const change = groups.get(key) ?? { set: [], out: new Set() };
    groups.set(key, change);
    change.out.add(identityOf(claim));
    return change;
  };
  for (const claim of gone) at(claim);
  for (const claim of set) at(claim).set.push(claim);
  return groups;
}

function replace<K extends string>(
  table: ReturnType<Table<K, readonly Claim[]>['draft']>,
  key: K,
  { set, out }: Change,
): void {
  const rest = (table.get(key) ?? []).filter(claim => !out.has(identityOf(claim)));
  if (rest.length + set.length === 0) table.delete(key);
  else table.set(key, [...rest, ...set]);
}
