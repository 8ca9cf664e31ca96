/**
 * A check that the agent itself makes of one service, on this host.
 */
import type { Net } from '../../sdk/transport/environment.ts';
import type { Address } from '../../sdk/wire/address.ts';
import type { Clock, Exec, Timer } from '../host/ports.ts';
import type { LocalCheck } from './config.ts';

export interface LocalCheckPorts {
  readonly clock: Clock;
  readonly exec: Exec;
  readonly net: Net;
}

/** Where a service listens. */
export interface Target {
  readonly address: Address;
  readonly port: number;
}

/** Runs from start() to stop(); `onChange` hears of each change, with the reason. */
export class LocalChecker {
  /** False until it has passed: unknown health is never reported as good. */
  passing = false;
  private readonly check: LocalCheck;
  private readonly target: () => Target;
  private readonly ports: LocalCheckPorts;
  private readonly onChange: (passing: boolean, reason: string) => void;
  private streak = 0;
  private timer: Timer | undefined;
  private stopped = false;

  constructor(
    check: LocalCheck,
    target: () => Target,
    ports: LocalCheckPorts,
    onChange: (passing: boolean, reason: string) => void,
  ) {
    this.check = check;
    this.target = target;
    this.ports = ports;
    this.onChange = onChange;
  }

  start(): void {
    const fault = this.check.kind === 'tcp' ? this.connect() : this.run();
    fault.then(
      reason => this.take(reason),
      (error: Error) => this.take(error.message),
    );
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  /** `reason`: what was wrong; undefined = it passed. */
  private take(reason: string | undefined): void {
    if (this.stopped) return;
    const passed = reason === undefined;
    this.streak = passed === this.passing ? 0 : this.streak + 1;
    if (this.streak >= (passed ? this.check.rise : this.check.fall)) {
      this.passing = passed;
      this.streak = 0;
      this.onChange(passed, reason ?? 'passed');
    }
    this.timer = this.ports.clock.after('local-check', this.check.interval, () => this.start());
  }

  private connect(): Promise<string | undefined> {
    const { address, port } = this.target();
    const what = `${address} port ${port}`;
    return new Promise(resolve => {
      const done = (reason: string | undefined): void => {
        timer.cancel();
        stream.destroy();
        resolve(reason);
      };
      const timer = this.ports.clock.after('local-connect', this.check.timeout, () =>
        done(`${what}: no connection within ${this.check.timeout} ms`),
      );
      const stream = this.ports.net.connect(
        { address, port },
        {
          onOpen: () => done(undefined),
          onData: () => {},
          onClose: error => done(`${what}: ${error ?? 'closed'}`),
        },
      );
    });
  }

  private async run(): Promise<string | undefined> {
    const [file = '', ...args] = this.check.command ?? [];
    const { timeout } = this.check;
    const { status, stderr } = await this.ports.exec.run(file, args, { timeout });
    if (status === 0) return undefined;
    const said = stderr.trim().split('\n')[0]?.slice(0, 200) ?? '';
    return `${file}: ${status === -1 ? `not done within ${timeout} ms` : `status ${status}`} ${said}`.trim();
  }
}
