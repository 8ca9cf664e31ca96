/**
 * reduce(state, event, now) → state and decisions: the one place where events meet. Pure: no I/O, no clock, no randomness.
 */
import type { Address } from '../../sdk/wire/address.ts';
import { vipOf } from './carried.ts';
import type { RegistryConfig } from './config.ts';
import { type Decision, reason, refused, type Step } from './decision.ts';
import type { Event } from './events.ts';
import { forgetPeer, hear, silence } from './hear.ts';
import { releaseLease, renewLease, requestLease } from './leases.ts';
import { part } from './partings.ts';
import { leaveVips, pass } from './passing.ts';
import { restore } from './restore.ts';
import { loseServer, registerServer } from './servers.ts';
import { change, endService, registerService, rejudge, takeReports } from './services.ts';
import type { Millis, State } from './state.ts';
import { tell } from './tell.ts';

/** What the manager knows after `event`, and what it decided because of it. `now` never goes back. */
export function reduce(state: State, config: RegistryConfig, event: Event, now: Millis): Step {
  const step = handle(state, config, event, now);
  if (step.state === state) return step;
  const vips = touched(state, step.state);
  const left = leaveVips(step.state, vips);
  const told = tell(left.state, left.state === step.state ? vips : touched(state, left.state));
  return { state: told.state, decisions: together(step.decisions, left.decisions, told.decisions) };
}

function handle(state: State, config: RegistryConfig, event: Event, now: Millis): Step {
  switch (event.type) {
    case 'message':
      return handleMessage(state, config, event, now);
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
    case 'restored':
      return restore(state, event, now);
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
  const id = state.sessions.get(session);
  const server = id === undefined ? undefined : state.servers.get(id);
  if (server === undefined) {
    const transaction = message.type === 'report' ? 0 : message.transaction;
    return {
      state,
      decisions: [
        refused(session, transaction, 'not-registered', `'${message.type}' came before 'register'`),
      ],
    };
  }
  switch (message.type) {
    case 'lease-request':
      return requestLease(state, config, now, session, server, claims, message);
    case 'lease-renew':
      return renewLease(state, config, now, session, server, claims, message);
    case 'lease-release':
      return releaseLease(state, session, server, message);
    case 'register-service':
      return registerService(state, config, now, session, server, claims, message);
    case 'drain-service':
      return endService(state, config, now, session, server, message, 'drain');
    case 'withdraw-service':
      return endService(state, config, now, session, server, message, 'withdraw');
    case 'deregister': {
      const step = rejudge(state, config, now, server, record => ({ ...record, intent: 'withdraw' }));
      const left: Decision = {
        kind: 'server-left',
        server: server.id,
        name: server.name,
        reason: reason('deregistered', `${server.name} deregistered`),
        reply: { session, message: { type: 'done', transaction: message.transaction } },
      };
      // It may be that it deregisters because it is at another manager already, whose notice is on its way.
      const partings = part(state, server, 'moved', now);
      return { state: { ...step.state, partings }, decisions: [left, ...step.decisions] };
    }
    case 'report':
      return takeReports(state, config, now, server, message.reports);
  }
}

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
