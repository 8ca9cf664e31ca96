import { expect, test } from 'vitest';
import { hashed, turns } from '../../../appliance/dataplane/slots.ts';

const share = (index: number, weight: number): { name: string; index: number; weight: number } => ({
  name: `10.1.0.${index}|0`,
  index,
  weight,
});
const count = (slots: readonly number[], index: number): number =>
  slots.filter(each => each === index).length;

test('turns follow the weights exactly and are spread', () => {
  expect(turns([share(1, 1), share(2, 1)])).toEqual([1, 2]);
  const slots = turns([share(1, 500), share(2, 100), share(3, 100)]);
  expect(slots).toHaveLength(7);
  expect([1, 2, 3].map(index => count(slots, index))).toEqual([5, 1, 1]);
  expect(slots.join('')).not.toContain('11111');
});

test('odd weights are rounded to some 256 turns, and nobody is left out', () => {
  const slots = turns([share(1, 1000), share(2, 999), share(3, 1)]);
  expect(slots.length).toBeLessThan(260);
  expect(count(slots, 3)).toBe(1);
  expect(Math.abs(count(slots, 1) - count(slots, 2))).toBeLessThanOrEqual(1);
});

test('hashing: a member that goes moves its own slots only; shares go by weight', () => {
  const all = [share(1, 1), share(2, 1), share(3, 2)];
  const before = hashed(all);
  const after = hashed(all.slice(1));
  for (const [slot, index] of before.entries()) if (index !== 1) expect(after[slot]).toBe(index);
  expect(count(before, 3)).toBeGreaterThan(100);
  expect(count(before, 3)).toBeLessThan(156);
});
