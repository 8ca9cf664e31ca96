/**
 * VIP leases: granted on request, renewed, released, expired (docs/protocol.md, Leases).
 */
import { type Address, familyOf } from '../../sdk/wire/address.ts';
import type { RefusalCode, ServerMessage } from '../../sdk/wire/messages.ts';
import type { Lease, ServerId } from '../../sdk/wire/model.ts';
import { isFor, type RegistryConfig } from './config.ts';
import { type Decision, reason, refused, type Step } from './decision.ts';
import { type Elsewhere, excludes, newestOf } from './elsewhere.ts';
import type { Claims } from './events.ts';
import { permitsLease, permitsVip } from './permits.ts';
import { inPools, pick } from './pool.ts';
import { remove } from './services.ts';
import type { LeaseRecord, Millis, ServerRecord, ServiceRecord, SessionId, State } from './state.ts';
import { putLease } from './update.ts';

type Request = Extract<ServerMessage, { type: 'lease-request' }>;
type Renewal = Extract<ServerMessage, { type: 'lease-renew' }>;
type Release = Extract<ServerMessage, { type: 'lease-release' }>;

/** Signed anew whenever it is sent. */
const UNSIGNED = new Uint8Array(0);

/** All leases that a server holds. */
export const leasesOf = (state: State, server: ServerRecord): readonly LeaseRecord[] =>
  (state.holdings.get(server.id) ?? []).map(vip => state.leases.get(vip)!.get(server.id)!);

/** Refuses a request about a lease. */
const refusing =
  (
    state: State,
    session: SessionId,
    { id: server, name }: ServerRecord,
    { transaction, vip }: { readonly transaction: number; readonly vip?: Address },
  ) =>
  (code: RefusalCode, sentence: string): Step => ({
    state,
    decisions: [refused(session, transaction, code, sentence, { server, name, ...(vip && { vip }) })],
  });

/** Grants the VIP asked for, the one that the asker has already, or one out of the pools. */
export function requestLease(
  state: State,
  config: RegistryConfig,
  now: Millis,
  session: SessionId,
  server: ServerRecord,
  claims: Claims,
  request: Request,
): Step {
  const refuse = refusing(state, session, server, request);
  const denied = permitsLease(claims, request.service, request.vip);
  if (denied !== undefined) return refuse('not-permitted', denied.sentence);
  const atLimit = `${server.name} holds ${config.limits.leasesPerServer} leases, the most that one server may`;
  if (request.vip === undefined) {
    const known = held(state, server, request);
    if (known !== undefined)
      return grant(state, config, now, session, server, request.transaction, known.lease.vip, request);
    if (hasItsFill(state, config, server)) return refuse('limit', atLimit);
    const planned = config.statics.find(
      entry =>
        entry.holder !== undefined &&
        isFor(entry, server) &&
        permitsVip(claims, entry.vip) === undefined &&
        available(state, entry.vip, server, request),
    );
    const vip =
      planned?.vip ??
      pick(
        config.pools,
        request.family,
        request.shared ? request.service : server.id,
        address =>
          config.statics.every(entry => entry.vip !== address) &&
          permitsVip(claims, address) === undefined &&
          !holds(state, address, server) &&
          available(state, address, server, request),
      );
    if (vip === undefined)
      return refuse(
        'pool-exhausted',
        `no free IPv${request.family} VIP in the pools that ${server.name}'s certificate permits`,
      );
    return grant(state, config, now, session, server, request.transaction, vip, request);
  }
  const { vip } = request;
  const entry = config.statics.find(candidate => candidate.vip === vip);
  if (entry !== undefined && !isFor(entry, server))
    return refuse('vip-taken', `${vip} is pre-planned for ${entry.holder}`);
  if (entry === undefined && !inPools(config.pools, vip) && !holds(state, vip, server))
    return refuse(
      'not-permitted',
      `${vip} is in none of this manager's pools, and no lease of it was taken up`,
    );
  if (!available(state, vip, server, { shared: request.shared }))
    return refuse(
      'vip-taken',
      `${vip} is leased to another server${request.shared ? ' that does not share it' : ''}`,
    );
  if (!holds(state, vip, server) && hasItsFill(state, config, server)) return refuse('limit', atLimit);
  return grant(state, config, now, session, server, request.transaction, vip, request);
}

/** Extends a lease that its holder has. */
export function renewLease(
  state: State,
  config: RegistryConfig,
  now: Millis,
  session: SessionId,
  server: ServerRecord,
  claims: Claims,
  request: Renewal,
): Step {
  const record = state.leases.get(request.vip)?.get(server.id);
  const refuse = refusing(state, session, server, request);
  if (record === undefined)
    return refuse('no-lease', `${server.name} holds no lease of ${request.vip}: request one`);
  // Its certificate may have been made anew since, and permit less.
  const denied = permitsLease(claims, record.service, request.vip);
  if (denied !== undefined) return refuse('not-permitted', denied.sentence);
  return grant(
    state,
    config,
    now,
    session,
    server,
    request.transaction,
    request.vip,
    { shared: record.lease.shared, service: record.service },
    'lease-renewed',
  );
}

/** Gives a lease back; the services on that VIP must have been withdrawn. */
export function releaseLease(state: State, session: SessionId, server: ServerRecord, request: Release): Step {
  const refuse = refusing(state, session, server, request);
  if (!holds(state, request.vip, server))
    return refuse('no-lease', `${server.name} holds no lease of ${request.vip}`);
  const uses = ({ spec, intent }: ServiceRecord): boolean =>
    spec.vip === request.vip && intent !== 'withdraw';
  if ([...server.services.values()].some(uses))
    return refuse('conflict', `services of ${server.name} still use ${request.vip}: withdraw them first`);
  return {
    state: putLease(state, request.vip, server.id, undefined),
    decisions: [
      {
        kind: 'lease-released',
        server: server.id,
        name: server.name,
        vip: request.vip,
        reason: reason('released', `${server.name} gave ${request.vip} back`),
        reply: { session, message: { type: 'done', transaction: request.transaction } },
      },
    ],
  };
}

