/**
 * Programs that a build runs: to their end, one at a time. They get no locale, no time zone and no other variable of the builder's own
 * but where to find programs and proxies, so that none can change a bit of the image.
 */
import { spawnSync } from 'node:child_process';

/** A program that failed: what was run, and the end of what it said. */
export class RunError extends Error {}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  /** Statuses besides 0 that are no failure. */
  readonly accept?: readonly number[];
}

const KEPT = ['PATH', 'HOME', 'TMPDIR', 'http_proxy', 'https_proxy', 'no_proxy', 'npm_config_registry'];

/** Bytes of output that are kept. */
const OUTPUT = 64 * 1024 * 1024;

/**
 * What the program wrote to its standard output.
 *
 * @throws {RunError} when it cannot be started, or ends with a status that is not accepted.
 */
export function run(file: string, args: readonly string[], options: RunOptions = {}): string {
  const kept = KEPT.flatMap(name => (process.env[name] === undefined ? [] : [[name, process.env[name]]]));
  const done = spawnSync(file, args, {
    env: {
      ...Object.fromEntries(kept),
      PATH: `/usr/sbin:/sbin:${process.env['PATH'] ?? '/usr/bin:/bin'}`,
      LC_ALL: 'C.UTF-8',
      TZ: 'UTC',
      ...options.env,
    },
    encoding: 'utf8',
    maxBuffer: OUTPUT,
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    ...(options.input !== undefined && { input: options.input }),
  });
  const line = [file, ...args].join(' ').slice(0, 500);
  if (done.error) throw new RunError(`cannot run ${line}: ${done.error.message}`, { cause: done.error });
  if (done.status !== 0 && !options.accept?.includes(done.status ?? -1)) {
    const said = `${done.stdout}${done.stderr}`.trim().split('\n').slice(-30).join('\n');
    throw new RunError(`${line}\nended with ${done.signal ?? `status ${done.status}`}:\n${said}`);
  }
  return done.stdout;
}

/** Removes a tree, but nothing that is mounted in it. */
export function removeTree(path: string): void {
  run('rm', ['-rf', '--one-file-system', '--', path]);
}
