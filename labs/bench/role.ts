/**
 * Programs of the benchmarks that run in a namespace of their own: told what to do by lines, they say what happened, and when, by
 * lines of JSON.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Namespace, Network } from '../../test/support/netns.ts';
import { poll } from '../scenario/poll.ts';

/** A line of a program: what happened, and what belongs to it. */
export interface Said {
  readonly event: string;
  readonly [field: string]: unknown;
}

/** Where the bundles are; all benchmarks stand beside each other. */
export const bundles = dirname(fileURLToPath(import.meta.url));

export class Role {
  readonly child: ChildProcess;
  private readonly heard: Said[] = [];
  private complaint = '';

  /** `program`: the name of the bundle, without `bench-` and `.mjs`. */
  constructor(network: Network, namespace: Namespace, program: string, options: object) {
    const file = join(bundles, `bench-${program}.mjs`);
    if (!existsSync(file)) throw new Error(`${file} is not there; run npm run build`);
    this.child = spawn(
      'ip',
      ['netns', 'exec', namespace.name, process.execPath, file, JSON.stringify(options)],
      { stdio: 'pipe' },
    );
    network.adopt(this.child);
    createInterface({ input: this.child.stdout! }).on('line', line =>
      this.heard.push(JSON.parse(line) as Said),
    );
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.complaint += text;
    });
    this.child.stdin!.on('error', () => {});
  }

  /** How much it has said so far: what comes later is `since` this. */
  get mark(): number {
    return this.heard.length;
  }

  tell(command: string): void {
    this.child.stdin!.write(`${command}\n`);
  }

  /** The first line of this kind since `mark`. Throws when it does not come. */
  async until<T extends object>(
    event: string,
    since = 0,
    test: (said: Said) => boolean = () => true,
    timeout = 20_000,
  ): Promise<Said & T> {
    let next = since;
    const wanted = (): Said | undefined => {
      while (next < this.heard.length) {
        const said = this.heard[next++]!;
        if (said.event === event && test(said)) return said;
      }
      if (this.child.exitCode !== null) throw new Error(`it ended: ${this.complaint.slice(-1000)}`);
      return undefined;
    };
    const said = await poll(`'${event}'`, wanted, { timeout, interval: 3 });
    return said as Said & T;
  }

  /** Asks, and waits for the answer of that kind. */
  ask<T extends object>(command: string, answer: string, timeout?: number): Promise<Said & T> {
    const { mark } = this;
    this.tell(command);
    return this.until<T>(answer, mark, undefined, timeout);
  }

  /** Ends it, and waits for that. */
  async stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = new Promise(resolve => this.child.once('exit', resolve));
    this.child.kill(signal);
    await exited;
  }
}
