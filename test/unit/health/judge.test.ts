import { describe, expect, it } from 'vitest';
import { BLIND_FACTOR, type Judgement, judge, UNJUDGED, undecided } from '../../../appliance/health/judge.ts';
import { failed, inconclusive, type ProbeResult, passed } from '../../../appliance/health/probe.ts';

const PASS = passed('tcp/1720 passed');
const FAIL = failed('check-timeout', 'tcp/1720 timed out after 500 ms');
const REFUSED = failed('check-refused', 'tcp/1720 refused the connection');
const BLIND = inconclusive('tcp/1720 could not be checked: EMFILE');

/** The changes that a row of results makes, each as `index outcome: sentence`. */
function run(results: readonly ProbeResult[], rise = 2, fall = 3, from: Judgement = UNJUDGED) {
  const changes: string[] = [];
  let judgement = from;
  for (const [index, result] of results.entries()) {
    const { after, change } = judge(judgement, result, { rise, fall });
    judgement = after;
    if (change !== undefined) changes.push(`${index} ${change.outcome}: ${change.reason.sentence}`);
  }
  return { changes, judgement };
}

describe('the judge', () => {
  it('says nothing before `rise` passes, then pass, once', () => {
    expect(run([PASS]).changes).toEqual([]);
    expect(run([PASS, PASS, PASS, PASS]).changes).toEqual(['1 pass: check tcp/1720 passed 2×']);
    expect(run([PASS], 1).changes).toEqual(['0 pass: check tcp/1720 passed']);
  });

  it('brings down after `fall` failures in a row only, and counts from anew after a pass', () => {
    const up = run([PASS, PASS]).judgement;
    expect(run([FAIL, FAIL, PASS, FAIL, FAIL], 2, 3, up).changes).toEqual([]);
    expect(run([FAIL, FAIL, FAIL, FAIL], 2, 3, up).changes).toEqual([
      '2 fail: check tcp/1720 timed out after 500 ms 3×',
    ]);
  });

  it('names the last reason when the failures differ', () => {
    expect(run([FAIL, FAIL, REFUSED]).changes).toEqual([
      '2 fail: check failed 3×, at last tcp/1720 refused the connection',
    ]);
  });

  it('needs `rise` passes to bring up what was down', () => {
    const down = run([FAIL, FAIL, FAIL]).judgement;
    expect(run([PASS, FAIL, PASS, PASS], 2, 3, down).changes).toEqual(['3 pass: check tcp/1720 passed 2×']);
  });

  it('does not count checks that could not be made, until health would be a guess', () => {
    const up = run([PASS, PASS]).judgement;
    const blind = Array.from({ length: BLIND_FACTOR * 3 }, () => BLIND);
    expect(run(blind.slice(1), 2, 3, up).changes).toEqual([]);
    expect(run([...blind.slice(1), PASS, ...blind.slice(1)], 2, 3, up).changes).toEqual([]);
    expect(run([FAIL, FAIL, BLIND, FAIL], 2, 3, up).changes).toEqual([
      '3 fail: check failed 3×, at last tcp/1720 timed out after 500 ms',
    ]);
    expect(run(blind, 2, 3, up).changes).toEqual(['8 fail: check tcp/1720 could not be checked: EMFILE 9×']);
    expect(run([...blind, ...blind, PASS, PASS], 2, 3, up).changes).toHaveLength(2);
  });

  it('is undecided until the outcome and the latest results agree', () => {
    expect(undecided(UNJUDGED)).toBe(true);
    expect(undecided(run([PASS]).judgement)).toBe(true);
    expect(undecided(run([PASS, PASS]).judgement)).toBe(false);
    expect(undecided(run([PASS, PASS, FAIL]).judgement)).toBe(true);
    expect(undecided(run([FAIL, FAIL, FAIL, FAIL]).judgement)).toBe(false);
    expect(undecided(run([PASS, PASS, BLIND]).judgement)).toBe(true);
  });
});
