import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// netns, e2e and lab make kernel state of their own; each file takes namespaces with its own names, so files run in parallel. The groups
// come one after the other: what watches for silence of 300 ms must not share a small machine with what loads it.
const kernel = { testTimeout: 240_000, hookTimeout: 240_000, retry: 0 };
//
// Tests of a file run in the order in which they stand there, so that a failure can be had again. Vitest takes `sequence.shuffle` from the command
// line or from the root alone, never from a project: `npx vitest run --project unit --sequence.shuffle.tests` has any order.
const group = (groupOrder: number) => ({ sequence: { groupOrder } });

export default defineConfig({
  test: {
    // What is waited for may take a busy machine seconds.
    expect: { requireAssertions: true, poll: { timeout: 30_000 } },
    projects: [
      {
        extends: true,
        // Each takes ms; the time is for a machine with much else to do.
        test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 120_000, ...group(0) },
      },
      {
        extends: true,
        test: {
          name: 'property',
          include: ['test/property/**/*.test.ts', 'test/fuzz/**/*.test.ts'],
          testTimeout: 240_000,
          ...group(0),
        },
      },
      {
        extends: true,
        test: {
          name: 'netns',
          include: ['test/netns/**/*.test.ts'],
          ...kernel,
          ...group(1),
          maxWorkers: Math.min(3, availableParallelism()),
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: ['test/e2e/lab*'],
          ...kernel,
          ...group(2),
          maxWorkers: 2,
        },
      },
      {
        extends: true,
        test: { name: 'lab', include: ['test/e2e/lab*.test.ts'], ...kernel, ...group(3), maxWorkers: 1 },
      },
      {
        extends: true,
        // Machines of QEMU's, by software emulation: each takes all that the host has, so they come last and one at a time.
        test: {
          name: 'guest',
          include: ['test/guest/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 480_000,
          retry: 0,
          ...group(4),
          maxWorkers: 1,
        },
      },
    ],
  },
});
