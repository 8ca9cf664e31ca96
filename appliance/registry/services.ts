/**
 * Services: registered, drained, withdrawn, reported on (docs/protocol.md, Services).
 */
import { familyOf } from '../../sdk/wire/address.ts';
import type { RefusalCode, ServerMessage } from '../../sdk/wire/messages.ts';
import type { Report, Service } from '../../sdk/wire/model.ts';
import { compact, sameService } from './compact.ts';
import type { RegistryConfig } from './config.ts';
import { CALM } from './damping.ts';
import { settle, stateChange, UNCHECKED } from './decide.ts';
import { type Decision, reason, refused, type Step } from './decision.ts';
import { bindingKey } from './elsewhere.ts';
import type { Claims } from './events.ts';
import { permitsService } from './permits.ts';
import { sameCheck } from './same-check.ts';
import { averaged } from './score.ts';
import {
  type Millis,
  type Reason,
  type ServerRecord,
  type ServiceRecord,
  type SessionId,
  type State,
  serviceKey,
  type Verdict,
} from './state.ts';
import { dropService, putServices } from './update.ts';

type Registration = Extract<ServerMessage, { type: 'register-service' }>;

const unknown = (now: Millis): Verdict => ({ outcome: 'unknown', reason: UNCHECKED, since: now });
const VOUCHED = reason('vouched', 'no check was asked: its server vouches for it');

/** The verdict that a service begins with: with no check of ours, its session is its health. */
const firstVerdict = (spec: Service, now: Millis): Verdict =>
  spec.check.kind === 'none' ? { outcome: 'pass', reason: VOUCHED, since: now } : unknown(now);

/** Takes up a service; the same one again (after a reconnection) keeps its history. */
export function registerService(
  state: State,
  config: RegistryConfig,
  now: Millis,
  session: SessionId,
  server: ServerRecord,
  claims: Claims,
  message: Registration,
): Step {
  const { service: spec, transaction } = message;
  const about = { server: server.id, name: `${server.name}/${spec.name}`, service: spec.id, vip: spec.vip };
  const fault = faultOf(state, config, server, claims, spec);
  if (fault !== undefined)
    return { state, decisions: [refused(session, transaction, fault[0], fault[1], about)] };
  const before = server.services.get(spec.id);
  const known = before !== undefined && sameService(before.spec, spec) ? before : undefined;
  const address = server.addresses.find(each => familyOf(each) === familyOf(spec.vip))!;
  const goesOn =
    before !== undefined &&
    before.intent !== 'withdraw' &&
    sameCheck({ address: before.address, service: before.spec }, { address, service: spec });
  const draft: ServiceRecord = {
    key: before?.key ?? serviceKey(server.id, spec.id),
    server: server.id,
    spec: known?.spec ?? compact(spec, state.vips.get(spec.vip)?.values() ?? []),
    address,
    verdict: known?.verdict ?? (goesOn ? before.verdict : firstVerdict(spec, now)),
    report: known?.report,
    intent: 'serve',
    flap: before?.flap ?? CALM,
    state: known?.state ?? 'pending',
    reason: known?.reason ?? UNCHECKED,
    since: known?.since ?? now,
    told: undefined,
  };
  const record = settle(draft, server, now, config);
  const change = stateChange(known, record, server);
  const partings = state.partings.without(bindingKey(spec.vip, server.id));
  return {
    state: putServices(partings === state.partings ? state : { ...state, partings }, server, [record]),
    decisions: [
      {
        ...about,
        kind: 'service-registered',
        reason: reason(known ? 'resumed' : 'registered', `${spec.name} at ${spec.vip}`),
        reply: { session, message: { type: 'done', transaction } },
      },
      ...(change ? [change] : []),
    ],
  };
}

/** Stops new flows to a service and lets the established ones go on; `withdraw` then takes it out. */
export function endService(
  state: State,
  config: RegistryConfig,
  now: Millis,
  session: SessionId,
  server: ServerRecord,
  message: { readonly transaction: number; readonly service: number },
  intent: 'drain' | 'withdraw',
): Step {
  const before = server.services.get(message.service);
  if (before === undefined) {
    return {
      state,
      decisions: [
        refused(
          session,
          message.transaction,
          'unknown-service',
          `${server.name} has no service ${message.service}`,
          { server: server.id, service: message.service },
        ),
      ],
    };
  }
  const step = change(state, config, now, server, before, { intent });
  return {
    state: step.state,
    decisions: [
      {
        kind: 'service-withdrawn',
        server: server.id,
        name: `${server.name}/${before.spec.name}`,
        service: before.spec.id,
        vip: before.spec.vip,
        reason: reason(intent, `asked by ${server.name}`),
        reply: { session, message: { type: 'done', transaction: message.transaction } },
      },
      ...step.decisions,
    ],
  };
}

/** Takes in what a server reports of its services; of one that it never registered nothing is taken. */
export function takeReports(
  state: State,
  config: RegistryConfig,
  now: Millis,
  server: ServerRecord,
  reports: readonly Report[],
): Step {
  const decisions: Decision[] = [];
  const taken = new Map<number, ServiceRecord>();
  for (const report of reports) {
    const before = taken.get(report.service) ?? server.services.get(report.service);
    if (before === undefined) continue;
    const average =
      before.report === undefined
        ? report.connections
        : averaged(before.report.average, before.report.connections, now - before.report.at);
    const after = settle({ ...before, report: { ...report, at: now, average } }, server, now, config);
    const changed = stateChange(before, after, server);
    if (changed) decisions.push(changed);
    taken.set(report.service, after);
  }
  return { state: taken.size === 0 ? state : putServices(state, server, [...taken.values()]), decisions };
}

