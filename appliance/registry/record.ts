/**
 * How a service's record is made anew with something changed. All records come from one literal, so that they are of one shape to the
 * engine: copies by spread have the shapes of wherever they began, and reading a field of six shapes takes it several times as long.
 */
import type { ServiceState } from '../../sdk/wire/model.ts';
import type { Flap, Millis, Reason, ServiceRecord } from './state.ts';

/** These very fields, in the one shape. */
export const recordOf = (fields: ServiceRecord): ServiceRecord =>
  make(fields, fields.report, fields.flap, fields.state, fields.reason, fields.since, fields.told);

export const withReport = (before: ServiceRecord, report: ServiceRecord['report']): ServiceRecord =>
  make(before, report, before.flap, before.state, before.reason, before.since, before.told);

export const withState = (
  before: ServiceRecord,
  flap: Flap,
  state: ServiceState,
  reason: Reason,
  since: Millis,
): ServiceRecord => make(before, before.report, flap, state, reason, since, before.told);

/** Its server has been told of its state. */
export const asTold = (before: ServiceRecord): ServiceRecord =>
  make(before, before.report, before.flap, before.state, before.reason, before.since, before.state);

function make(
  { key, server, spec, address, verdict, round, intent }: ServiceRecord,
  report: ServiceRecord['report'],
  flap: Flap,
  state: ServiceState,
  reason: Reason,
  since: Millis,
  told: ServiceState | undefined,
): ServiceRecord {
  return { key, server, spec, address, verdict, round, report, intent, flap, state, reason, since, told };
}
