/**
 * What other managers say, taken into the state; what follows of it for servers that are registered here is decided in moves.ts.
 * Nothing is refused for being older than what is known: what each manager says last is what holds of it, and the greatest epoch wins.
 */
import type { Binding } from '../../sdk/wire/model.ts';
import type { RegistryConfig } from './config.ts';
import { type Decision, reason, type Step } from './decision.ts';
import {
  bindingKey,
  type Claim,
  type Elsewhere,
  type Kept,
  nameOf,
  type PeerRecord,
  putClaims,
} from './elsewhere.ts';
import type { HeardEvent } from './events.ts';
import { yieldTo } from './moves.ts';
import { inPools } from './pool.ts';
import type { Millis, State } from './state.ts';
import { Table } from './table.ts';

/** Of a limit: below it there is room again. */
const EASE = 0.9;

type Heard = Extract<HeardEvent, { type: 'heard' }>;

/** Takes in what a manager announces, and gives way to what comes before what is here. */
export function hear(state: State, config: RegistryConfig, now: Millis, event: Heard): Step {
  if (event.manager === config.manager) return { state, decisions: [] };
  const { elsewhere } = state;
  const known = elsewhere.peers.get(event.manager);
  if (known === undefined && elsewhere.peers.size >= config.roaming.peers)
    return filled(state, `${config.roaming.peers} managers are known: ${event.name} is not heard`);
  const peer = peerOf(event, known, now);
  const gone = goneOf(peer, event);
  const news = newsOf(peer, event.bindings);
  const room = config.roaming.bindings - elsewhere.count + gone.length;
  const set = within(peer, news, room);
  const put = keep(putClaims(elsewhere, peer, set, gone), [...set, ...gone], config, now);
  let step: Step = { state: { ...state, elsewhere: put }, decisions: peerDecisions(known, peer) };
  if (set.length < news.length)
    step = also(step, filled(step.state, `${config.roaming.bindings} bindings of other managers are known`));
  else step = { ...step, state: eased(step.state, config) };
  // Also to what there is no room for. And while it was silent, its VIPs were there for leases to take up.
  const claims = known?.silent ? [...put.peers.get(peer.id)!.claims.values()] : news;
  for (const claim of claims) step = also(step, yieldTo(step.state, config, now, claim));
  return step;
}

/** A manager is not heard any more: what it said still holds until others say otherwise. */
export function silence(state: State, now: Millis, manager: Heard['manager']): Step {
  const peer = state.elsewhere.peers.get(manager);
  if (peer === undefined || peer.silent) return { state, decisions: [] };
  const peers = state.elsewhere.peers.with(manager, { ...peer, silent: true, since: now });
  const sentence = `${nameOf(state.elsewhere, manager)} is not heard any more`;
  return {
    state: { ...state, elsewhere: { ...state.elsewhere, peers } },
    decisions: [{ kind: 'peer-silent', name: peer.name, reason: reason('silent', sentence) }],
  };
}

/** A manager is gone, and all that it carried. */
export function forgetPeer(
  state: State,
  config: RegistryConfig,
  now: Millis,
  manager: Heard['manager'],
): Step {
  const peer = state.elsewhere.peers.get(manager);
  if (peer === undefined) return { state, decisions: [] };
  const gone = [...peer.claims.values()];
  const left = putClaims(state.elsewhere, peer, [], gone);
  const elsewhere = keep({ ...left, peers: left.peers.without(manager) }, gone, config, now);
  const sentence = `${nameOf(state.elsewhere, manager)} is gone, with ${gone.length} bindings`;
  return {
    state: eased({ ...state, elsewhere }, config),
    decisions: [{ kind: 'peer-gone', name: peer.name, reason: reason('gone', sentence) }],
  };
}

/** Takes out the VIPs whose time to be kept is over. */
export function releaseKept(state: State, now: Millis): State {
  const { elsewhere } = state;
  if (elsewhere.kept.size === 0) return state;
  const kept = elsewhere.kept.draft();
  for (const [vip, { until }] of elsewhere.kept.entries()) if (until <= now) kept.delete(vip);
  const rest = kept.done();
  return rest === elsewhere.kept ? state : { ...state, elsewhere: { ...elsewhere, kept: rest } };
}

const peerOf = (event: Heard, known: PeerRecord | undefined, now: Millis): PeerRecord => ({
  id: event.manager,
  name: event.name,
  addresses: event.addresses,
  silent: false,
  since: known === undefined || known.silent ? now : known.since,
  claims: known?.claims ?? Table.empty(),
});

