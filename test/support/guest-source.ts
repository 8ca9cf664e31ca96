/** A program of the tests, bundled from its source, in a guest. */
import { mkdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build } from 'esbuild';
import { bootGuestProgram, type GuestProgram } from './guest-program.ts';
import { ROOT } from './root.ts';

/** Below the repository, so that the program finds its packages; and as deep in it as the sources are that it is made of. */
const PROGRAMS = join(ROOT, 'dist/guest');

/** Boots a guest that runs a source file of the repository, and waits until it answers. */
export async function startGuestProgram(source: string): Promise<GuestProgram> {
  mkdirSync(PROGRAMS, { recursive: true });
  const program = join(PROGRAMS, `${basename(source, '.ts')}-${process.pid}.mjs`);
  await build({
    ...{ bundle: true, platform: 'node', format: 'esm', target: 'node20' },
    ...{ packages: 'external', logLevel: 'silent', sourcemap: 'inline' },
    entryPoints: [join(ROOT, source)],
    outfile: program,
  });
  return bootGuestProgram(program, () => rmSync(program, { force: true }));
}
