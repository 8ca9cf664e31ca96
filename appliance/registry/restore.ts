/**
 * After a restart: leases count on from now, and servers keep what they had until they are back or the grace is over. What the
 * kernel and FRR still carry is adopted by the drivers.
 */
import { UNCHECKED } from './decide.ts';
import { reason, type Step } from './decision.ts';
import type { Event } from './events.ts';
import type { Millis, ServiceRecord, State } from './state.ts';
import { putLease, putServices } from './update.ts';

export function restore(state: State, stored: Extract<Event, { type: 'restored' }>, now: Millis): Step {
  let next = state;
  for (const record of stored.leases) {
    next = putLease(next, record.lease.vip, record.lease.server, {
      ...record,
      expires: now + record.lease.duration * 1000,
    });
  }
  for (const server of stored.servers) {
    const back = {
      ...server,
      session: undefined,
      since: now,
      recovering: true,
      lost: reason('restarted', 'the manager restarted'),
      services: new Map(),
    };
    const records = [...server.services.values()].map(
      (record): ServiceRecord => ({
        ...record,
        verdict:
          record.spec.check.kind === 'none'
            ? record.verdict
            : { outcome: 'unknown', reason: UNCHECKED, since: now },
        report: undefined,
        since: now,
        told: undefined,
      }),
    );
    next = putServices({ ...next, lost: next.lost.with(server.id, true) }, back, records);
  }
  if (stored.leases.length + stored.servers.length === 0) return { state: next, decisions: [] };
  const sentence = `${stored.leases.length} leases and ${stored.servers.length} servers of before the restart`;
  return { state: next, decisions: [{ kind: 'restored', reason: reason('restored', sentence) }] };
}
