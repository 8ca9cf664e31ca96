/**
 * The score (docs/protocol.md, Score; the paper: "normalized and accounts for the number of servers supporting the service and
 * a weighted time average of the number of connections").
 */
import type { Millis, ServiceRecord } from './state.ts';

/** Time constant of the weighted average of connections. */
const AVERAGE_TIME: Millis = 30_000;
/** Free capacity, in units of weight, that halves what is missing to 1000: one idle server of weight 100 scores 500. */
const HALF = 100;

/** The average after `elapsed` ms in which `connections` were counted. */
export const averaged = (average: number, connections: number, elapsed: Millis): number =>
  average + (connections - average) * (1 - Math.exp(-Math.max(0, elapsed) / AVERAGE_TIME));

/**
 * Connections as they count for the average, of a service that has registered room for `capacity` (0: it has not said). What waits beyond that
 * makes it no fuller; counted, it would keep a service full for a minute after its load is gone.
 */
export const counted = (connections: number, capacity: number): number =>
  capacity > 0 ? Math.min(connections, capacity) : connections;

/** Serves, and its last check says so: what is restored after a restart scores nothing until it has been checked again. */
const isHealthy = (record: ServiceRecord): boolean =>
  record.state === 'up' && record.verdict.outcome === 'pass';

/** How much of its capacity a service uses, 0…1; 0 where no capacity was registered. */
export function utilisation(record: ServiceRecord): number {
  if (record.report === undefined) return 0;
  const { capacity } = record.spec;
  return Math.min(1, capacity > 0 ? record.report.average / capacity : 0);
}

/** 0…1000 for one server's service; 0 if and only if it does not serve. */
export const serverScore = (record: ServiceRecord): number =>
  isHealthy(record) ? Math.max(1, Math.round(1000 * (1 - utilisation(record)))) : 0;

/**
 * 0…1000 for several together (a VIP, a service name): 0 if and only if none serves. `counts`: which of them do; another rule is for
 * what is not told to anybody.
 */
export function farmScore(
  records: Iterable<ServiceRecord>,
  counts: (record: ServiceRecord) => boolean = isHealthy,
): number {
  let capacity = 0;
  let healthy = false;
  for (const record of records) {
    if (!counts(record)) continue;
    healthy = true;
    capacity += record.spec.weight * (1 - utilisation(record));
  }
  return healthy ? Math.max(1, Math.round(1000 * (1 - 2 ** (-capacity / HALF)))) : 0;
}
