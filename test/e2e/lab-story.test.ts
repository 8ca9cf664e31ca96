/** The lab as a user runs it: each scenario is played to its end, every step good, and the machine is as it was. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { takeDown } from '../../labs/runner/lab.ts';
import { poll } from '../../labs/scenario/poll.ts';
import type { Report } from '../../labs/scenario/report.ts';
import { holdings, hostSnapshot, namespacesOf, ROOT } from '../support/lab.ts';

const ids: string[] = [];
const scratch = mkdtempSync(join(tmpdir(), 'bivouac-story-'));

afterAll(async () => {
  for (const id of ids) await takeDown(id);
  rmSync(scratch, { recursive: true });
});

/** Runs the lab's command line; `onText` sees stdout as it grows. */
function play(
  words: readonly string[],
  onText: (text: string) => void,
): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const args = [join(ROOT, 'dist/lab.mjs'), ...words];
  // Not from the project's directory: the lab must find its files by itself.
  const child = spawn(process.execPath, args, { cwd: scratch, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    onText(stdout);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', status => resolve({ status, stdout, stderr }));
  });
}

test.each([
  ['story', [], 16],
  ['network', ['run', 'network'], 5],
  ['ipv6', ['run', 'ipv6'], 6],
  ['roam', ['run', 'roam'], 11],
  ['partition', ['run', 'partition'], 8],
  ['anycast', ['run', 'anycast'], 8],
  ['gslb', ['run', 'gslb'], 16],
  ['mcu-by-gslb', ['run', 'mcu-by-gslb'], 13],
  // As large as a small machine carries.
  ['roam-storm', ['run', 'roam-storm', '--servers', '6', '--seconds', '15'], 6],
] as const)(
  '%s: played to its end, and nothing is left behind',
  { timeout: 240_000 },
  async (name, words, steps) => {
    const id = `${name}-${process.pid}`;
    ids.push(id);
    const file = join(scratch, `${name}.json`);
    const before = hostSnapshot();
    let spaces: readonly string[] = [];
    const { status, stdout, stderr } = await play([...words, '--json', file, '--lab', id], text => {
      if (spaces.length === 0 && text.includes('30 nodes up')) spaces = namespacesOf(id);
    });
    const failed = /^.* FAIL .*\n.*/m.exec(stdout)?.[0];
    // What a killed run of somebody else has left is cleared away, and told.
    const complaints = stderr.replaceAll(/^took down .*\n/gm, '');
    expect({ status, failed, complaints }, stdout).toEqual({ status: 0, failed: undefined, complaints: '' });

    const report = JSON.parse(readFileSync(file, 'utf8')) as Report;
    expect(report).toMatchObject({ scenario: name, ok: true });
    expect(report.steps).toHaveLength(steps);
    expect(report.steps.filter(step => !step.ok)).toEqual([]);
    expect(stdout.match(/^ ?\d+ {2}ok/gm)).toHaveLength(steps);
    expect(stdout).toMatch(new RegExp(`^${name}: ${steps} steps, all good, [\\d.]+ s\\n$`, 'm'));
    // What is no number becomes null in JSON.
    for (const { measured } of report.steps) expect(Object.values(measured)).not.toContain(null);

    expect(spaces).toHaveLength(30);
    expect(await poll('all is gone', () => holdings(id, spaces).length === 0)).toBe(true);
    expect(hostSnapshot()).toEqual(before);
    expect(existsSync(join(scratch, '.lab'))).toBe(false);
  },
);
