/**
 * Decisions as log events.
 */
import type { Log, LogLevel } from '../host/ports.ts';
import type { Decision } from '../registry/decision.ts';

const LEVELS: Partial<Record<Decision['kind'], LogLevel>> = {
  refused: 'warning',
  'server-lost': 'warning',
  'lease-expired': 'warning',
  'lease-misused': 'error',
  'lease-revoked': 'warning',
  'limit-reached': 'error',
  'peer-heard': 'notice',
  'peer-silent': 'warning',
  'peer-gone': 'notice',
  'server-moved': 'notice',
  'lease-renewed': 'debug',
  restored: 'notice',
  stopping: 'notice',
};

/** What a service's state is worth waking somebody for. */
const STATE_LEVELS: Readonly<Record<string, LogLevel>> = {
  down: 'warning',
  damped: 'warning',
  pending: 'debug',
  up: 'notice',
  draining: 'notice',
};

/** A station that has one of our VIPs takes its clients away; two servers with one VIP should never have been. */
const CONFLICT_LEVELS: Readonly<Record<string, LogLevel>> = {
  began: 'error',
  over: 'notice',
  yielded: 'error',
  kept: 'error',
};

const BY_CODE: Partial<Record<Decision['kind'], Readonly<Record<string, LogLevel>>>> = {
  'service-state': STATE_LEVELS,
  'vip-conflict': CONFLICT_LEVELS,
};

/** Logs one decision, at a level by its kind. */
export function logDecision(log: Log, decision: Decision): void {
  const { kind, reason, reply, server, name, service, vip } = decision;
  if (reason.code.startsWith('told-')) return;
  const byCode = BY_CODE[kind];
  const level = (byCode === undefined ? LEVELS[kind] : byCode[reason.code]) ?? 'info';
  log(level, kind, {
    server,
    name,
    service,
    vip,
    session: reply?.session,
    code: reason.code,
    reason: reason.sentence,
  });
}
