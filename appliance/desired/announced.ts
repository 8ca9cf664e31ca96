/**
 * What this manager announces of one VIP: who serves it here, and what clients are offered. Only what is really carried, with its
 * route out: a peer that hears of it withdraws (docs/architecture.md, One event).
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { Binding, Offer, PortRange, ServerId } from '../../sdk/wire/model.ts';
import { carriedIn } from '../registry/carried.ts';
import { farmScore } from '../registry/score.ts';
import type { ServiceRecord, State } from '../registry/state.ts';

/** What is announced of a VIP. */
export interface Announced {
  readonly bindings: ReadonlyMap<ServerId, Binding>;
  /** By the keys of WantedNotices. */
  readonly offers: ReadonlyMap<string, Offer>;
}

export const NOTHING: Announced = { bindings: new Map(), offers: new Map() };

/** A score is told anew only when it is so far from what was told last, or 0: who must know better asks. */
const SCORE_STEP = 50;

const NO_HOSTS: readonly Uint8Array[] = [];

/** `last`: what was announced before; what is the same by value is the same value. */
export function announcedOf(state: State, vip: Address, last: Announced): Announced {
  if (state.stopping || !state.reached.routes.has(vip)) return NOTHING;
  const serving = servingAt(state, vip);
  if (serving.length === 0) return NOTHING;
  return { bindings: bindingsOf(state, vip, serving, last), offers: offersOf(vip, serving, last) };
}

/**
 * The services of a VIP that are up and carried. Whose server was told so, it is: a farm that waits for one more member has lost
 * none of those that it has.
 */
function servingAt(state: State, vip: Address): readonly ServiceRecord[] {
  const services = state.vips.get(vip);
  if (services === undefined) return [];
  const isCarried = carriedIn(state.reached, services);
  const serving: ServiceRecord[] = [];
  for (const record of services.values())
    if (record.state === 'up' && (record.told === 'up' || isCarried(record))) serving.push(record);
  return serving;
}

function bindingsOf(
  state: State,
  vip: Address,
  serving: readonly ServiceRecord[],
  last: Announced,
): ReadonlyMap<ServerId, Binding> {
  const bindings = new Map<ServerId, Binding>();
  const holders = state.leases.get(vip);
  for (const { server: id } of serving) {
    const server = state.servers.get(id);
    // One that has not come back after a restart may be elsewhere, or dead: it must not take the VIP from who has it now.
    if (server?.session === undefined || bindings.has(id)) continue;
    const { epoch, hosts = NO_HOSTS } = server;
    const shared = holders?.get(id)?.lease.shared ?? false;
    const before = last.bindings.get(id);
    const same = before?.epoch === epoch && before.shared === shared && before.hosts === hosts;
    bindings.set(id, same ? before : { vip, server: id, epoch, shared, hosts });
  }
  return bindings;
}

function offersOf(
  vip: Address,
  serving: readonly ServiceRecord[],
  last: Announced,
): ReadonlyMap<string, Offer> {
  const groups: ServiceRecord[][] = [];
  for (const record of serving) {
    const group = groups.find(([first]) => isOneOffer(first!, record));
    if (group === undefined) groups.push([record]);
    else group.push(record);
  }
  const offers = new Map<string, Offer>();
  for (const records of groups) {
    const { name, transport, ports, protocol, forward } = records[0]!.spec;
    const key = `${name}|${vip}|${transport}|${ports.map(({ first, last: end }) => `${first}-${end}`).join()}|${protocol}`;
    const score = farmScore(records);
    const before = last.offers.get(key);
    const servers = new Set<ServerId>(records.map(record => record.server)).size;
    const weight = records.reduce((sum, { spec }) => sum + spec.weight, 0);
    const alike = before?.mode === forward.mode && before.servers === servers && before.weight === weight;
    offers.set(
      key,
      alike && near(before.score, score)
        ? before
        : { name, vip, transport, ports, protocol, mode: forward.mode, score, servers, weight },
    );
  }
  return offers;
}

/** Whether two services of a VIP are offered as one. */
const isOneOffer = ({ spec: one }: ServiceRecord, { spec: other }: ServiceRecord): boolean =>
  one.name === other.name &&
  one.transport === other.transport &&
  one.protocol === other.protocol &&
  (one.ports === other.ports || samePorts(one.ports, other.ports));

const samePorts = (one: readonly PortRange[], other: readonly PortRange[]): boolean =>
  one.length === other.length &&
  one.every((range, at) => range.first === other[at]!.first && range.last === other[at]!.last);

const near = (told: number, now: number): boolean =>
  told === now || (told > 0 && now > 0 && Math.abs(told - now) < SCORE_STEP);
