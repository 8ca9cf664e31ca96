import { describe, expect, test } from 'vitest';
import { readOptions, UsageError } from '../../../labs/options.ts';

describe('the words behind npm run lab --', () => {
  test('nothing means the story', () => {
    expect(readOptions([])).toMatchObject({ command: 'story', words: [] });
  });

  test('options stand anywhere', () => {
    expect(readOptions(['run', 'network', '--json', 'f'])).toMatchObject({
      command: 'run',
      words: ['network'],
      options: { json: 'f', lab: undefined },
    });
    expect(readOptions(['--json', 'f'])).toMatchObject({ command: 'story', options: { json: 'f' } });
  });

  test('what follows the node of exec belongs to its command', () => {
    expect(readOptions(['exec', 'hq', 'ip', '-4', '--json', 'route'])).toMatchObject({
      command: 'exec',
      words: ['hq', 'ip', '-4', '--json', 'route'],
      options: { json: undefined },
    });
    expect(readOptions(['exec', '--lab', 'x', 'hq', 'exec'])).toMatchObject({
      words: ['hq', 'exec'],
      options: { lab: 'x' },
    });
  });

  test('an unknown option of exec is ours, not its command’s', () => {
    expect(() => readOptions(['exec', '--colour', 'hq', 'ls'])).toThrow("Unknown option '--colour'");
  });

  test('help is asked for before and behind a command', () => {
    for (const words of [['--help'], ['-h'], ['run', '--help'], ['exec', '--help']])
      expect(readOptions(words).options.help).toBe(true);
    expect(readOptions(['exec', 'hq', 'ls', '--help']).options.help).toBe(false);
  });

  test('a scenario that can be of any size is told its size; what is none is refused', () => {
    expect(readOptions(['run', 'roam-storm', '--servers', '6']).options.scale).toEqual({ servers: 6 });
    expect(readOptions(['run', 'roam-storm']).options.scale).toEqual({});
    for (const size of ['0', '-1', '1.5', 'many', '100000'])
      expect(() => readOptions(['run', 'roam-storm', `--seconds=${size}`])).toThrow(UsageError);
  });

  test('a lab that stays may have the lines of its file', () => {
    expect(readOptions(['up', '--wan']).options.wan).toBe(true);
    expect(readOptions(['up']).options.wan).toBe(false);
  });

  test('an unknown option is refused', () => {
    expect(() => readOptions(['up', '--colour'])).toThrow(UsageError);
  });

  test.each(['', '..', '../x', 'a/b', '.new', 'x'.repeat(64)])('the lab name %j is refused', name => {
    expect(() => readOptions(['up', '--lab', name])).toThrow(UsageError);
  });
});
