import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Deadline, GRAIN, Wheel } from '../../appliance/sessions/wheel.ts';
import { VirtualClock } from '../support/virtual.ts';

const action = fc.oneof(
  fc.record({ do: fc.constant('set' as const), which: fc.nat(7), delay: fc.integer({ min: -5, max: 8000 }) }),
  fc.record({ do: fc.constant('clear' as const), which: fc.nat(7), delay: fc.constant(0) }),
  fc.record({
    do: fc.constant('wait' as const),
    which: fc.constant(0),
    delay: fc.integer({ min: 0, max: 3000 }),
  }),
);

test('each deadline is met once, never early, and late by no more than the grain; cleared ones never', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), actions => {
      const clock = new VirtualClock();
      const wheel = new Wheel(clock);
      const expected: (number | undefined)[] = new Array(8).fill(undefined);
      const wrong: string[] = [];
      const deadlines = expected.map(
        (_, which) =>
          new Deadline(() => {
            const due = expected[which];
            const late = due === undefined ? Number.NaN : clock.now() - due;
            if (!(late >= 0 && late <= GRAIN)) wrong.push(`${which} ran ${late} ms late`);
            expected[which] = undefined;
          }),
      );
      for (const { do: verb, which, delay } of actions) {
        if (verb === 'wait') clock.advanceSync(delay);
        else if (verb === 'clear') {
          wheel.clear(deadlines[which]!);
          expected[which] = undefined;
        } else {
          // One that is overdue when it is set counts from now.
          expected[which] = clock.now() + Math.max(0, delay);
          wheel.set(deadlines[which]!, clock.now() + delay);
        }
      }
      clock.advanceSync(20_000);
      expect(wrong).toEqual([]);
      expect(expected.filter(due => due !== undefined)).toEqual([]);
      expect(clock.timers, 'an empty wheel leaves the process asleep').toBe(0);
    }),
    { numRuns: 300 },
  );
});

test('deadlines set from within one are met too', () => {
  const clock = new VirtualClock();
  const wheel = new Wheel(clock);
  const met: number[] = [];
  const again: Deadline = new Deadline(() => {
    met.push(clock.now());
    if (met.length < 100) wheel.set(again, clock.now() + 30);
  });
  wheel.set(again, 30);
  clock.advanceSync(10_000);
  expect(met).toHaveLength(100);
  expect(met.at(-1)).toBeLessThanOrEqual(100 * 35);
});
