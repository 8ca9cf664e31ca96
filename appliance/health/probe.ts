/**
 * The port behind which each kind of check is a driver.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { Check, Service } from '../../sdk/wire/model.ts';
import type { Reason } from '../registry/state.ts';

/** One check, ready to be done. */
export interface ProbeTarget {
  readonly address: Address;
  /** 1…65535. */
  readonly port: number;
  readonly service: Service;
  readonly check: Check;
}

/**
 * What one check found. `inconclusive`: this host could not look (out of sockets, say), which says nothing of the service; it is
 * not counted at first (judge.ts). The code of a reason is `check-passed`, a FailureCode or `check-impossible`.
 */
export interface ProbeResult {
  readonly outcome: 'pass' | 'fail' | 'inconclusive';
  readonly reason: Reason;
}

/** Codes of the reasons for which a check fails, for metrics and tests. */
type FailureCode =
  | 'check-timeout'
  | 'check-refused'
  | 'check-unreachable'
  | 'check-closed'
  | 'check-handshake'
  /** It answered, but with something that cannot be read. */
  | 'check-malformed'
  /** It answered, but not what was expected. */
  | 'check-mismatch'
  /** It answered that it is not well. */
  | 'check-status'
  /** The check itself is wrong: no such program, a path that is none. */
  | 'check-invalid';

/** One run of a check. */
export interface Attempt {
  /** Aborted when the time is up or the answer is no longer wanted: everything is let go of at once. */
  readonly signal: AbortSignal;
  /** What it waits for at the moment, for the sentence of a timeout; empty: for the connection. */
  stage: string;
}

/**
 * Checks once. It need not watch the clock: the scheduler aborts it when its time is up, and no longer looks at what it gives then.
 * It never rejects, unless for a defect (which counts as inconclusive).
 */
export type Probe = (target: ProbeTarget, attempt: Attempt) => Promise<ProbeResult>;

export const passed = (sentence: string): ProbeResult => ({
  outcome: 'pass',
  reason: { code: 'check-passed', sentence },
});

export const failed = (code: FailureCode, sentence: string): ProbeResult => ({
  outcome: 'fail',
  reason: { code, sentence },
});

export const inconclusive = (sentence: string): ProbeResult => ({
  outcome: 'inconclusive',
  reason: { code: 'check-impossible', sentence },
});

/** What is checked, as people say it: `tcp/1720`, `icmp`, `exec disk-free`. */
export function labelOf({ check, port }: ProbeTarget): string {
  if (check.kind === 'icmp' || check.kind === 'none') return check.kind;
  return check.kind === 'exec' ? `exec ${printable(check.target)}` : `${check.kind}/${port}`;
}

/** Text from the network, cut and without what could act on a terminal or break a line. */
export const printable = (text: string, limit = 80): string => {
  const clean = text.replace(/[^\x20-\x7e]+/g, '?');
  return clean.length > limit ? `${clean.slice(0, limit)}…` : clean;
};
