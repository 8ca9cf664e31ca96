/**
 * Servers: registered, lost, back again, gone (docs/protocol.md, Sessions).
 */
import type { Address } from '../../sdk/wire/address.ts';
import { type ServerMessage, VERSION } from '../../sdk/wire/messages.ts';
import type { Lease } from '../../sdk/wire/model.ts';
import type { RegistryConfig } from './config.ts';
import { UNCHECKED } from './decide.ts';
import { type Decision, reason, refused, type Step } from './decision.ts';
import { nameOf, newestOf } from './elsewhere.ts';
import type { Claims } from './events.ts';
import { presentLease } from './leases.ts';
import { part } from './partings.ts';
import { permitsVip } from './permits.ts';
import { rejudge } from './services.ts';
import type { Millis, Reason, ServerRecord, SessionId, State } from './state.ts';
import { dropServer } from './update.ts';

/** The reason of a session that ended because nothing was heard. */
const SILENT = 'heartbeat';

type Registration = Extract<ServerMessage, { type: 'register' }>;

/** Binds a session to a server identity. A newer session of the same server replaces an older one. */
export function registerServer(
  state: State,
  config: RegistryConfig,
  now: Millis,
  session: SessionId,
  claims: Claims,
  peer: Address,
  message: Registration,
): Step {
  const { transaction, server: id } = message;
  const refuse = (code: Parameters<typeof refused>[2], sentence: string): Step => ({
    state,
    decisions: [refused(session, transaction, code, sentence, { server: id, name: message.name })],
  });
  const [oldest, newest] = message.versions;
  const version = Math.min(newest, VERSION.newest);
  if (version < Math.max(oldest, VERSION.oldest)) {
    return refuse(
      'version',
      `${message.name} speaks versions ${oldest}…${newest}, this manager ${VERSION.oldest}…${VERSION.newest}`,
    );
  }
  if (claims.server !== undefined && claims.server !== id)
    return refuse('not-permitted', `${message.name} claims another identity than its certificate's`);
  if (state.stopping) return refuse('shutting-down', 'this manager is stopping');
  const before = state.servers.get(id);
  if (before === undefined && state.servers.size >= config.limits.servers)
    return refuse('limit', `this manager has ${config.limits.servers} servers, the most that it may`);
  if (before !== undefined && message.epoch < before.epoch) {
    return refuse(
      'epoch-stale',
      `${message.name} came with epoch ${message.epoch}, but was seen with ${before.epoch}: raise it`,
    );
  }
  const elsewhere = newestOf(state.elsewhere, id);
  if (elsewhere !== undefined && message.epoch <= elsewhere.epoch) {
    const where = nameOf(state.elsewhere, elsewhere.manager);
    return refuse(
      'epoch-stale',
      `${message.name} came with epoch ${message.epoch}, but is at ${where} with ${elsewhere.epoch}: raise it`,
    );
  }
  const stolen = message.leases.find(lease => lease.server !== id);
  if (stolen !== undefined) return misused(state, session, message, stolen);
  const current = state.sessions.get(session);
  if (current !== undefined && current !== id)
    return refuse('out-of-order', 'this session is registered as another server');
  const returned = before !== undefined && (before.returned === true || before.session === undefined);
  const server: ServerRecord = {
    id,
    name: message.name,
    addresses: message.addresses.length > 0 ? message.addresses : [peer],
    epoch: message.epoch,
    session,
    since: now,
    lost: undefined,
    recovering: false,
    ...(returned && { returned }),
    ...(before?.hosts && { hosts: before.hosts }),
    services: before?.services ?? new Map(),
  };
  const superseded = before?.session !== undefined && before.session !== session ? before.session : undefined;
  let next: State = {
    ...state,
    servers: state.servers.with(id, server),
    sessions: (superseded === undefined ? state.sessions : state.sessions.without(superseded)).with(
      session,
      id,
    ),
    lost: state.lost.without(id),
  };
  for (const lease of message.leases)
    if (permitsVip(claims, lease.vip) === undefined) next = presentLease(next, config, now, server, lease);
  const heartbeat = heartbeatOf(config, message.heartbeat, next.servers.size);
  const step = rejudge(next, config, now, server, record => ({
    ...record,
    address: server.addresses.find(sameFamily(record.address)) ?? record.address,
  }));
  return {
    state: step.state,
    decisions: [
      {
        kind: 'server-registered',
        server: id,
        name: message.name,
        reason: reason(
          before === undefined ? 'new' : before.session === undefined ? 'back' : 'superseded',
          `${message.name} at ${server.addresses.join(', ')}`,
        ),
        reply: {
          session,
          message: {
            type: 'registered',
            transaction,
            version,
            manager: config.manager,
            name: config.name,
            heartbeat,
            software: config.software,
          },
        },
        ...(superseded !== undefined && { end: superseded }),
      },
      ...step.decisions,
    ],
  };
}

/** A lease is another server's than who presents it: somebody has got hold of what is not his, or of a key. */
function misused(state: State, session: SessionId, message: Registration, lease: Lease): Step {
  const sentence = `${message.name} presents a lease of ${lease.vip} that is server ${lease.server.slice(0, 12)}'s`;
  const about = { server: message.server, name: message.name, vip: lease.vip };
  const refusal = refused(session, message.transaction, 'lease-foreign', sentence, about);
  return { state, decisions: [{ ...refusal, kind: 'lease-misused' }] };
}

/** A server's session ended: its services are down at once, and must pass a check again when it is back. */
export function loseServer(
  state: State,
  config: RegistryConfig,
  now: Millis,
  session: SessionId,
  why: Reason,
): Step {
  const id = state.sessions.get(session);
  const before = id === undefined ? undefined : state.servers.get(id);
  if (id === undefined || before === undefined) return { state, decisions: [] };
  const rest = { ...state, sessions: state.sessions.without(session) };
  if (before.session !== session) return { state: rest, decisions: [] };
  if (before.services.size === 0) {
    return {
      state: dropServer(state, id),
      decisions: [{ kind: 'server-left', server: id, name: before.name, reason: why }],
    };
  }
  const server: ServerRecord = { ...before, session: undefined, since: now, lost: why };
  const decision: Decision = { kind: 'server-lost', server: id, name: before.name, reason: why };
  const step = rejudge(
    {
      ...rest,
      servers: rest.servers.with(id, server),
      lost: rest.lost.with(id, true),
      rounds: rest.rounds + 1,
      // A connection that was closed says that it is gone; silence, that it may be on its way.
      partings: why.code === SILENT ? part(state, before, 'lost', now) : state.partings,
    },
    config,
    now,
    server,
    record =>
      record.spec.check.kind === 'none'
        ? record
        : {
            ...record,
            verdict: { outcome: 'unknown', reason: UNCHECKED, since: now },
            round: rest.rounds + 1,
            report: undefined,
          },
  );
  return { state: step.state, decisions: [decision, ...step.decisions] };
}

/** A crowd beats slower, so that one core carries it: whatever the order in which servers came. */
export function heartbeatOf({ heartbeat }: RegistryConfig, wish: Millis, servers: number): Millis {
  const { least, most, perServer } = heartbeat;
  const wished = wish === 0 ? heartbeat.default : wish;
  return Math.min(most, Math.max(least, wished, Math.ceil(servers * perServer)));
}

const sameFamily =
  (than: Address) =>
  (address: Address): boolean =>
    address.includes(':') === than.includes(':');
