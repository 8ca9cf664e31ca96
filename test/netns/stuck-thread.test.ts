/** A thread that hears nothing any more is ended all the same. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

test('one that runs in circles can be stopped', async () => {
  // Below the repository, so that it finds its packages.
  const directory = mkdtempSync(join(root, 'node_modules/.bvt-thread-'));
  try {
    const program = join(directory, 'stuck-thread.mjs');
    await build({
      ...{ bundle: true, platform: 'node', format: 'esm', target: 'node20' },
      ...{ logLevel: 'silent', packages: 'external' },
      entryPoints: [join(root, 'test/netns/programs/stuck-thread.ts')],
      outfile: program,
    });
    const { stdout } = await promisify(execFile)(process.execPath, [program], { timeout: 60_000 });
    expect(stdout).toMatch(/^ended \d+ 0\n$/);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
