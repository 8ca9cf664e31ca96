/**
 * Telling servers of their services' state: `up` only once the data plane carries it and the route is out, everything else at once.
 */
import type { Address } from '../../sdk/wire/address.ts';
import { carriedIn } from './carried.ts';
import type { Decision, Step } from './decision.ts';
import { asTold } from './record.ts';
import { serverScore } from './score.ts';
import type { ServiceRecord, State } from './state.ts';
import { putServices } from './update.ts';

/** Tells what has not been told yet of the services of these VIPs. */
export function tell(state: State, vips: Iterable<Address>): Step {
  const decisions: Decision[] = [];
  const told = new Map<ServiceRecord['server'], ServiceRecord[]>();
  for (const vip of vips) {
    const services = state.vips.get(vip);
    const isRouted = state.reached.routes.has(vip);
    if (services === undefined || !hasNews(services.values(), isRouted)) continue;
    const isCarried = carriedIn(state.reached, services);
    for (const record of services.values()) {
      if (record.told === record.state) continue;
      const { session, name = '' } = state.servers.get(record.server) ?? {};
      if (session === undefined) continue;
      if (record.state === 'up' && !(isRouted && isCarried(record))) continue;
      const list = told.get(record.server);
      const after = asTold(record);
      if (list === undefined) told.set(record.server, [after]);
      else list.push(after);
      decisions.push({
        kind: 'service-state',
        server: record.server,
        name: `${name}/${record.spec.name}`,
        service: record.spec.id,
        vip,
        reason: { code: `told-${record.state}`, sentence: record.reason.sentence },
        reply: {
          session,
          message: {
            type: 'service-state',
            service: record.spec.id,
            state: record.state,
            score: serverScore(record),
            reason: record.reason.sentence,
          },
        },
      });
    }
  }
  let next = state;
  for (const [id, records] of told) next = putServices(next, next.servers.get(id)!, records);
  return { state: next, decisions };
}

/** Whether there may be something to tell: most of the time there is not. */
function hasNews(services: Iterable<ServiceRecord>, isRouted: boolean): boolean {
  for (const { told, state } of services) if (told !== state && (isRouted || state !== 'up')) return true;
  return false;
}
