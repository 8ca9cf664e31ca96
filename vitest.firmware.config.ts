import { defineConfig } from 'vitest/config';

// `npm run test:firmware`: whole boxes in an emulator, for minutes each. One after the other, and in their order.
export default defineConfig({
  test: {
    name: 'firmware',
    include: ['test/firmware/**/*.test.ts'],
    expect: { requireAssertions: true },
    testTimeout: 3_600_000,
    hookTimeout: 600_000,
    maxWorkers: 1,
    sequence: { shuffle: false },
    bail: 1,
  },
});
