/**
 * What a binding elsewhere means for servers that are registered here. The same server with a greater epoch: it moved, and leaves at
 * once. Another server with the same VIP, which not both share: the one that comes first has it, everywhere (docs/protocol.md §6.3).
 */
import type { ServerId } from '../../sdk/wire/model.ts';
import type { RegistryConfig } from './config.ts';
import { type Decision, reason, type Step } from './decision.ts';
import { type Claim, comesBefore, excludes, nameOf } from './elsewhere.ts';
import { part } from './partings.ts';
import { rejudge } from './services.ts';
import type { Millis, ServerRecord, State } from './state.ts';
import { dropServer, putLease } from './update.ts';

/** Gives way to a claim of another manager, or says that it does not. */
export function yieldTo(state: State, config: RegistryConfig, now: Millis, claim: Claim): Step {
  const moved = move(state, config, now, claim);
  const settled = settleVip(moved.state, config, now, claim);
  return { state: settled.state, decisions: [...moved.decisions, ...settled.decisions] };
}

/** A server that is registered elsewhere with a greater epoch is not here any more. */
function move(state: State, config: RegistryConfig, now: Millis, claim: Claim): Step {
  const server = state.servers.get(claim.server);
  if (server === undefined || server.moved !== undefined) return { state, decisions: [] };
  const here = { epoch: server.epoch, server: server.id, manager: config.manager };
  if (comesBefore(here, claim)) return { state, decisions: [] };
  const where = nameOf(state.elsewhere, claim.manager);
  const why = reason('moved', `${server.name} is at ${where} with epoch ${claim.epoch}`);
  const decision: Decision = {
    kind: 'server-moved',
    server: server.id,
    name: server.name,
    vip: claim.vip,
    reason: why,
    ...(server.session !== undefined && { end: server.session }),
  };
  const sessions = server.session === undefined ? state.sessions : state.sessions.without(server.session);
  const { manager, epoch } = claim;
  const left = {
    ...server,
    session: undefined,
    since: now,
    lost: why,
    recovering: false,
    moved: { manager, epoch },
  };
  const rest: State = {
    ...state,
    servers: state.servers.with(left.id, left),
    sessions,
    lost: state.lost.with(left.id, true),
    partings: part(state, left, 'moved', now),
  };
  if (server.services.size === 0) return { state: dropServer(rest, left.id), decisions: [decision] };
  const step = rejudge(rest, config, now, left, record => ({ ...record, intent: 'withdraw' }));
  return { state: step.state, decisions: [decision, ...step.decisions] };
}

/** Of several servers that claim a VIP which they do not share, here and there, all but one leave it. */
function settleVip(state: State, config: RegistryConfig, now: Millis, claim: Claim): Step {
  let next = state;
  const decisions: Decision[] = [];
  for (const [holder, { lease }] of state.leases.get(claim.vip) ?? []) {
    if (!excludes(lease, claim)) continue;
    const server = next.servers.get(holder);
    if (server === undefined || !isHere(server)) {
      // It went, and the VIP with it; its lease would only keep the one out that has it now.
      next = putLease(next, claim.vip, holder, undefined);
      decisions.push({
        kind: 'lease-released',
        server: holder,
        vip: claim.vip,
        reason: reason('held-elsewhere', `${claim.vip} is at ${nameOf(state.elsewhere, claim.manager)}`),
      });
      continue;
    }
    const here = { epoch: server.epoch, server: holder, manager: config.manager };
    const step = comesBefore(here, claim)
      ? defended(next, server, claim)
      : revoke(next, config, now, server, claim);
    next = step.state;
    decisions.push(...step.decisions);
  }
  return { state: next, decisions };
}

const isHere = (server: ServerRecord): boolean =>
  server.moved === undefined && (server.session !== undefined || server.recovering);

/** The server here comes first: the other manager hears of it, and gives way. */
const defended = (state: State, server: ServerRecord, claim: Claim): Step => ({
  state,
  decisions: [
    {
      kind: 'vip-conflict',
      server: server.id,
      name: server.name,
      vip: claim.vip,
      reason: reason(
        'kept',
        `${other(state, claim)} has ${claim.vip} too; ${server.name} with epoch ${server.epoch} comes first`,
      ),
    },
  ],
});

/** The other server comes first: the VIP leaves here, with its services, and its server is told. */
function revoke(state: State, config: RegistryConfig, now: Millis, server: ServerRecord, claim: Claim): Step {
  const { vip } = claim;
  const sentence = `${vip} is ${other(state, claim)}'s, with epoch ${claim.epoch}: it comes before ${server.name}'s ${server.epoch}`;
  const about = { server: server.id, name: server.name, vip };
  const conflict: Decision = { ...about, kind: 'vip-conflict', reason: reason('yielded', sentence) };
  const left = rejudge(state, config, now, server, record =>
    record.spec.vip === vip ? { ...record, intent: 'withdraw' } : record,
  );
  const revoked: Decision = {
    ...about,
    kind: 'lease-revoked',
    reason: reason('vip-taken', sentence),
    ...(server.session !== undefined && {
      reply: {
        session: server.session,
        message: { type: 'lease-revoked', vip, code: 'vip-taken', sentence },
      },
    }),
  };
  return {
    state: putLease(left.state, vip, server.id, undefined),
    decisions: [conflict, ...left.decisions, revoked],
  };
}

const other = (state: State, claim: Claim): string =>
  `server ${short(claim.server)} at ${nameOf(state.elsewhere, claim.manager)}`;

const short = (id: ServerId): string => id.slice(0, 12);
