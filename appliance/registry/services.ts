/**
 * Services: registered, drained, withdrawn, reported on (docs/protocol.md, Services).
 */
import { familyOf } from '../../sdk/wire/address.ts';
import type { RefusalCode } from '../../sdk/wire/messages.ts';
import type { Forward, Report, Service } from '../../sdk/wire/model.ts';
import { compact, sameService } from './compact.ts';
import type { RegistryConfig } from './config.ts';
import { CALM } from './damping.ts';
import { settle, stateChange, UNCHECKED } from './decide.ts';
import { type Decision, reason, refused, type Step } from './decision.ts';
import { bindingKey } from './elsewhere.ts';
import type { Claims, ServiceRegistration } from './events.ts';
import { permitsService } from './permits.ts';
import { recordOf, withReport } from './record.ts';
import { sameCheck } from './same-check.ts';
import { averaged, counted } from './score.ts';
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

const unknown = (now: Millis): Verdict => ({ outcome: 'unknown', reason: UNCHECKED, since: now });
const VOUCHED = reason('vouched', 'no check was asked: its server vouches for it');

/** The verdict that a service begins with: with no check of ours, its session is its health. */
const firstVerdict = (spec: Service, now: Millis): Verdict =>
  spec.check.kind === 'none' ? { outcome: 'pass', reason: VOUCHED, since: now } : unknown(now);

/** Takes up services that came together, in their order; the same one again (after a reconnection) keeps its history. */
export function registerServices(
  state: State,
  config: RegistryConfig,
  now: Millis,
  session: SessionId,
  server: ServerRecord,
  claims: Claims,
  messages: readonly ServiceRegistration[],
): Step {
  const decisions: Decision[] = [];
  const taken = new Map<number, ServiceRecord>();
  let { partings } = state;
  for (const { service: spec, transaction } of messages) {
    const about = { server: server.id, name: `${server.name}/${spec.name}`, service: spec.id, vip: spec.vip };
    const fault = faultOf(state, config, server, claims, spec, taken);
    if (fault !== undefined) {
      decisions.push(refused(session, transaction, fault[0], fault[1], about));
      continue;
    }
    const before = taken.get(spec.id) ?? server.services.get(spec.id);
    const known = before !== undefined && sameService(before.spec, spec) ? before : undefined;
    const record = takenUp(state, config, now, server, spec, before, known);
    taken.set(spec.id, record);
    if (partings.size > 0) partings = partings.without(bindingKey(spec.vip, server.id));
    decisions.push({
      ...about,
      kind: 'service-registered',
      reason: reason(known ? 'resumed' : 'registered', `${spec.name} at ${spec.vip}`),
      reply: { session, message: { type: 'done', transaction } },
    });
    const change = stateChange(known, record, server);
    if (change !== undefined) decisions.push(change);
  }
  const rest = { ...state, partings, rounds: state.rounds + 1 };
  return { state: taken.size === 0 ? rest : putServices(rest, server, [...taken.values()]), decisions };
}

/** The record of a service that is registered: `before`, whatever was registered under its number; `known`, that if it is the same. */
function takenUp(
  state: State,
  config: RegistryConfig,
  now: Millis,
  server: ServerRecord,
  spec: Service,
  before: ServiceRecord | undefined,
  known: ServiceRecord | undefined,
): ServiceRecord {
  const address = server.addresses.find(each => familyOf(each) === familyOf(spec.vip))!;
  const goesOn =
    before !== undefined &&
    before.intent !== 'withdraw' &&
    sameCheck({ address: before.address, service: before.spec }, { address, service: spec });
  const verdict = known?.verdict ?? (goesOn ? before.verdict : undefined);
  const draft = recordOf({
    key: before?.key ?? serviceKey(server.id, spec.id),
    server: server.id,
    spec: known?.spec ?? compact(spec, state.vips.get(spec.vip)?.values() ?? []),
    address,
    verdict: verdict ?? firstVerdict(spec, now),
    round: verdict === undefined ? state.rounds + 1 : before!.round,
    report: known?.report,
    intent: 'serve',
    flap: before?.flap ?? CALM,
    state: known?.state ?? 'pending',
    reason: known?.reason ?? UNCHECKED,
    since: known?.since ?? now,
    told: undefined,
  });
  return settle(draft, server, now, config);
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
    const { capacity } = before.spec;
    const average =
      before.report === undefined
        ? counted(report.connections, capacity)
        : averaged(
            before.report.average,
            counted(before.report.connections, capacity),
            now - before.report.at,
          );
    const { service, state: reported, connections, load } = report;
    const draft = withReport(before, { service, state: reported, connections, load, at: now, average });
    const after = settle(draft, server, now, config);
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
  const after = settle(recordOf({ ...before, ...alteration }), server, now, config);
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
    const altered = alter(before);
    const after = settle(altered === before ? before : recordOf(altered), server, now, config);
    const changed = stateChange(before, after, server);
    if (changed) decisions.push(changed);
    return after;
  });
  return { state: putServices(state, server, records), decisions };
}

