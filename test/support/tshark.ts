/** tshark over captures, with the project's dissector. Errors of Lua fail the test. */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const DISSECTOR = fileURLToPath(new URL('../../docs/wireshark/bivouac.lua', import.meta.url));

/** What tshark prints with the dissector loaded. Throws if it fails, or if it or Lua complains. */
export async function tshark(...args: string[]): Promise<string> {
  const { stdout, stderr } = await run('tshark', ['-X', `lua_script:${DISSECTOR}`, ...args], {
    maxBuffer: 64 * 1024 * 1024,
  });
  const complaints = stderr.split('\n').filter(line => line !== '' && !/^Running as user "root"/.test(line));
  if (complaints.length > 0 || /Lua Error/i.test(stdout)) throw new Error(`tshark: ${complaints.join('\n')}`);
  return stdout;
}

/** A report of what tshark knows (`-G`), with the dissector installed as a user would install it. */
export async function glossary(kind: string): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'bivouac-home-'));
  try {
    const plugins = join(home, '.local/lib/wireshark/plugins');
    await mkdir(plugins, { recursive: true });
    await copyFile(DISSECTOR, join(plugins, 'bivouac.lua'));
    const env = { ...process.env, HOME: home, XDG_CONFIG_HOME: join(home, '.config') };
    const { stdout } = await run('tshark', ['-G', kind], { env, maxBuffer: 256 * 1024 * 1024 });
    return stdout;
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

/** All values of these fields, a row for each frame of the capture. */
export async function fields(
  file: string,
  names: readonly string[],
  ...args: string[]
): Promise<string[][][]> {
  const output = await tshark(
    '-r',
    file,
    ...args,
    ...['-T', 'fields', '-E', 'separator=/t', '-E', 'aggregator=\u0001', '-E', 'occurrence=a'],
    ...names.flatMap(name => ['-e', name]),
  );
  const rows = output.split('\n').slice(0, -1);
  return rows.map(row => row.split('\t').map(cell => (cell === '' ? [] : cell.split('\u0001'))));
}

/** Gives a file of these bytes to `use`, and removes it afterwards. */
export async function withFile<T>(bytes: Uint8Array | string, use: (path: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'bivouac-capture-'));
  try {
    const path = join(folder, 'file');
    await writeFile(path, bytes);
    return await use(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
