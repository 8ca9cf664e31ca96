/**
 * Other programs: run to their end, or kept and fed lines.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Coprocess, Exec, ExecResult, Millis } from './ports.ts';

/** Bytes of stdout, and of stderr, that `run` keeps; the rest is read and dropped, so that the program never blocks on it. */
const OUTPUT_LIMIT = 1024 * 1024;

/** Bytes that a coprocess may leave unread before it counts as stuck and is ended. */
const INPUT_LIMIT = 16 * 1024 * 1024;

/** How long a program that has exited is waited for when a child of its own still holds the pipes. */
const PIPE_GRACE: Millis = 500;

/** How long a closed coprocess may take to leave before SIGTERM, and again before SIGKILL. */
const LEAVE_GRACE: Millis = 2_000;

/**
 * Programs get PATH, HOME, the C locale and what `env` adds: nothing else of the daemon's own environment. Each has a process
 * group of its own, which a timeout ends as a whole.
 */
export const createExec = (): Exec => ({ run, start });

const environment = (extra: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: process.env['HOME'] ?? '/',
  LC_ALL: 'C',
  ...extra,
});

function run(
  file: string,
  args: readonly string[],
  options: Parameters<Exec['run']>[2] = {},
): Promise<ExecResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { env: environment(options.env), detached: true, stdio: 'pipe' });
    const stdout = gather(child.stdout);
    const stderr = gather(child.stderr);
    let status = -1;
    const overdue =
      options.timeout === undefined
        ? undefined
        : setTimeout(() => endGroup(child, 'SIGKILL'), options.timeout);
    const settle = (): void => {
      clearTimeout(overdue);
      child.stdout.destroy();
      child.stderr.destroy();
      resolve({ status, stdout: stdout(), stderr: stderr() });
    };
    child.once('error', error => {
      clearTimeout(overdue);
      if (child.pid === undefined)
        reject(new Error(`cannot start ${file}: ${error.message}`, { cause: error }));
    });
    child.once('exit', code => {
      status = code ?? -1;
      const grace = setTimeout(settle, PIPE_GRACE);
      child.once('close', () => {
        clearTimeout(grace);
        settle();
      });
    });
    child.stdin.on('error', () => {}); // EPIPE: it need not read its input; its exit status says what it thought.
    child.stdin.end(options.input ?? '');
  });
}

function start(...[file, args, onOutput, onExit]: Parameters<Exec['start']>): Coprocess {
  const child = spawn(file, args, { env: environment(), detached: true, stdio: 'pipe' });
  const ends: NodeJS.Timeout[] = [];
  let open = true;
  const exited = (status: number): void => {
    if (!open) return;
    open = false;
    for (const end of ends) clearTimeout(end);
    onExit(status);
  };
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].setEncoding('utf8').on('data', (text: string) => onOutput(text, stream));
  child.stdin.on('error', () => {}); // EPIPE: onExit follows.
  child.once('error', error => {
    if (child.pid !== undefined) return;
    onOutput(`cannot start ${file}: ${error.message}\n`, 'stderr');
    exited(-1);
  });
  // Of a program that leaves a child with its pipes behind, 'close' may never come.
  child.once('exit', code => ends.push(setTimeout(() => exited(code ?? -1), PIPE_GRACE)));
  child.once('close', code => exited(code ?? -1));
  return {
    write(text) {
      if (!open || child.stdin.writableEnded) return;
      child.stdin.write(text);
      if (child.stdin.writableLength > INPUT_LIMIT) endGroup(child, 'SIGKILL');
    },
    close() {
      if (!open || child.stdin.writableEnded) return;
      child.stdin.end();
      ends.push(setTimeout(() => endGroup(child, 'SIGTERM'), LEAVE_GRACE).unref());
      ends.push(setTimeout(() => endGroup(child, 'SIGKILL'), 2 * LEAVE_GRACE).unref());
    },
  };
}

/** Ends a program and what it started, as far as that stayed in its group. */
function endGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // ESRCH: it has just left by itself.
  }
}

/** Reads a pipe to its end; the returned function gives the text of its first OUTPUT_LIMIT bytes. */
function gather(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let room = OUTPUT_LIMIT;
  stream.on('data', (chunk: Buffer) => {
    if (room > 0) chunks.push(chunk.subarray(0, room));
    room -= chunk.length;
  });
  return () => Buffer.concat(chunks).toString('utf8');
}