/** What is wrong with a registration, after those that came with it and were `taken`; undefined when nothing is. */
function faultOf(
  state: State,
  config: RegistryConfig,
  server: ServerRecord,
  claims: Claims,
  spec: Service,
  taken: ReadonlyMap<number, ServiceRecord>,
): readonly [RefusalCode, string] | undefined {
  const lease = state.leases.get(spec.vip)?.get(server.id);
  if (lease === undefined)
    return ['no-lease', `${server.name} holds no lease of ${spec.vip}: request it first`];
  const denied = permitsService(claims, spec);
  if (denied !== undefined) return ['not-permitted', denied.sentence];
  const isKnown = server.services.has(spec.id) || taken.has(spec.id);
  if (!isKnown && countTogether(server.services, taken) >= config.limits.servicesPerServer) {
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
  return conflictOf(state, server, spec, taken);
}

/** How many services there are with those that are taken up. */
function countTogether(services: ServerRecord['services'], taken: ServerRecord['services']): number {
  let count = services.size;
  for (const id of taken.keys()) if (!services.has(id)) count++;
  return count;
}

/** Modes in which a server may serve at another port than the VIP's. */
const MAPS_PORTS: ReadonlySet<string> = new Set(['nat', 'redirect']);

/** On one VIP and transport, ranges of ports are the same or apart, and servers of the same range forward alike. */
function conflictOf(
  state: State,
  server: ServerRecord,
  spec: Service,
  taken: ReadonlyMap<number, ServiceRecord>,
): readonly [RefusalCode, string] | undefined {
  if (spec.forward.mode === 'none') return undefined;
  for (const { spec: other } of taken.values()) {
    const conflict = other.id === spec.id || other.vip !== spec.vip ? undefined : conflictWith(other, spec);
    if (conflict !== undefined) return conflict;
  }
  for (const { server: owner, spec: other } of state.vips.get(spec.vip)?.values() ?? []) {
    if (owner === server.id && (other.id === spec.id || taken.has(other.id))) continue;
    // No more need be looked at: it was found to be in conflict with none of them.
    if (isAlike(other, spec)) return undefined;
    const conflict = conflictWith(other, spec);
    if (conflict !== undefined) return conflict;
  }
  return undefined;
}

/** Whether whatever is in conflict with the one is so with the other. */
const isAlike = (one: Service, other: Service): boolean =>
  one.transport === other.transport &&
  forwardedAlike(one.forward, other.forward) &&
  one.ports.length === other.ports.length &&
  one.ports.every(
    ({ first, last }, at) => first === other.ports[at]!.first && last === other.ports[at]!.last,
  );

const forwardedAlike = (one: Forward, other: Forward): boolean =>
  one.mode === other.mode &&
  one.scheduler === other.scheduler &&
  one.affinity === other.affinity &&
  one.affinityPrefix === other.affinityPrefix &&
  one.affinityBy === other.affinityBy;

/** What is wrong with a service beside another one of the same VIP. */
function conflictWith(other: Service, spec: Service): readonly [RefusalCode, string] | undefined {
  if (other.transport !== spec.transport || other.forward.mode === 'none') return undefined;
  for (const theirs of other.ports) {
    for (const ours of spec.ports) {
      if (ours.first > theirs.last || theirs.first > ours.last) continue;
      const where = (): string => `${spec.vip} ${spec.transport}/${theirs.first}-${theirs.last}`;
      if (ours.first !== theirs.first || ours.last !== theirs.last)
        return ['conflict', `ports ${ours.first}-${ours.last} overlap ${where()} of ${other.name}`];
      const { mode, scheduler, affinity } = other.forward;
      if (!forwardedAlike(other.forward, spec.forward))
        return [
          'conflict',
          `${where()} is forwarded by ${mode}, ${scheduler}, affinity ${affinity} s: register it the same way`,
        ];
    }
  }
  return undefined;
}
