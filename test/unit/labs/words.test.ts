/** Commands in words: what containerlab splits, and what a shell reads back. */
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { quote, words } from '../../../labs/topology/words.ts';

describe('words', () => {
  test.each([
    ['ip  link set\teth0 up', ['ip', 'link', 'set', 'eth0', 'up']],
    [`sh -c 'echo "$x" | cat'`, ['sh', '-c', 'echo "$x" | cat']],
    [`a "b \\"c\\" \\n"`, ['a', 'b "c" \\n']],
    [`a\\ b c`, ['a b', 'c']],
    [`x''y ""`, ['xy', '']],
    ['', []],
    ['  ', []],
  ])('%j', (command, expected) => {
    expect(words(command)).toEqual(expected);
  });

  test.each([
    [`echo 'x`, 'column 6'],
    ['echo \\', 'backslash'],
  ])('%j is refused', (command, message) => {
    expect(() => words(command)).toThrow(message);
  });
});

test('a shell reads back what quote wrote', () => {
  const awkward = ['plain', 'two words', "it's", '$HOME', '', '*', 'a\\b', 'é', '"', 'x=1'];
  const back = execFileSync('sh', ['-c', `printf '%s\\n' ${awkward.map(quote).join(' ')}`], {
    encoding: 'utf8',
  });
  expect(back.split('\n').slice(0, -1)).toEqual(awkward);
  expect(words(awkward.map(quote).join(' '))).toEqual(awkward);
});
