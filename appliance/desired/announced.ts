/**
 * What this manager announces of one VIP: who serves it here, and what clients are offered. Only what is really carried, with its
 * route out: a peer that hears of it withdraws (docs/architecture.md, One event).
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { Binding, Offer, PortRange, ServerId } from '../../sdk/wire/model.ts';
import { carriedIn } from '../registry/carried.ts';
import { bindingKey } from '../registry/elsewhere.ts';
import { farmScore } from '../registry/score.ts';
import type { ServiceRecord, State } from '../registry/state.ts';

/** What is announced of a VIP, by the keys of WantedNotices. */
export interface Announced {
  readonly bindings: ReadonlyMap<string, Binding>;
  readonly offers: ReadonlyMap<string, Offer>;
}

export const NOTHING: Announced = { bindings: new Map(), offers: new Map() };

/** A score is told anew only when it is so far from what was told last, or 0: who must know better asks. */
const SCORE_STEP = 50;

const NO_HOSTS: readonly Uint8Array[] = [];

/** `last`: what was announced before; what is the same by value is the same value. */
export function announcedOf(state: State, vip: Address, last: Announced): Announced {
  if (state.stopping || !state.reached.routes.has(vip)) return NOTHING;
  const services = state.vips.get(vip);
  if (services === undefined) return NOTHING;
  const isCarried = carriedIn(state.reached, services);
  const serving = [...services.values()].filter(record => record.state === 'up' && isCarried(record));
  if (serving.length === 0) return NOTHING;
  return { bindings: bindingsOf(state, vip, serving, last), offers: offersOf(vip, serving, last) };
}

function bindingsOf(
  state: State,
  vip: Address,
  serving: readonly ServiceRecord[],
  last: Announced,
): ReadonlyMap<string, Binding> {
  const bindings = new Map<string, Binding>();
  const holders = state.leases.get(vip);
  for (const { server: id } of serving) {
    const key = bindingKey(vip, id);
    const server = state.servers.get(id);
    if (bindings.has(key) || server === undefined) continue;
    const { epoch, hosts = NO_HOSTS } = server;
    const shared = holders?.get(id)?.lease.shared ?? false;
    const before = last.bindings.get(key);
    const same = before?.epoch === epoch && before.shared === shared && before.hosts === hosts;
    bindings.set(key, same ? before : { vip, server: id, epoch, shared, hosts });
  }
  return bindings;
}

function offersOf(
  vip: Address,
  serving: readonly ServiceRecord[],
  last: Announced,
): ReadonlyMap<string, Offer> {
  const groups = new Map<string, ServiceRecord[]>();
  for (const record of serving) {
    const { name, transport, ports, protocol } = record.spec;
    const key = `${name}|${vip}|${transport}|${portsOf(ports)}|${protocol}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [record]);
    else group.push(record);
  }
  const offers = new Map<string, Offer>();
  for (const [key, records] of groups) {
    const score = farmScore(records);
    const { name, transport, ports, protocol, forward } = records[0]!.spec;
    const before = last.offers.get(key);
    const servers = new Set<ServerId>(records.map(record => record.server)).size;
    const same = before?.mode === forward.mode && before.servers === servers && near(before.score, score);
    offers.set(
      key,
      same ? before : { name, vip, transport, ports, protocol, mode: forward.mode, score, servers },
    );
  }
  return offers;
}

const portsOf = (ports: readonly PortRange[]): string =>
  ports.map(({ first, last }) => `${first}-${last}`).join();

const near = (told: number, now: number): boolean =>
  told === now || (told > 0 && now > 0 && Math.abs(told - now) < SCORE_STEP);
