import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';

const MODULE = resolve(import.meta.dirname, '../../../appliance/host/compilers.ts');

/** %GetOptimizationStatus(): its bits 4 to 6 are set for a function with code of Maglev, of Turbofan, or that is interpreted. */
const PROGRAM = `
import { compileAgain, interpretFirst } from './compilers.js';
const compiled = () => {
  const hot = new Function('n', 'let sum = 0; for (let i = 0; i < n; i++) sum = (sum * 31 + i) | 0; return sum');
  for (let round = 0; round < 3000; round++) hot(1000);
  return (%GetOptimizationStatus(hot) & 0b110000) !== 0;
};
const told = [compiled()];
interpretFirst();
told.push(compiled());
compileAgain();
told.push(compiled());
console.log(JSON.stringify(told));
`;

test('what is hot is compiled, but between interpretFirst and compileAgain', async () => {
  const { buildSync } = await import('esbuild');
  const { outputFiles } = buildSync({
    entryPoints: [MODULE],
    format: 'esm',
    platform: 'node',
    write: false,
  });
  const module = Buffer.from(outputFiles[0]!.contents).toString('base64');
  const program = PROGRAM.replace('./compilers.js', `data:text/javascript;base64,${module}`);
  const words = [
    '--allow-natives-syntax',
    '--no-concurrent-recompilation',
    '--input-type=module',
    '-e',
    program,
  ];
  expect(JSON.parse(execFileSync(process.execPath, words, { encoding: 'utf8' }))).toEqual([
    true,
    false,
    true,
  ]);
});
