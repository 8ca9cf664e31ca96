/**
 * Programs that a test plays.
 */
import type { Clock, Exec, ExecResult, Millis } from '../../../appliance/host/ports.ts';

/** One call of `run`. */
export interface ExecCall {
  readonly file: string;
  readonly args: readonly string[];
  readonly input: string | undefined;
  readonly timeout: Millis | undefined;
  readonly env: Readonly<Record<string, string>>;
}

/** How the next matching call ends; `takes` ms of virtual time. */
export interface ExecScript extends Partial<ExecResult> {
  readonly takes?: Millis;
  /** Instead: it cannot be started. */
  readonly error?: string;
}

/** A started coprocess, from the test's side. */
export interface PlayedProcess {
  readonly file: string;
  readonly args: readonly string[];
  /** Everything written to it. */
  written: string;
  closed: boolean;
  output(text: string, stream?: 'stdout' | 'stderr'): void;
  exit(status: number): void;
}

/** Answers each `run` by `script` (status 0 and no output where it leaves something out), and hands out each `start`. */
export class ScriptedExec implements Exec {
  readonly calls: ExecCall[] = [];
  readonly processes: PlayedProcess[] = [];
  /** Programs that are running now, by `run`. */
  running = 0;
  private readonly clock: Clock;
  private readonly script: (call: ExecCall) => ExecScript;

  constructor(clock: Clock, script: (call: ExecCall) => ExecScript = () => ({})) {
    this.clock = clock;
    this.script = script;
  }

  run(...[file, args, options = {}]: Parameters<Exec['run']>): Promise<ExecResult> {
    const { input, timeout, env = {} } = options;
    const call: ExecCall = { file, args, input, timeout, env };
    this.calls.push(call);
    const { takes = 0, error, status = 0, stdout = '', stderr = '' } = this.script(call);
    if (error !== undefined) return Promise.reject(new Error(`cannot start ${file}: ${error}`));
    const overdue = timeout !== undefined && takes > timeout;
    this.running++;
    return new Promise(resolve => {
      this.clock.after(`exec ${file}`, overdue ? timeout : takes, () => {
        this.running--;
        resolve(overdue ? { status: -1, stdout: '', stderr: '' } : { status, stdout, stderr });
      });
    });
  }

  start(...[file, args, onOutput, onExit]: Parameters<Exec['start']>): ReturnType<Exec['start']> {
    let open = true;
    const played: PlayedProcess = {
      file,
      args,
      written: '',
      closed: false,
      output: (text, stream = 'stdout') => {
        if (open) onOutput(text, stream);
      },
      exit: status => {
        if (open) onExit(status);
        open = false;
      },
    };
    this.processes.push(played);
    return {
      write: text => {
        if (open && !played.closed) played.written += text;
      },
      close: () => {
        played.closed = true;
      },
    };
  }
}
