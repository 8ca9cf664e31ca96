/**
 * reduce(state, event, now) → state and decisions: the one place where events meet. Pure: no I/O, no clock, no randomness.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { ServerMessage } from '../../sdk/wire/messages.ts';
import { vipOf } from './carried.ts';
import type { RegistryConfig } from './config.ts';
import { takeCounts } from './counts.ts';
import { type Decision, reason, refused, type Step } from './decision.ts';
import type { Event } from './events.ts';
import { forgetPeer, hear, silence } from './hear.ts';
import { releaseLease, renewLease, requestLease } from './leases.ts';
import { part, unpart } from './partings.ts';
import { leaveVips, pass } from './passing.ts';
import { restore } from './restore.ts';
import { loseServer, registerServer } from './servers.ts';
import { change, endService, registerServices, rejudge, takeReports } from './services.ts';
import type { Millis, ServerRecord, SessionId, State } from './state.ts';
import { tell } from './tell.ts';

/** What the manager knows after `event`, and what it decided because of it. `now` never goes back. */
export function reduce(state: State, config: RegistryConfig, event: Event, now: Millis): Step {
  const step = take(state, config, event, now);
  const end = conclude(state, step.state);
  return { state: end.state, decisions: together(step.decisions, end.decisions) };
}

/**
 * What follows from all that changed between two states, once for however many events came together: who has withdrawn leaves, and
 * servers are told.
 */
export function conclude(before: State, state: State): Step {
  const left = leave(before, state);
  const told = tell(left.state, left.touched);
  return { state: told.state, decisions: together(left.decisions, told.decisions) };
}

/** The first half of `conclude`: who has withdrawn leaves. `touched`: VIPs whose servers there may be something to tell (`tell`). */
export function leave(before: State, state: State): Step & { readonly touched: ReadonlySet<Address> } {
  const vips = touched(before, state);
  const left = leaveVips(state, vips);
  return { ...left, touched: left.state === state ? vips : touched(before, left.state) };
}

/** What an event changes by itself; `conclude` is to follow, before anything is derived of it. */
export function take(state: State, config: RegistryConfig, event: Event, now: Millis): Step {
  switch (event.type) {
    case 'message':
      return handleMessage(state, config, event, now);
    case 'services':
      return handleServices(state, config, event, now);
    case 'session-ended':
      return loseServer(state, config, now, event.session, event.reason);
    case 'verdict':
      return handleVerdict(state, config, event, now);
    case 'reached':
      return {
        state: {
          ...state,
          reached: {
            routes: event.routes ?? state.reached.routes,
            farms: event.farms ?? state.reached.farms,
          },
        },
        decisions: [],
      };
    case 'counted':
      return takeCounts(state, now, event.connections);
    case 'restored':
      return restore(state, config, event, now);
    case 'heard':
      return hear(state, config, now, event);
    case 'peer-silent':
      return silence(state, now, event.manager);
    case 'peer-gone':
      return forgetPeer(state, config, now, event.manager);
    case 'host-seen':
      return noteHosts(state, event);
    case 'tick':
      return pass(state, config, now);
    case 'stop':
      return {
        state: { ...state, stopping: true },
        decisions: [{ kind: 'stopping', reason: reason('stop', 'asked to stop: everything is withdrawn') }],
      };
  }
}

/** Nothing is decided by it: peers are told, and may know the server by it when it comes to them. */
function noteHosts(state: State, { server, hosts }: Extract<Event, { type: 'host-seen' }>): Step {
  const record = state.servers.get(server);
  if (record === undefined) return { state, decisions: [] };
  return { state: { ...state, servers: state.servers.with(server, { ...record, hosts }) }, decisions: [] };
}

function handleMessage(
  state: State,
  config: RegistryConfig,
  event: Extract<Event, { type: 'message' }>,
  now: Millis,
): Step {
  const { session, message, claims } = event;
  if (message.type === 'register')
    return registerServer(state, config, now, session, claims, event.peer, message);
  if (message.type === 'heartbeat' || message.type === 'pace') return { state, decisions: [] };
  const server = serverOf(state, session);
  if (server === undefined) return { state, decisions: [notRegistered(session, message)] };
  switch (message.type) {
    case 'lease-request':
      return requestLease(state, config, now, session, server, claims, message);
    case 'lease-renew':
      return renewLease(state, config, now, session, server, claims, message);
    case 'lease-release':
      return releaseLease(state, session, server, message);
    case 'register-service':
      return registerServices(state, config, now, session, server, claims, [message]);
    case 'drain-service':
      return endService(state, config, now, session, server, message, 'drain');
    case 'withdraw-service':
      return endService(state, config, now, session, server, message, 'withdraw');
    case 'deregister': {
      const step = rejudge(state, config, now, server, record => ({ ...record, intent: 'withdraw' }));
      const { elsewhere = false } = message;
      const left: Decision = {
        kind: 'server-left',
        server: server.id,
        name: server.name,
        reason: elsewhere
          ? reason('elsewhere', `${server.name} goes on at another manager`)
          : reason('deregistered', `${server.name} deregistered`),
        reply: { session, message: { type: 'done', transaction: message.transaction } },
      };
      // The other manager's notice may still be on its way.
      const partings = elsewhere ? part(state, server, 'moved', now) : unpart(state, server);
      return { state: { ...step.state, partings }, decisions: [left, ...step.decisions] };
    }
    case 'report':
      return takeReports(state, config, now, server, message.reports);
  }
}

function handleServices(
  state: State,
  config: RegistryConfig,
  { session, claims, messages }: Extract<Event, { type: 'services' }>,
  now: Millis,
): Step {
  const server = serverOf(state, session);
  return server === undefined
    ? { state, decisions: messages.map(message => notRegistered(session, message)) }
    : registerServices(state, config, now, session, server, claims, messages);
}

function serverOf(state: State, session: SessionId): ServerRecord | undefined {
  const id = state.sessions.get(session);
  return id === undefined ? undefined : state.servers.get(id);
}

const notRegistered = (
  session: SessionId,
  message: Exclude<ServerMessage, { type: 'heartbeat' | 'pace' }>,
): Decision =>
  refused(
    session,
    message.type === 'report' ? 0 : message.transaction,
    'not-registered',
    `'${message.type}' came before 'register'`,
  );

function handleVerdict(
  state: State,
  config: RegistryConfig,
  event: Extract<Event, { type: 'verdict' }>,
  now: Millis,
): Step {
  const slash = event.service.indexOf('/');
  const server = state.servers.get(event.service.slice(0, slash) as Parameters<State['servers']['get']>[0]);
  const record = server?.services.get(Number(event.service.slice(slash + 1)));
  if (server === undefined || record === undefined) return { state, decisions: [] };
  return change(state, config, now, server, record, {
    verdict: { outcome: event.outcome, reason: event.reason, since: now },
  });
}

/** The VIPs of which anything differs between two states that decides what leaves and what is told: their services, farms and routes. */
function touched(before: State, after: State): ReadonlySet<Address> {
  const vips = new Set<Address>();
  for (const { key } of after.vips.changesSince(before.vips)) vips.add(key);
  for (const { key } of after.reached.routes.changesSince(before.reached.routes)) vips.add(key);
  for (const { key } of after.reached.farms.changesSince(before.reached.farms)) vips.add(vipOf(key));
  return vips;
}

/** All decisions in their order; most events have only their own. */
const together = (...lists: (readonly Decision[])[]): readonly Decision[] => {
  const [first = [], ...more] = lists.filter(list => list.length > 0);
  return more.length === 0 ? first : first.concat(...more);
};