/** Takes up a lease that a manager of the mission signed; the caller has verified the signature. */
export function presentLease(
  state: State,
  config: RegistryConfig,
  now: Millis,
  server: ServerRecord,
  lease: Lease,
): State {
  if (
    !available(state, lease.vip, server, { shared: lease.shared }, 'leased') ||
    !mayRoamHere(config, lease.vip)
  )
    return state;
  const known = state.leases.get(lease.vip)?.get(server.id);
  // It may be of long ago: the server may hold others by now, and the plan may have changed.
  if (known === undefined && hasItsFill(state, config, server)) return state;
  if (config.statics.some(entry => entry.vip === lease.vip && !isFor(entry, server))) return state;
  return putLease(state, lease.vip, server.id, {
    lease: { ...lease, epoch: server.epoch },
    service: known?.service ?? '',
    expires: now + config.leaseDuration * 1000,
  });
}

/** Ends the leases whose time is over, with the services on them. */
export function expireLeases(state: State, now: Millis): Step {
  let next = state;
  const decisions: Decision[] = [];
  for (const [vip, holders] of state.leases.entries()) {
    for (const [holder, record] of holders) {
      if (record.expires > now) continue;
      const why = reason('expired', `the lease of ${vip} was not renewed`);
      for (const service of next.servers.get(holder)?.services.values() ?? []) {
        if (service.spec.vip !== vip) continue;
        const step = remove(next, service, why);
        next = step.state;
        decisions.push(...step.decisions);
      }
      next = putLease(next, vip, holder, undefined);
      // Of a server that renews it at another manager, there is nothing to warn of.
      const kind = newestOf(next.elsewhere, holder) === undefined ? 'lease-expired' : 'lease-released';
      decisions.push({ kind, server: holder, vip, reason: why });
    }
  }
  return { state: next, decisions };
}

function grant(
  state: State,
  config: RegistryConfig,
  now: Millis,
  session: SessionId,
  server: ServerRecord,
  transaction: number,
  vip: Address,
  terms: { readonly shared: boolean; readonly service: string },
  kind: 'lease-granted' | 'lease-renewed' = 'lease-granted',
): Step {
  const lease: Lease = {
    vip,
    server: server.id,
    issuer: config.manager,
    epoch: server.epoch,
    duration: config.leaseDuration,
    shared: terms.shared,
    signature: UNSIGNED,
  };
  return {
    state: putLease(state, vip, server.id, {
      lease,
      service: terms.service,
      expires: now + config.leaseDuration * 1000,
    }),
    decisions: [
      {
        kind,
        server: server.id,
        name: server.name,
        vip,
        reason: reason(
          kind === 'lease-granted' ? 'granted' : 'renewed',
          `${vip} to ${server.name} for ${config.leaseDuration} s`,
        ),
        reply: { session, message: { type: 'lease', transaction, lease } },
      },
    ],
  };
}

const holds = (state: State, vip: Address, server: ServerRecord): boolean =>
  state.leases.get(vip)?.has(server.id) === true;

const hasItsFill = (state: State, config: RegistryConfig, server: ServerRecord): boolean =>
  (state.holdings.get(server.id)?.length ?? 0) >= config.limits.leasesPerServer;

/** The lease that answers a repeated request for the same service. */
const held = (state: State, server: ServerRecord, request: Request): LeaseRecord | undefined =>
  leasesOf(state, server).find(
    ({ lease, service }) =>
      familyOf(lease.vip) === request.family &&
      lease.shared === request.shared &&
      service === request.service,
  );

/** Whether a VIP may be taken up with a lease, though it may be another manager's to grant. */
const mayRoamHere = ({ pools, statics, roaming: { vips } }: RegistryConfig, vip: Address): boolean =>
  vips === undefined || inPools(vips, vip) || inPools(pools, vip) || statics.some(entry => entry.vip === vip);

/** Whether nobody else holds the VIP, here or elsewhere, or all who do share it (under the same service name, when one is given). */
function available(
  state: State,
  vip: Address,
  server: ServerRecord,
  terms: { readonly shared: boolean; readonly service?: string },
  by?: 'leased',
): boolean {
  for (const [holder, record] of state.leases.get(vip) ?? []) {
    if (holder === server.id) continue;
    if (!terms.shared || !record.lease.shared) return false;
    if (terms.service !== undefined && record.service !== '' && record.service !== terms.service)
      return false;
  }
  // Of one that is held here it is decided when the other manager is heard (moves.ts).
  return (
    holds(state, vip, server) || isFreeElsewhere(state.elsewhere, vip, { server: server.id, ...terms }, by)
  );
}

/**
 * Whether no other manager has the VIP for somebody else. With a lease of its own (`leased`) a server need not wait for managers that
 * are silent: who comes first is seen when they are heard again.
 */
function isFreeElsewhere(
  { byVip, kept, peers }: Elsewhere,
  vip: Address,
  asker: { readonly server: ServerId; readonly shared: boolean },
  by: 'leased' | undefined,
): boolean {
  const last = byVip.has(vip) ? undefined : kept.get(vip);
  if (last !== undefined && excludes(last, asker)) return false;
  for (const claim of byVip.get(vip) ?? []) {
    if (!excludes(claim, asker)) continue;
    if (by !== 'leased' || peers.get(claim.manager)?.silent !== true) return false;
  }
  return true;
}
