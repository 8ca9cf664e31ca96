/** Steps, their lines and the report. */
import { describe, expect, test } from 'vitest';
import type { Lab } from '../../../labs/runner/lab.ts';
import { perform } from '../../../labs/scenario/perform.ts';
import { poll } from '../../../labs/scenario/poll.ts';
import { figure, renderStep } from '../../../labs/scenario/report.ts';
import { check, type Scenario } from '../../../labs/scenario/scenario.ts';

const play = (run: Scenario['run'], signal = new AbortController().signal) => {
  const lines: string[] = [];
  const report = perform('test', { summary: '', run }, {} as Lab, line => lines.push(line), signal);
  return report.then(report => ({ report, lines }));
};

describe('a scenario', () => {
  test('ends at the first step that fails, with its reason', async () => {
    const { report, lines } = await play(async ({ step }) => {
      await step('good', async () => ({ 'gap ms': 12.345 }));
      await step('bad', async () => {
        check(false, 'nobody answered');
        return undefined;
      });
      await step('never', async () => undefined);
    });
    expect(report.ok).toBe(false);
    expect(report.steps.map(step => [step.title, step.ok])).toEqual([
      ['good', true],
      ['bad', false],
    ]);
    expect(lines[0]).toMatch(/^ 1 {2}ok {4}good {2}\(0\.0 s\)\n {10}gap ms 12\.3$/);
    expect(lines[1]).toMatch(/^ 2 {2}FAIL {2}bad .*\n {10}nobody answered$/);
  });

  test('that throws outside of its steps fails as well', async () => {
    const { report } = await play(() => Promise.reject(new Error('lost the thread')));
    expect(report.ok).toBe(false);
    expect(report.steps[0]?.reason).toBe('lost the thread');
  });

  test('that is interrupted rejects, and reports no failed step', async () => {
    const stop = new AbortController();
    const done = play(async ({ step }) => {
      await step('interrupted', async () => {
        stop.abort(new Error('interrupted by SIGINT'));
        throw new Error('the node is gone');
      });
    }, stop.signal);
    await expect(done).rejects.toThrow('interrupted by SIGINT');
  });
});

describe('poll', () => {
  test('gives the first answer that is one', async () => {
    let asked = 0;
    expect(await poll('third', () => ++asked === 3 && asked, { interval: 0 })).toBe(3);
  });

  test('gives up with what it waited for and the last error', async () => {
    const never = poll(
      'the route',
      () => {
        throw new Error('no such node');
      },
      { timeout: 0, interval: 0 },
    );
    await expect(never).rejects.toThrow('the route: not within 0 s: no such node');
  });
});

test('figures have as many digits as mean something', () => {
  expect([1234.5, 12.345, 0.1234, 7, 'x'].map(figure)).toEqual(['1235', '12.3', '0.12', '7', 'x']);
});

test('a step with several figures is one line more', () => {
  const line = renderStep(3, { title: 't', ok: true, ms: 1500, measured: { a: 1, 'b ms': 2.5 } });
  expect(line).toBe(' 3  ok    t  (1.5 s)\n          a 1 · b ms 2.5');
});
