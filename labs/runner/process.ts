/** Running programs: to their end with their output, or left running with a handle. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** A program that ran to its end. */
export interface Finished {
  /** Exit status; 128 + the signal's number when a signal ended it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds until it is killed; 30,000 unless told. */
  readonly timeout?: number;
  /** Of a program in a node: whose file system it is of, and sees. The node's, unless told; `host`: of the node it has the network alone. */
  readonly files?: 'host';
  /** The program only wraps another (nsenter, as the parent of a process in another pid namespace): signals are meant for that one. */
  readonly wrapper?: boolean;
}

/** A program that is still running. */
export class Running {
  readonly #child: ChildProcess;
  readonly #wrapper: boolean;
  #stdout = '';
  #stderr = '';
  #lines = 0;
  readonly #waiting = new Set<() => void>();
  /** When it ends, and how. Never rejects. */
  readonly ended: Promise<Finished>;
  #finished: Finished | undefined;

  constructor(command: readonly string[], options: RunOptions = {}) {
    const [file = '', ...args] = command;
    this.#wrapper = options.wrapper ?? false;
    this.#child = spawn(file, args, {
      env: options.env ?? process.env,
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      this.#wake();
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    // A program that does not read its input is its own affair; its exit status tells.
    this.#child.stdin?.on('error', () => {});
    this.#child.stdin?.end(options.input);
    this.ended = new Promise(resolve => {
      const finish = (status: number, more = ''): void => {
        this.#finished = { status, stdout: this.#stdout, stderr: this.#stderr + more };
        this.#wake();
        resolve(this.#finished);
      };
      this.#child.once('error', error => finish(127, error.message));
      this.#child.once('close', (code, signal) => finish(code ?? 128 + (signal === 'SIGKILL' ? 9 : 15)));
    });
  }

  /** What it has written to stdout so far. */
  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** The next whole line of stdout; undefined when it ends first. */
  async line(): Promise<string | undefined> {
    for (;;) {
      const lines = this.#stdout.split('\n');
      if (lines.length - 1 > this.#lines) return lines[this.#lines++];
      if (this.#finished) return undefined;
      await new Promise<void>(resolve => this.#waiting.add(resolve));
    }
  }

  /** Whether its program, and not only the wrapper, is there and waits for something. */
  sleeps(): boolean {
    const pid = this.#wrapper ? childOf(this.#child.pid) : this.#child.pid;
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
      return (
        !['setpriv', 'nsenter', 'nice'].includes(name) && stat.slice(stat.lastIndexOf(')') + 2)[0] === 'S'
      );
    } catch {
      return false;
    }
  }

  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    const wrapped = this.#wrapper ? childOf(this.#child.pid) : undefined;
    if (this.#finished) return;
    if (wrapped === undefined) this.#child.kill(signal);
    else process.kill(wrapped, signal);
  }

  /** Ends it (SIGTERM, after 2 s SIGKILL) and returns what it wrote. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Finished> {
    this.kill(signal);
    const hard = setTimeout(() => this.kill('SIGKILL'), 2000);
    const finished = await this.ended;
    clearTimeout(hard);
    return finished;
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

/** The first child of a process, if it has one. */
function childOf(pid: number | undefined): number | undefined {
  try {
    const [first] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
    return first ? Number(first) : undefined;
  } catch {
    return undefined;
  }
}

/** Runs a program to its end. Rejects when it takes longer than `timeout`. */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const running = new Running(command, options);
  const limit = options.timeout ?? 30_000;
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    running.kill('SIGKILL');
  }, limit);
  const finished = await running.ended;
  clearTimeout(timer);
  if (late) throw new Error(`'${command.join(' ')}' took longer than ${limit / 1000} s and was ended`);
  return finished;
}

/** Runs a program that must succeed; throws with its command and stderr otherwise. Gives its stdout. */
export async function must(command: readonly string[], options: RunOptions = {}): Promise<string> {
  const { status, stdout, stderr } = await run(command, options);
  if (status !== 0)
    throw new Error(`'${command.join(' ')}' ended with status ${status}: ${(stderr || stdout).trim()}`);
  return stdout;
}
