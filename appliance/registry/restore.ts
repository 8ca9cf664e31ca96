/**
 * After a restart: leases count on from now, also those of VIPs that were elsewhere, and servers keep what they had until they are back
 * or the grace is over. What the kernel and FRR still carry is adopted by the drivers.
 */
import type { RegistryConfig } from './config.ts';
import { UNCHECKED } from './decide.ts';
import { reason, type Step } from './decision.ts';
import type { Event, KeptVip } from './events.ts';
import { recordOf } from './record.ts';
import type { Millis, State } from './state.ts';
import { putLease, putServices } from './update.ts';

export function restore(
  state: State,
  config: RegistryConfig,
  stored: Extract<Event, { type: 'restored' }>,
  now: Millis,
): Step {
  let next = remember(state, stored.kept ?? [], now + config.leaseDuration * 1000);
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
    const records = [...server.services.values()].map(record =>
      recordOf({
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

function remember(state: State, list: readonly KeptVip[], until: Millis): State {
  if (list.length === 0) return state;
  const kept = state.elsewhere.kept.draft();
  for (const { vip, server, shared } of list) kept.set(vip, { server, shared, until });
  return { ...state, elsewhere: { ...state.elsewhere, kept: kept.done() } };
}
