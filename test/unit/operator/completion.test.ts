import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { script } from '../../../appliance/commands/completion.ts';

/** What bash offers for the words typed so far. */
const complete = (...words: string[]): string[] =>
  execFileSync(
    'bash',
    [
      '-c',
      `${script()}\nCOMP_WORDS=(bivouac "$@"); COMP_CWORD=$#; _bivouac; printf '%s\\n' "\${COMPREPLY[@]}"`,
      'bash',
      ...words,
    ],
    { encoding: 'utf8' },
  )
    .split('\n')
    .filter(word => word !== '');

test('commands, then what each may show', () => {
  expect(complete('s')).toEqual(['show']);
  expect(complete('show', 'se')).toEqual(['servers', 'services']);
  expect(complete('pki', 'i')).toEqual(['init', 'issue']);
});
