/**
 * The state of one service, from everything that is known of it: the one place where session, checks, reports, damping and what
 * was asked are put together. The first rule that applies decides.
 */
import type { ServiceState } from '../../sdk/wire/model.ts';
import type { RegistryConfig } from './config.ts';
import { fell } from './damping.ts';
import { type Decision, reason } from './decision.ts';
import { withState } from './record.ts';
import type { Millis, Reason, ServerRecord, ServiceRecord } from './state.ts';

export const UNCHECKED: Reason = reason('unchecked', 'its first check has not passed yet');

/** What is true of a service now. */
export function judge(
  record: ServiceRecord,
  server: ServerRecord,
): { readonly state: ServiceState; readonly reason: Reason } {
  if (server.moved !== undefined) {
    // Until no route leads here any more, as if it drained: its other manager serves already.
    const state = serves(record.state) ? 'draining' : 'down';
    return { state, reason: server.lost ?? reason('moved', 'its server is at another manager') };
  }
  if (server.session === undefined && !server.recovering) {
    return { state: 'down', reason: server.lost ?? reason('lost', 'its server is gone') };
  }
  if (record.verdict.outcome === 'fail') return { state: 'down', reason: record.verdict.reason };
  if (record.report?.state === 'down')
    return { state: 'down', reason: reason('reported-down', 'its server reported it down') };
  if (server.recovering && record.verdict.outcome === 'unknown') {
    return {
      state: record.state,
      reason: reason('recovering', 'as before the restart of the manager; not checked again yet'),
    };
  }
  if (record.verdict.outcome === 'unknown') return { state: 'pending', reason: UNCHECKED };
  if (record.flap.suppressed) {
    return {
      state: 'damped',
      reason: reason('damped', `it flaps: held back at penalty ${Math.round(record.flap.penalty)}`),
    };
  }
  if (record.intent === 'withdraw')
    return { state: 'draining', reason: reason('withdrawn', 'it is withdrawn') };
  if (record.intent === 'drain')
    return { state: 'draining', reason: reason('drained', 'its server asked to drain it') };
  if (record.report?.state === 'draining') {
    return { state: 'draining', reason: reason('reported-draining', 'its server reported that it drains') };
  }
  return { state: 'up', reason: record.verdict.reason };
}

/** Whether a state takes or keeps traffic. */
const serves = (state: ServiceState): boolean => state === 'up' || state === 'draining';

/** The record with its state judged again; a fall counts for damping unless the server asked to go. */
export function settle(
  record: ServiceRecord,
  server: ServerRecord,
  now: Millis,
  config: RegistryConfig,
): ServiceRecord {
  const before = judge(record, server);
  const falls = serves(record.state) && before.state === 'down' && record.intent === 'serve';
  const flap = falls ? fell(record.flap, now, config.damping) : record.flap;
  if (before.state === record.state && flap === record.flap) {
    return before.reason.code === record.reason.code
      ? record
      : withState(record, flap, record.state, before.reason, record.since);
  }
  return withState(record, flap, before.state, before.reason, now);
}

/** The decision to tell of a changed state; undefined when it did not change. */
export const stateChange = (
  before: ServiceRecord | undefined,
  after: ServiceRecord,
  server: ServerRecord,
): Decision | undefined =>
  before?.state === after.state
    ? undefined
    : {
        kind: 'service-state',
        server: server.id,
        name: `${server.name}/${after.spec.name}`,
        service: after.spec.id,
        vip: after.spec.vip,
        reason: reason(after.state, after.reason.sentence),
      };
