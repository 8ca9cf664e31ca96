import { expect, test } from 'vitest';
import { MOST_SOURCES, SourceLimits } from '../../../appliance/responder/source-limits.ts';
import { VirtualClock } from '../../support/virtual.ts';

const count = (limits: SourceLimits<number>, source: number, tries: number): number =>
  Array.from({ length: tries }, () => limits.allow(source)).filter(Boolean).length;

test('a source gets its burst, and then its rate; another one is not touched by it', () => {
  const clock = new VirtualClock();
  const limits = new SourceLimits<number>(clock, 10, () => {});
  expect(count(limits, 1, 100)).toBe(20);
  expect(count(limits, 2, 5)).toBe(5);
  clock.advanceSync(500);
  expect(count(limits, 1, 100)).toBe(5);
});

test('the table does not grow past its limit: busy strangers share one bucket, and it is said', () => {
  let full = 0;
  const limits = new SourceLimits<number>(new VirtualClock(), 10, () => full++);
  for (let source = 0; source < MOST_SOURCES; source++) limits.allow(source);
  expect(full).toBe(0);
  expect(
    Array.from({ length: 100 }, (_, index) => limits.allow(100_000 + index)).filter(Boolean),
  ).toHaveLength(20);
  expect(full).toBe(100);
  expect(limits.size).toBe(MOST_SOURCES);
});

test('sources that have been quiet make room for new ones', () => {
  const clock = new VirtualClock();
  let full = 0;
  const limits = new SourceLimits<number>(clock, 10, () => full++);
  for (let source = 0; source < MOST_SOURCES; source++) limits.allow(source);
  clock.advanceSync(1000);
  for (let source = 0; source < MOST_SOURCES; source++) expect(limits.allow(100_000 + source)).toBe(true);
  expect(full).toBe(0);
  expect(limits.size).toBeLessThanOrEqual(MOST_SOURCES);
});
