/** A node of a running lab, and running programs in it. */
import { spawn as spawnChild } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type Finished, must, Running, type RunOptions, run } from './process.ts';
import { directory, type NodeState } from './state.ts';

export class LabNode {
  readonly name: string;
  /** Process 1 of the node, as the host counts. */
  readonly pid: number;
  readonly #env: Readonly<Record<string, string>>;
  readonly #lab: string;
  readonly #command: readonly string[];

  constructor(lab: string, name: string, state: NodeState, command: readonly string[]) {
    this.#lab = lab;
    this.name = name;
    this.pid = state.pid;
    this.#env = state.env;
    this.#command = command;
  }

  /** What the node's own command writes, on the host. */
  get logFile(): string {
    return join(directory(this.#lab), `${this.name}.log`);
  }

  /** The words that run a command inside. The program dies with nsenter, and that with whoever has started it. */
  enter(command: readonly string[], files?: RunOptions['files']): string[] {
    const tied = ['setpriv', '--pdeathsig', 'KILL', '--'];
    const spaces = files === 'host' ? '--net' : '--all';
    return [...tied, 'nsenter', '--target', String(this.pid), spaces, '--', ...tied, ...command];
  }

  /** A directory of the host for files of its own; it goes with the lab. */
  get directory(): string {
    const path = join(directory(this.#lab), `${this.name}.files`);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** Runs a program to its end, whatever its status. */
  exec(command: readonly string[], options: RunOptions = {}): Promise<Finished> {
    return run(this.enter(command, options.files), this.#options(options));
  }

  /** Runs a program that must succeed; gives its stdout. Errors name the node. */
  async must(command: readonly string[], options: RunOptions = {}): Promise<string> {
    const words = this.enter(command, options.files);
    try {
      return await must(words, this.#options(options));
    } catch (error) {
      const reason = (error as Error).message.replace(words.join(' '), command.join(' '));
      throw new Error(`${this.name}: ${reason}`);
    }
  }

  /** Starts a program that stays. */
  spawn(command: readonly string[], options: RunOptions = {}): Running {
    // nsenter becomes the program unless that is to be in another pid namespace.
    const wrapper = options.files !== 'host';
    return new Running(this.enter(command, options.files), { ...this.#options(options), wrapper });
  }

  /** Runs a program on this terminal; gives its exit status. */
  attach(command: readonly string[]): Promise<number> {
    const [file = '', ...args] = this.enter(command);
    const child = spawnChild(file, args, {
      stdio: 'inherit',
      env: { ...this.#env, TERM: process.env['TERM'] ?? 'dumb' },
    });
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', code => resolve(code ?? 130));
    });
  }

  /** Starts the node's command, as the container's runtime would; its output goes to `logFile`. */
  async boot(): Promise<void> {
    if (this.#command.length === 0) return;
    const log = openSync(this.logFile, 'a');
    // setsid forks, so the command becomes a child of the node's process 1 and nsenter ends.
    const [file = '', ...args] = [
      ...['nsenter', '--target', String(this.pid), '--all', '--'],
      ...['setsid', '--fork', ...this.#command],
    ];
    const child = spawnChild(file, args, { stdio: ['ignore', log, log], env: { ...this.#env } });
    closeSync(log);
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', code =>
        code === 0
          ? resolve()
          : reject(new Error(`${this.name}: its command could not be started: ${this.#command.join(' ')}`)),
      );
    });
  }

  /** Ends every process of the node but its first, at once and without notice. Links and addresses stay. */
  crash(): void {
    for (const pid of this.#processes()) if (pid !== this.pid) process.kill(pid, 'SIGKILL');
  }

  /** The processes in the node's pid namespace, as the host counts. */
  #processes(): number[] {
    const space = readlinkSync(`/proc/${this.pid}/ns/pid`);
    return readdirSync('/proc')
      .filter(name => {
        try {
          return /^\d+$/.test(name) && readlinkSync(`/proc/${name}/ns/pid`) === space;
        } catch {
          return false;
        }
      })
      .map(Number);
  }

  #options(options: RunOptions): RunOptions {
    return { ...options, env: { ...this.#env, ...options.env } };
  }
}
