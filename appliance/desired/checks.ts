/**
 * The services that the manager is to check itself.
 */
import type { ServiceKey, ServiceRecord, State } from '../registry/state.ts';
import type { Draft } from '../registry/table.ts';
import type { CheckTarget } from './wanted.ts';

type Services = ReadonlyMap<ServiceKey, ServiceRecord>;

/** Makes `checks` what they are after one VIP's services changed from `before` to `after`: only records that differ are looked at. */
export function putChecks(
  checks: Draft<ServiceKey, CheckTarget>,
  state: State,
  before: Services,
  after: Services,
): void {
  for (const [key, { server, spec }] of before) {
    // One that moved to another VIP is looked after there.
    if (!after.has(key) && !state.servers.get(server)?.services.has(spec.id)) checks.delete(key);
  }
  for (const [key, record] of after) {
    const old = before.get(key);
    if (record === old) continue;
    const { address, spec, round } = record;
    if (isChecked(state, record)) {
      const known = checks.get(key);
      if (known?.service !== spec || known.address !== address || known.round !== round)
        checks.set(key, { address, service: spec, round });
    } else if (spec.check.kind !== 'none' || old === undefined || old.spec !== spec) checks.delete(key);
  }
}

/** Whether it asked for a check, and its server is there (or awaited after a restart). */
function isChecked(state: State, { server, spec, intent }: ServiceRecord): boolean {
  if (spec.check.kind === 'none' || intent === 'withdraw') return false;
  const owner = state.servers.get(server);
  return owner?.session !== undefined || owner?.recovering === true;
}
