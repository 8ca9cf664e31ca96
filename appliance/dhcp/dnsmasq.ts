/**
 * Keeps a dnsmasq of our own running as the configuration says, and takes over none that is not.
 */
import type { DhcpCell } from '../config/config.ts';
import type { Clock, Coprocess, Exec, Files, Links, Log, Millis, Timer } from '../host/ports.ts';
import { type RenderOptions, renderDnsmasq, type ServedCell, serve } from './render.ts';

/** How often the interfaces are looked at. */
const LOOK: Millis = 1000;
/** After it ended by itself: first and longest wait. */
const FIRST_RETRY: Millis = 500;
const LONGEST_RETRY: Millis = 30_000;
/** One that runs so long has no fault that shows at the start. */
const SETTLED: Millis = 2_000;
/** One that ran so long was well. */
const WELL: Millis = 10_000;
/** How long it may take to end. */
const LEAVE: Millis = 3_000;
const LEAVE_LOOK: Millis = 20;
const TEST_TIMEOUT: Millis = 5_000;

export interface DhcpOptions extends RenderOptions {
  readonly clock: Clock;
  readonly exec: Exec;
  readonly files: Files;
  readonly links: Links;
  readonly log: Log;
  /** All that is not served, and why, in sentences; again whenever it changes. */
  readonly onProblems: (problems: readonly string[]) => void;
}

export interface Dhcp {
  /** Serves these cells from now on; none: no dnsmasq runs. */
  set(cells: readonly DhcpCell[]): void;
  /** Whether dnsmasq runs now. */
  readonly running: boolean;
  /** Ends it, and resolves when it has ended. */
  close(): Promise<void>;
}

export const createDhcp = (options: DhcpOptions): Dhcp => new Supervisor(options);

class Supervisor implements Dhcp {
  private readonly options: DhcpOptions;
  private readonly conf: string;
  private cells: readonly DhcpCell[] = [];
  /** The configuration that is to run, and that runs; undefined: none. */
  private wanted: string | undefined;
  private applied: string | undefined;
  private process: Coprocess | undefined;
  private began: Millis = 0;
  private retry = FIRST_RETRY;
  private timers: { look?: Timer; retry?: Timer } = {};
  private problems = '[]';
  private refused: { readonly text: string; readonly sentence: string } | undefined;
  private failure: string | undefined;
  private lastWords = '';
  private working: Promise<void> = Promise.resolve();
  private closed = false;
  /** Another may have been left behind by a manager that crashed; looked for once. */
  private alone = false;

  constructor(options: DhcpOptions) {
    this.options = options;
    this.conf = `${options.directory}/dnsmasq.conf`;
  }

  get running(): boolean {
    return this.process !== undefined;
  }

  set(cells: readonly DhcpCell[]): void {
    this.cells = cells;
    this.look();
  }

  async close(): Promise<void> {
    this.closed = true;
    this.timers.look?.cancel();
    this.timers.retry?.cancel();
    await this.working;
    await this.end();
  }

  private look(): void {
    this.timers.look?.cancel();
    if (this.closed) return;
    const outcomes = this.cells.map(cell => serve(cell, this.options.links.list()));
    const served = outcomes.filter((outcome): outcome is ServedCell => typeof outcome !== 'string');
    const problems = outcomes.filter(outcome => typeof outcome === 'string');
    if (this.process !== undefined && this.options.clock.now() - this.began >= SETTLED)
      this.failure = undefined;
    this.wanted = served.length === 0 ? undefined : renderDnsmasq(served, this.options);
    if (this.refused !== undefined && this.refused.text === this.wanted) problems.push(this.refused.sentence);
    if (this.failure !== undefined && this.wanted !== undefined) problems.push(this.failure);
    this.report(problems);
    if (this.wanted !== this.applied) this.working = this.working.then(() => this.apply());
    if (this.cells.length > 0)
      this.timers.look = this.options.clock.after('dhcp-look', LOOK, () => this.look());
  }

  /** Makes what runs be what is wanted. Never rejects. */
  private async apply(): Promise<void> {
    const text = this.wanted;
    if (this.closed || text === this.applied || (text !== undefined && text === this.refused?.text)) return;
    try {
      const sentence = text === undefined ? undefined : await this.fault(text);
      if (text !== undefined && sentence !== undefined) {
        // The one that runs stays.
        this.refused = { text, sentence };
        return;
      }
      await this.end();
      this.applied = text;
      if (text !== undefined) {
        this.options.files.write(this.conf, text, 0o644);
        this.start();
      }
    } catch (error) {
      this.failure = `dnsmasq cannot be run: ${(error as Error).message}`;
    }
  }

  /** What dnsmasq has against a configuration. */
  private async fault(text: string): Promise<string | undefined> {
    const { files, exec, directory } = this.options;
    const trial = `${this.conf}.new`;
    files.makeDirectory(directory);
    files.write(trial, text, 0o644);
    const { status, stderr } = await exec.run('dnsmasq', ['--test', '-C', trial], { timeout: TEST_TIMEOUT });
    files.remove(trial);
    return status === 0 ? undefined : `dnsmasq refuses its configuration: ${stderr.trim()}`;
  }

  private start(): void {
    const { exec, clock, log } = this.options;
    this.began = clock.now();
    this.lastWords = '';
    const process = exec.start(
      'dnsmasq',
      ['--keep-in-foreground', '-C', this.conf],
      text => {
        this.lastWords = text.trim().slice(-500);
      },
      status => {
        if (this.process === process) this.exited(status);
      },
    );
    this.process = process;
    this.alone = true;
    log('info', 'dhcp-started', { interfaces: this.cells.map(cell => cell.interface) });
  }

  private exited(status: number): void {
    const { clock, log } = this.options;
    this.process = undefined;
    if (clock.now() - this.began >= WELL) this.retry = FIRST_RETRY;
    this.failure = `dnsmasq ended (status ${status}): ${this.lastWords || 'it did not say why'}`;
    log('warning', 'dhcp-ended', { status, sentence: this.lastWords, again: this.retry });
    this.timers.retry = clock.after('dhcp-retry', this.retry, () => {
      if (!this.closed && this.process === undefined && this.applied !== undefined) this.start();
    });
    this.retry = Math.min(2 * this.retry, LONGEST_RETRY);
    this.look();
  }

  /** Ends ours, and one of ours that an earlier manager left behind; resolves when it has ended, or will not. */
  private async end(): Promise<void> {
    const { clock, exec } = this.options;
    this.timers.retry?.cancel();
    const { process } = this;
    this.process = undefined;
    process?.close();
    if (process === undefined && this.alone) return;
    const pid = this.pid();
    if (pid === undefined) return;
    await exec.run('sh', ['-c', 'kill "$1"', 'sh', pid], { timeout: TEST_TIMEOUT });
    const until = clock.now() + LEAVE;
    while (this.pid() === pid && clock.now() < until)
      await new Promise<void>(resolve => clock.after('dhcp-leave', LEAVE_LOOK, resolve));
  }

  /** The pid of a dnsmasq that runs with our configuration file; numbers are used again, so its command line is looked at. */
  private pid(): string | undefined {
    const { files, directory } = this.options;
    const pid = files.read(`${directory}/dnsmasq.pid`)?.trim() ?? '';
    if (!/^\d+$/.test(pid)) return undefined;
    const words = files.read(`/proc/${pid}/cmdline`)?.split('\0') ?? [];
    return words.includes(this.conf) ? pid : undefined;
  }

  private report(problems: readonly string[]): void {
    const text = JSON.stringify(problems);
    if (text === this.problems) return;
    this.problems = text;
    this.options.onProblems(problems);
  }
}
