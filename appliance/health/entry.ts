/**
 * One service in the scheduler, and how it shows to people.
 */
import type { CheckTarget } from '../desired/wanted.ts';
import type { Millis } from '../host/ports.ts';
import { checkedPort } from '../registry/same-check.ts';
import type { Reason, ServiceKey } from '../registry/state.ts';
import type { Due } from './due-heap.ts';
import { type Judgement, UNJUDGED } from './judge.ts';
import { type Attempt, labelOf, type ProbeResult, type ProbeTarget } from './probe.ts';

/** A check under way. */
interface Running extends Attempt {
  readonly began: Millis;
  readonly abort: () => void;
}

/** In exactly one place: waiting in the heap for its time, ready in the queue, or running and in the heap for its deadline. */
export interface CheckEntry extends Due {
  readonly key: ServiceKey;
  readonly lane: string;
  target: ProbeTarget;
  readonly round: number;
  judgement: Judgement;
  since: Millis;
  ready: boolean;
  attempt: Running | undefined;
  /** To be checked again as soon as the present check is done. */
  hastened: boolean;
  checks: number;
  last: LastCheck | undefined;
}

interface LastCheck {
  readonly outcome: ProbeResult['outcome'];
  readonly reason: Reason;
  readonly at: Millis;
  /** How long it took. */
  readonly took: Millis;
}

/** A check as `bivouac show health` tells of it. Times are of the monotonic clock. */
export interface CheckStatus {
  readonly service: ServiceKey;
  /** `tcp/1720`. */
  readonly check: string;
  readonly address: string;
  readonly outcome: Judgement['outcome'];
  /** When the outcome became what it is. */
  readonly since: Millis;
  readonly last: LastCheck | undefined;
  /** How many of the latest checks, without a break, found the same. */
  readonly run: number;
  /** Checks done since it is checked this way. */
  readonly checks: number;
  readonly running: boolean;
  /** When it is checked next (its deadline, while running); undefined when it waits for room, or never. */
  readonly due: Millis | undefined;
}

/** Checks of one address at once; programs at once, over all addresses (each is a process). */
export const LANE_LIMITS: { readonly [lane: string]: number; readonly address: number } = {
  address: 32,
  exec: 16,
};

export function createEntry(
  key: ServiceKey,
  { address, service, round }: CheckTarget,
  now: Millis,
): CheckEntry {
  const { check } = service;
  return {
    key,
    lane: check.kind === 'exec' ? 'exec' : address,
    // Nothing is counted where nothing is checked.
    target: {
      address,
      port: checkedPort(service),
      service,
      check: check.kind === 'none' ? { ...check, rise: 1 } : check,
    },
    round,
    judgement: UNJUDGED,
    since: now,
    ready: false,
    attempt: undefined,
    hastened: false,
    checks: 0,
    last: undefined,
    due: 0,
    place: -1,
  };
}

export const statusOf = (entry: CheckEntry): CheckStatus => ({
  service: entry.key,
  check: labelOf(entry.target),
  address: entry.target.address,
  outcome: entry.judgement.outcome,
  since: entry.since,
  last: entry.last,
  run: entry.judgement.blind || (entry.judgement.run?.length ?? 0),
  checks: entry.checks,
  running: entry.attempt !== undefined,
  due: entry.place < 0 ? undefined : entry.due,
});
