/**
 * What time alone brings: leases expire, damping is lifted, restored servers that did not come back are lost, lost ones are
 * forgotten, withdrawn services leave once no route leads to them.
 */
import type { RegistryConfig } from './config.ts';
import { calmed } from './damping.ts';
import { type Decision, reason, type Step } from './decision.ts';
import { releaseKept } from './hear.ts';
import { expireLeases } from './leases.ts';
import { forgetPartings } from './partings.ts';
import { change, rejudge, remove } from './services.ts';
import type { Millis, ServiceRecord, State } from './state.ts';
import { dropServer } from './update.ts';

/** One look at everything that waits. */
export function pass(state: State, config: RegistryConfig, now: Millis): Step {
  const decisions: Decision[] = [];
  let next = state;
  const take = (step: Step): void => {
    next = step.state;
    decisions.push(...step.decisions);
  };
  take(expireLeases(next, now));
  next = forgetPartings(releaseKept(next, now), now);
  for (const key of state.damped.keys()) {
    const server = next.servers.get(key.slice(0, key.indexOf('/')) as ServiceRecord['server']);
    const record = server?.services.get(Number(key.slice(key.indexOf('/') + 1)));
    if (server === undefined || record === undefined) continue;
    const flap = calmed(record.flap, now, config.damping);
    if (flap !== record.flap) take(change(next, config, now, server, record, { flap }));
  }
  for (const id of state.lost.keys()) {
    const server = next.servers.get(id);
    if (server === undefined) continue;
    if (server.recovering && now - server.since >= config.grace) {
      const lost = {
        ...server,
        recovering: false,
        since: now,
        lost: reason('not-back', 'it did not come back after the restart of the manager'),
      };
      take(rejudge({ ...next, servers: next.servers.with(id, lost) }, config, now, lost));
      decisions.push({ kind: 'server-lost', server: id, name: server.name, reason: lost.lost });
    } else if (!server.recovering && now - server.since >= config.forget) {
      next = dropServer(next, id);
      decisions.push({
        kind: 'server-left',
        server: id,
        name: server.name,
        reason: reason('forgotten', 'it was lost for too long'),
      });
    }
  }
  return { state: next, decisions };
}

/** Takes out the withdrawn services of these VIPs to which no route leads any more, or which others serve on. */
export function leaveVips(state: State, vips: Iterable<ServiceRecord['spec']['vip']>): Step {
  const decisions: Decision[] = [];
  let next = state;
  for (const vip of vips) {
    if (!anyWithdrawn(next, vip)) continue;
    const services = [...(next.vips.get(vip)?.values() ?? [])];
    const served = services.some(record => record.state === 'up');
    if (!served && next.reached.routes.has(vip)) continue;
    for (const record of services) {
      if (record.intent !== 'withdraw') continue;
      const { moved, lost } = next.servers.get(record.server) ?? {};
      const why = (moved && lost) ?? reason('withdrawn', `${record.spec.name} was withdrawn`);
      const step = remove(next, record, why);
      next = step.state;
      decisions.push(...step.decisions);
      const server = next.servers.get(record.server);
      if (server !== undefined && server.session === undefined && server.services.size === 0)
        next = dropServer(next, server.id);
    }
  }
  return { state: next, decisions };
}

function anyWithdrawn(state: State, vip: ServiceRecord['spec']['vip']): boolean {
  for (const record of state.vips.get(vip)?.values() ?? []) if (record.intent === 'withdraw') return true;
  return false;
}