/** Alters a record, judges it again, and says so if its state changed. */
export function change(
  state: State,
  config: RegistryConfig,
  now: Millis,
  server: ServerRecord,
  before: ServiceRecord,
  alteration: Partial<ServiceRecord>,
): Step {
  const after = settle({ ...before, ...alteration }, server, now, config);
  const changed = stateChange(before, after, server);
  return { state: putServices(state, server, [after]), decisions: changed ? [changed] : [] };
}

/** Takes a service out, whatever its state, and tells its server if it is there. */
export function remove(state: State, record: ServiceRecord, why: Reason): Step {
  const server = state.servers.get(record.server);
  const told: Decision = {
    kind: 'service-withdrawn',
    server: record.server,
    name: `${server?.name ?? ''}/${record.spec.name}`,
    service: record.spec.id,
    vip: record.spec.vip,
    reason: why,
    ...(server?.session && {
      reply: {
        session: server.session,
        message: {
          type: 'service-state',
          service: record.spec.id,
          state: 'down',
          score: 0,
          reason: why.sentence,
        },
      },
    }),
  };
  return { state: dropService(state, record), decisions: [told] };
}

/** Judges all services of a server again, after the server itself changed. */
export function rejudge(
  state: State,
  config: RegistryConfig,
  now: Millis,
  server: ServerRecord,
  alter: (record: ServiceRecord) => ServiceRecord = record => record,
): Step {
  const decisions: Decision[] = [];
  const records = [...server.services.values()].map(before => {
    const after = settle(alter(before), server, now, config);
    const changed = stateChange(before, after, server);
    if (changed) decisions.push(changed);
    return after;
  });
  return { state: putServices(state, server, records), decisions };
}

/** What is wrong with a registration; undefined when nothing is. */
function faultOf(
  state: State,
  config: RegistryConfig,
  server: ServerRecord,
  claims: Claims,
  spec: Service,
): readonly [RefusalCode, string] | undefined {
  const lease = state.leases.get(spec.vip)?.get(server.id);
  if (lease === undefined)
    return ['no-lease', `${server.name} holds no lease of ${spec.vip}: request it first`];
  const denied = permitsService(claims, spec);
  if (denied !== undefined) return ['not-permitted', denied.sentence];
  if (!server.services.has(spec.id) && server.services.size >= config.limits.servicesPerServer) {
    return [
      'limit',
      `${server.name} has ${config.limits.servicesPerServer} services, the most that one server may`,
    ];
  }
  if (!config.modes.includes(spec.forward.mode))
    return [
      'unsupported-mode',
      `this manager cannot forward in mode '${spec.forward.mode}': it can ${config.modes.join(', ')}`,
    ];
  if (!config.schedulers.includes(spec.forward.scheduler))
    return [
      'unsupported-mode',
      `this manager cannot schedule by '${spec.forward.scheduler}': it can ${config.schedulers.join(', ')}`,
    ];
  if (!config.checks.includes(spec.check.kind))
    return [
      'unsupported-check',
      `this manager cannot check by '${spec.check.kind}': it can ${config.checks.join(', ')}`,
    ];
  const cannot = config.cannotCarry?.(spec);
  if (cannot !== undefined) return ['unsupported-mode', cannot];
  if (
    spec.targetPort !== 0 &&
    (!MAPS_PORTS.has(spec.forward.mode) ||
      spec.ports.length !== 1 ||
      spec.ports[0]!.first !== spec.ports[0]!.last)
  ) {
    return [
      'invalid-service',
      `target port ${spec.targetPort} needs mode 'nat' or 'redirect', and a single port`,
    ];
  }
  if (!server.addresses.some(address => familyOf(address) === familyOf(spec.vip))) {
    return [
      'invalid-service',
      `${server.name} gave no unique IPv${familyOf(spec.vip)} address to serve ${spec.vip} at`,
    ];
  }
  return conflictOf(state, spec, serviceKey(server.id, spec.id));
}

/** Modes in which a server may serve at another port than the VIP's. */
const MAPS_PORTS: ReadonlySet<string> = new Set(['nat', 'redirect']);

/** On one VIP and transport, ranges of ports are the same or apart, and servers of the same range forward alike. */
function conflictOf(
  state: State,
  spec: Service,
  key: ServiceRecord['key'],
): readonly [RefusalCode, string] | undefined {
  if (spec.forward.mode === 'none') return undefined;
  for (const other of state.vips.get(spec.vip)?.values() ?? []) {
    if (other.key === key || other.spec.transport !== spec.transport || other.spec.forward.mode === 'none')
      continue;
    for (const theirs of other.spec.ports) {
      for (const ours of spec.ports) {
        if (ours.first > theirs.last || theirs.first > ours.last) continue;
        const where = (): string => `${spec.vip} ${spec.transport}/${theirs.first}-${theirs.last}`;
        if (ours.first !== theirs.first || ours.last !== theirs.last)
          return ['conflict', `ports ${ours.first}-${ours.last} overlap ${where()} of ${other.spec.name}`];
        const { mode, scheduler, affinity } = other.spec.forward;
        if (
          mode !== spec.forward.mode ||
          scheduler !== spec.forward.scheduler ||
          affinity !== spec.forward.affinity
        ) {
          return [
            'conflict',
            `${where()} is forwarded by ${mode}, ${scheduler}, affinity ${affinity} s: register it the same way`,
          ];
        }
      }
    }
  }
  return undefined;
}
