import { execFileSync } from 'node:child_process';
import { expect, test, vi } from 'vitest';
import { agent } from '../../../appliance/commands/agent.ts';
import { box } from '../../../appliance/commands/box.ts';
import { checkConfig } from '../../../appliance/commands/check-config.ts';
import { completion, script } from '../../../appliance/commands/completion.ts';
import { gslb } from '../../../appliance/commands/gslb.ts';
import { OPTIONS, PKI_OPTIONS } from '../../../appliance/commands/options.ts';
import { pki } from '../../../appliance/commands/pki.ts';
import { query } from '../../../appliance/commands/query.ts';
import { run } from '../../../appliance/commands/run.ts';
import { show } from '../../../appliance/commands/show.ts';
import { techSupport } from '../../../appliance/commands/tech-support.ts';
import { update } from '../../../appliance/commands/update.ts';
import { VIEWS } from '../../../appliance/operator/views.ts';

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

test.each(Object.entries(OPTIONS))(
  'every flag that %s takes, and none that it does not',
  (command, options) => {
    expect(complete(command, '--').sort()).toEqual(
      Object.keys(options)
        .map(name => `--${name}`)
        .sort(),
    );
  },
);

test.each(Object.entries(PKI_OPTIONS))('every flag that pki %s takes', (verb, options) => {
  expect(complete('pki', verb, '--').sort()).toEqual(
    Object.keys(options)
      .map(name => `--${name}`)
      .sort(),
  );
  expect(complete('pki', verb, 'DIR', '--').length).toBe(Object.keys(options).length);
});

test('every view, also behind a flag', () => {
  expect(complete('show', '--json', '').filter(word => !word.startsWith('--'))).toEqual(Object.keys(VIEWS));
});

test.each([...Object.keys(OPTIONS).map(command => [command, '--help']), ['pki', '--help']])(
  '%s tells of each of its flags',
  async command => {
    const output: string[] = [];
    const log = vi.spyOn(console, 'log').mockImplementation(text => void output.push(String(text)));
    try {
      const write = { out: (text: string) => void output.push(text), err: () => {} };
      await COMMANDS[command!]!(['--help'], write);
    } finally {
      log.mockRestore();
    }
    const options =
      command === 'pki'
        ? Object.assign({}, ...Object.values(PKI_OPTIONS))
        : OPTIONS[command as keyof typeof OPTIONS];
    expect(output.join('\n')).toMatch(/^usage: bivouac/);
    for (const name of Object.keys(options).filter(one => one !== 'help'))
      expect(output.join('\n')).toContain(`--${name}`);
  },
);

type Command = (args: string[], output: Parameters<typeof pki>[1]) => Promise<number>;
const COMMANDS: Readonly<Record<string, Command>> = {
  ...{ run, agent, query, show, gslb, completion, pki, update, box },
  'check-config': checkConfig,
  'tech-support': techSupport,
};
