/**
 * The services that the manager is to check itself.
 */
import type { ServiceKey, ServiceRecord, State } from '../registry/state.ts';
import type { Wanted } from './wanted.ts';

type Services = ReadonlyMap<ServiceKey, ServiceRecord>;

/** The checks after one VIP's services changed from `before` to `after`: only records that differ are looked at. */
export function putChecks(
  checks: Wanted['checks'],
  state: State,
  before: Services,
  after: Services,
): Wanted['checks'] {
  let next = checks;
  for (const [key, { server, spec }] of before) {
    // One that moved to another VIP is looked after there.
    if (!after.has(key) && !state.servers.get(server)?.services.has(spec.id)) next = next.without(key);
  }
  for (const [key, record] of after) {
    const old = before.get(key);
    if (record === old) continue;
    const { address, spec } = record;
    if (isChecked(state, record)) {
      const known = next.get(key);
      if (known?.service !== spec || known.address !== address)
        next = next.with(key, { address, service: spec });
    } else if (spec.check.kind !== 'none' || old === undefined || old.spec !== spec) next = next.without(key);
  }
  return next;
}

/** Whether it asked for a check, and its server is there (or awaited after a restart). */
function isChecked(state: State, { server, spec, intent }: ServiceRecord): boolean {
  if (spec.check.kind === 'none' || intent === 'withdraw') return false;
  const owner = state.servers.get(server);
  return owner?.session !== undefined || owner?.recovering === true;
}
