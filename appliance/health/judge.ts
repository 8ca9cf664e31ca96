/**
 * Rise and fall: when single checks become a verdict. Pure.
 */
import type { Reason } from '../registry/state.ts';
import type { ProbeResult } from './probe.ts';

/** What is known of a service after some checks. */
export interface Judgement {
  readonly outcome: 'unknown' | 'pass' | 'fail';
  /** What the latest checks found, how often in a row, and whether always for the same reason. */
  readonly run:
    | { readonly outcome: 'pass' | 'fail'; readonly length: number; readonly alike: boolean }
    | undefined;
  /** Checks in a row that could not be made. */
  readonly blind: number;
  readonly last: Reason | undefined;
}

/** Before the first check. */
export const UNJUDGED: Judgement = { outcome: 'unknown', run: undefined, blind: 0, last: undefined };

/**
 * So many times `fall` checks in a row that could not be made count like failed ones: what cannot be looked at any more must not be
 * called healthy for ever.
 */
export const BLIND_FACTOR = 3;

export interface Thresholds {
  /** Passes in a row that bring it up, ≥ 1. */
  readonly rise: number;
  /** Failures in a row that bring it down, ≥ 1. */
  readonly fall: number;
}

/** A changed mind, with the reason in words that stand alone. */
export interface Change {
  readonly outcome: 'pass' | 'fail';
  readonly reason: Reason;
}

/** Counts one result. `change` is there only if the outcome is another than before. */
export function judge(
  before: Judgement,
  result: ProbeResult,
  { rise, fall }: Thresholds,
): { readonly after: Judgement; readonly change: Change | undefined } {
  const { reason } = result;
  if (result.outcome === 'inconclusive') {
    const blind = before.blind + 1;
    const seen = { ...before, blind, last: reason };
    if (blind < BLIND_FACTOR * fall || before.outcome === 'fail') return { after: seen, change: undefined };
    const change = decide('fail', reason, { outcome: 'fail', length: blind, alike: true });
    return { after: { ...seen, outcome: 'fail', run: undefined }, change };
  }
  const { outcome } = result;
  const goesOn = before.run?.outcome === outcome;
  const run = {
    outcome,
    length: goesOn ? before.run.length + 1 : 1,
    alike: !goesOn || (before.run.alike && before.last?.sentence === reason.sentence),
  };
  const turned = before.outcome !== outcome && run.length >= (outcome === 'pass' ? rise : fall);
  return {
    after: { outcome: turned ? outcome : before.outcome, run, blind: 0, last: reason },
    change: turned ? decide(outcome, reason, run) : undefined,
  };
}

/** Whether the next check may change the outcome, so that it should come soon. */
export const undecided = ({ outcome, run, blind }: Judgement): boolean =>
  outcome === 'unknown' || blind > 0 || (run !== undefined && run.outcome !== outcome);

/** `check tcp/1720 timed out after 500 ms 3×`. */
function decide(
  outcome: 'pass' | 'fail',
  { code, sentence }: Reason,
  run: NonNullable<Judgement['run']>,
): Change {
  const times = run.length > 1 ? ` ${run.length}×` : '';
  const text =
    run.alike || outcome === 'pass'
      ? `check ${sentence}${times}`
      : `check failed${times}, at last ${sentence}`;
  return { outcome, reason: { code, sentence: text } };
}
