/** Notices by OSPF alone, over FRR's ospfd as Debian has it, all its timers untouched, with a router between that has no API. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { many, Row } from '../support/flooding.ts';
import { poll } from '../support/netns.ts';

let row: Row;
beforeAll(async () => {
  row = await Row.start();
}, 60_000);
afterEach(() => row.quiet());
afterAll(() => row?.dispose());

const LIMIT = 30_000;

test('a change is two hops away in milliseconds, and what is gone leaves no trace', async () => {
  const [a, b] = [await row.speak('a'), await row.speak('b')];
  a.announce(many(3, 1));
  expect(await poll(() => b.bindings.size === 3, LIMIT, 'three bindings')).toBe(true);
  const took: number[] = [];
  for (let epoch = 2; epoch < 22; epoch++) {
    const from = performance.now();
    a.announce(many(3, epoch));
    await poll(() => [...b.bindings.values()].every(value => value === epoch), LIMIT, 'the epoch', 0);
    took.push(performance.now() - from);
  }
  took.sort((one, other) => one - other);
  expect(took[10]).toBeLessThan(50);
}, 120_000);
