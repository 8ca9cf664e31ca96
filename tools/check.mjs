// The fast gate: format and lint, types, dead code, unit, property and architecture tests. Runs all of them, then says which failed.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const steps = [
  ['format and lint', 'biome', 'ci', '--diagnostic-level=warn', '--error-on-warnings'],
  ['types', 'tsc'],
  ['dead code', 'knip'],
  ['tests', 'vitest', 'run', '--project', 'unit', '--project', 'property'],
];

const failed = steps.filter(([title, program, ...args]) => {
  const started = process.hrtime.bigint();
  const { status } = spawnSync(join(root, 'node_modules/.bin', program), args, {
    cwd: root,
    stdio: 'inherit',
  });
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  console.log(`${status === 0 ? 'passed' : 'FAILED'}: ${title} (${seconds.toFixed(1)} s)`);
  return status !== 0;
});
process.exitCode = failed.length === 0 ? 0 : 1;
