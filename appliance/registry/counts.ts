/**
 * Connections as the data plane counts them, for services whose server has registered a capacity and reports nothing (docs/protocol.md,
 * Score): they stand for its reports.
 */
import { farmKey, isBalanced } from './carried.ts';
import type { Step } from './decision.ts';
import { withReport } from './record.ts';
import { averaged, counted } from './score.ts';
import type { Millis, ServiceRecord, State } from './state.ts';
import { putServices } from './update.ts';

/** Established TCP connections by farm (carried.ts) and member, `address|port` with port 0 for that of the VIP; what is absent has none. */
export type Counts = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** Whether anything would come of counting. */
export function wantsCounts(state: State): boolean {
  for (const server of state.servers.values())
    for (const record of server.services.values()) if (isCounted(record)) return true;
  return false;
}

const isCounted = (record: ServiceRecord): boolean =>
  record.spec.capacity > 0 &&
  record.spec.transport === 'tcp' &&
  record.state === 'up' &&
  isBalanced(record) &&
  record.spec.forward.mode !== 'redirect' &&
  (record.report === undefined || record.report.counted === true);

/** Takes in what was counted. */
export function takeCounts(state: State, now: Millis, counts: Counts): Step {
  let next = state;
  for (const server of state.servers.values()) {
    const records = [...server.services.values()].filter(isCounted);
    if (records.length > 0)
      next = putServices(
        next,
        server,
        records.map(record => withCount(record, now, counts)),
      );
  }
  return { state: next, decisions: [] };
}

function withCount(record: ServiceRecord, now: Millis, counts: Counts): ServiceRecord {
  const { spec, address, report } = record;
  const member = `${address}|${spec.targetPort === spec.ports[0]!.first ? 0 : spec.targetPort}`;
  const connections = spec.ports.reduce(
    (sum, range) => sum + (counts.get(farmKey(spec.vip, spec.transport, range))?.get(member) ?? 0),
    0,
  );
  const average =
    report === undefined
      ? counted(connections, spec.capacity)
      : averaged(report.average, counted(report.connections, spec.capacity), now - report.at);
  return withReport(record, {
    service: spec.id,
    state: 'up',
    connections,
    load: 0,
    at: now,
    average,
    counted: true,
  });
}