/** What the peer had and has no more. */
function goneOf(peer: PeerRecord, event: Heard): readonly Claim[] {
  if (event.complete) {
    const all = new Set(event.bindings.map(({ vip, server }) => bindingKey(vip, server)));
    return [...peer.claims.entries()].flatMap(([key, claim]) => (all.has(key) ? [] : [claim]));
  }
  const keys = new Set(event.gone.map(({ vip, server }) => bindingKey(vip, server)));
  return [...keys].map(key => peer.claims.get(key)).filter(claim => claim !== undefined);
}

/** What is new or differs from what the peer said before. */
const newsOf = (peer: PeerRecord, bindings: readonly Binding[]): readonly Claim[] =>
  bindings
    .filter(binding => !same(peer.claims.get(bindingKey(binding.vip, binding.server)), binding))
    .map(({ vip, server, epoch, shared, hosts }) => ({
      vip,
      server,
      epoch,
      shared,
      hosts,
      manager: peer.id,
    }));

const same = (claim: Claim | undefined, binding: Binding): boolean =>
  claim !== undefined &&
  claim.epoch === binding.epoch &&
  claim.shared === binding.shared &&
  claim.hosts.length === binding.hosts.length &&
  claim.hosts.every((host, at) => {
    const other = binding.hosts[at]!;
    return host.length === other.length && host.every((byte, index) => byte === other[index]);
  });

/** The news for which there is room: changes always, what is new while it lasts. */
function within(peer: PeerRecord, news: readonly Claim[], room: number): readonly Claim[] {
  if (news.length <= room) return news;
  let left = room;
  return news.filter(({ vip, server }) => peer.claims.has(bindingKey(vip, server)) || left-- > 0);
}

/** Of VIPs that have changed hands: whose they are, for the length of a lease once nobody announces them any more. */
function keep(
  elsewhere: Elsewhere,
  changed: readonly Claim[],
  config: RegistryConfig,
  now: Millis,
): Elsewhere {
  if (changed.length === 0) return elsewhere;
  const kept = elsewhere.kept.draft();
  let room = config.roaming.bindings - elsewhere.kept.size;
  for (const claim of changed) {
    const { vip } = claim;
    const announced = elsewhere.byVip.get(vip)?.[0];
    const known = kept.get(vip);
    if (announced !== undefined && !isOursToGrant(config, vip)) {
      kept.delete(vip);
      continue;
    }
    if (known === undefined && room-- <= 0) continue;
    const { server, shared } = announced ?? claim;
    const until = announced === undefined ? now + config.leaseDuration * 1000 : Number.POSITIVE_INFINITY;
    const same = known?.server === server && known.shared === shared && known.until === until;
    if (!same) kept.set(vip, { server, shared, until } satisfies Kept);
  }
  return { ...elsewhere, kept: kept.done() };
}

const isOursToGrant = ({ pools, statics }: RegistryConfig, vip: Claim['vip']): boolean =>
  inPools(pools, vip) || statics.some(entry => entry.vip === vip);

function peerDecisions(known: PeerRecord | undefined, { name, addresses }: PeerRecord): readonly Decision[] {
  if (known !== undefined && !known.silent) return [];
  const sentence = `${name} at ${addresses.join(', ')}`;
  return [{ kind: 'peer-heard', name, reason: reason(known === undefined ? 'new' : 'again', sentence) }];
}

/** Says once that a limit was reached. */
function filled(state: State, sentence: string): Step {
  if (state.elsewhere.full) return { state, decisions: [] };
  return {
    state: { ...state, elsewhere: { ...state.elsewhere, full: true } },
    decisions: [{ kind: 'limit-reached', reason: reason('limit', sentence) }],
  };
}

/** A limit is told of again only once there has been room to spare: what comes and goes at it would fill the log. */
function eased(state: State, { roaming }: RegistryConfig): State {
  const { full, peers, count } = state.elsewhere;
  const hasRoom = peers.size < roaming.peers && count <= roaming.bindings * EASE;
  return full && hasRoom ? { ...state, elsewhere: { ...state.elsewhere, full: false } } : state;
}

const also = (before: Step, after: Step): Step => ({
  state: after.state,
  decisions: after.decisions.length === 0 ? before.decisions : [...before.decisions, ...after.decisions],
});
