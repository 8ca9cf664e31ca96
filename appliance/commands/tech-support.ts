/**
 * `bivouac tech-support`: everything that is needed to help, with all secrets taken out, in one file. Works with a manager that is dead, and
 * where there is no image. Exit status: 0 written, 1 failed, 2 usage.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { namedFiles } from '../box/bundle.ts';
import { redactor } from '../box/redact.ts';
import { finish, PATIENCE, type Section, sections, TOTAL_LIMIT } from '../box/support.ts';
import { writeTar } from '../box/tar.ts';
import { createExec } from '../host/exec.ts';
import { textOf } from './box/facts.ts';
import { OPTIONS } from './options.ts';
import { ask, DEFAULT_SOCKET } from './show.ts';

const USAGE = `usage: bivouac tech-support [--output FILE] [--config FILE] [--socket PATH]

Gathers configuration, journal, the state of manager, kernel and FRR, and writes them as FILE (default: bivouac-support-HOST-TIME.tar.gz in
/tmp; - is standard output). Keys, passwords and cookies are taken out; addresses and names are not.`;

/** Where a manager's configuration is. */
const CONFIGS = ['/run/bivouac/bivouac.json', '/etc/bivouac/bivouac.json'];
/** Sections that are gathered at once. */
const AT_ONCE = 4;

export async function techSupport(args: string[]): Promise<number> {
  let values: {
    readonly output?: string;
    readonly config?: string;
    readonly socket?: string;
    readonly help?: boolean;
  };
  try {
    ({ values } = parseArgs({ args, options: OPTIONS['tech-support'] }));
  } catch (error) {
    console.error(`bivouac tech-support: ${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  if (values.help === true) {
    console.log(USAGE);
    return 0;
  }
  const time = new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '');
  const { output = `/tmp/bivouac-support-${hostname()}-${time}.tar.gz`, socket = DEFAULT_SOCKET } = values;
  const config = values.config ?? CONFIGS.find(path => existsSync(path)) ?? CONFIGS[1]!;
  const { bytes, failed } = await gather(config, socket);
  try {
    if (output === '-') process.stdout.write(bytes);
    else {
      mkdirSync(dirname(resolve(output)), { recursive: true });
      writeFileSync(output, bytes, { mode: 0o600 });
      console.log(
        `${output}  ${Math.ceil(bytes.length / 1024)} KiB; sections that could not be had: ${failed.join(', ') || 'none'}`,
      );
    }
    return 0;
  } catch (error) {
    console.error(`bivouac tech-support: ${(error as Error).message}`);
    return 1;
  }
}

/** The archive; what could not be had is said in its section, and named. */
async function gather(
  config: string,
  socket: string,
): Promise<{ readonly bytes: Uint8Array; readonly failed: readonly string[] }> {
  const redact = redactor(secretsOf(config));
  const waiting = [...sections(config)];
  const texts = new Map<string, string>();
  const failed: string[] = [];
  const work = async (): Promise<void> => {
    for (let section = waiting.shift(); section !== undefined; section = waiting.shift()) {
      const { name } = section;
      try {
        texts.set(name, await read(section, socket));
      } catch (error) {
        failed.push(name);
        texts.set(name, `could not be had: ${(error as Error).message}\n`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  let room = TOTAL_LIMIT;
  const files = sections(config).map(({ name }) => {
    const text = finish(texts.get(name) ?? '', redact, room);
    room -= text.length;
    return { name, bytes: new TextEncoder().encode(text) };
  });
  return { bytes: gzipSync(writeTar(files)), failed: failed.sort() };
}

async function read(section: Section, socket: string): Promise<string> {
  if ('file' in section) return readFileSync(section.file, 'utf8');
  if ('show' in section) {
    const answer = await ask(socket, { show: section.show });
    if ('error' in answer) throw new Error(answer.error);
    return `${JSON.stringify(answer.rows, null, 1)}\n`;
  }
  const [program, ...args] = section.run;
  const { status, stdout, stderr } = await createExec().run(program, args, { timeout: PATIENCE });
  if (status !== 0 && stdout === '')
    throw new Error(
      `${section.run.join(' ')}: ${status < 0 ? `no end within ${PATIENCE} ms` : stderr.trim()}`,
    );
  return status === 0 ? stdout : `${stdout}\n[status ${status}]\n${stderr}`;
}

/** All that must not leave the box: private keys and passwords that the configuration names, and those in its directory and the state. */
function secretsOf(config: string): readonly string[] {
  const directory = dirname(resolve(config));
  const paths = new Set<string>();
  try {
    for (const [purpose, name] of namedFiles(readFileSync(config, 'utf8')))
      if (purpose === 'tls.key' || purpose === 'routing.password') paths.add(resolve(directory, name));
  } catch {
    // No configuration, or none that can be read: then what is in its directory has to do.
  }
  for (const where of [directory, '/var/lib/bivouac', '/state/ssh', '/etc/ssh'])
    for (const name of names(where))
      if (/\.key$|_key$|password|secret/.test(name)) paths.add(join(where, name));
  return [...paths].map(path => textOf(path) ?? '').filter(text => text.trim() !== '');
}

function names(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
