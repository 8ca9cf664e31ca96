import { defineConfig } from 'vitest/config';

// netns and e2e make kernel state of their own; each file takes namespaces with its own names, so files run in parallel.
const kernel = { testTimeout: 120_000, hookTimeout: 120_000, retry: 0 };

export default defineConfig({
  test: {
    sequence: { shuffle: { tests: true } },
    expect: { requireAssertions: true },
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'property',
          include: ['test/property/**/*.test.ts', 'test/fuzz/**/*.test.ts'],
          testTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: { name: 'netns', include: ['test/netns/**/*.test.ts'], ...kernel, maxWorkers: 3 },
      },
      { extends: true, test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], ...kernel, maxWorkers: 2 } },
    ],
  },
});
