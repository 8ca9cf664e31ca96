import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { metricFor, metricsOf } from '../../../appliance/desired/metric.ts';

const config = { metric: 20, steps: 3, stepCost: 100 };
const configs = fc.record({
  metric: fc.integer({ min: 1, max: 65535 }),
  steps: fc.nat(8),
  stepCost: fc.integer({ min: 1, max: 10_000 }),
});
const scores = fc.integer({ min: 0, max: 1000 });

describe('metricFor', () => {
  it.each([
    [1000, 20],
    [750, 20],
    [749, 120],
    [500, 120],
    [250, 220],
    [249, 320],
    [0, 320],
  ])('gives score %i, with no route yet, %i', (score, metric) => {
    expect(metricFor(score, undefined, config)).toBe(metric);
  });

  it('stays near a border, on either side', () => {
    expect(metricFor(700, 20, config)).toBe(20);
    expect(metricFor(680, 20, config)).toBe(120);
    expect(metricFor(800, 120, config)).toBe(120);
    expect(metricFor(820, 120, config)).toBe(20);
  });

  it('moves several steps at once', () => {
    expect(metricFor(10, 20, config)).toBe(320);
    expect(metricFor(1000, 320, config)).toBe(20);
  });

  it('gives one of its steps, dearer never for a better score, and stays there', () => {
    fc.assert(
      fc.property(configs, scores, scores, fc.option(fc.nat(9), { nil: undefined }), (made, a, b, held) => {
        const now = held === undefined ? undefined : made.metric + held * made.stepCost;
        const metric = metricFor(a, now, made);
        expect(metricsOf(made)).toContain(metric);
        expect(metricFor(a, metric, made)).toBe(metric);
        if (b >= a) expect(metricFor(b, now, made)).toBeLessThanOrEqual(metric);
      }),
    );
  });

  it('changes at most once for a score that dithers by less than the hysteresis', () => {
    fc.assert(
      fc.property(
        configs,
        scores,
        fc.array(fc.integer({ min: -20, max: 20 }), { maxLength: 30 }),
        (made, around, noise) => {
          const amplitude = 0.24 * (1000 / (made.steps + 1));
          let now = metricFor(around, undefined, made);
          let changes = 0;
          for (const one of noise) {
            const next = metricFor(around + (one / 20) * (amplitude / 2), now, made);
            if (next !== now) changes++;
            now = next;
          }
          expect(changes).toBeLessThanOrEqual(1);
        },
      ),
    );
  });
});
