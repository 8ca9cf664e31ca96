/**
 * Established TCP flows that must live: `node bench-flows.mjs JSON`. Each sends a numbered line now and then, and looks whether the
 * very same bytes come back.
 *
 *     check     says what became of the flows since the last check, once each has had an answer to a new line (or time is up);
 *               those that were lost are opened anew
 */
import { connect, type Socket } from 'node:net';
import { now } from '../clock.ts';
import { obey, say } from './commands.ts';

export interface FlowsOptions {
  readonly address: string;
  readonly port: number;
  readonly count: number;
  /** ms between two lines of a flow. */
  readonly interval: number;
  /** How long a check waits for answers, ms. */
  readonly patience: number;
}

export interface FlowsChecked {
  readonly alive: number;
  /** Reason → how many. */
  readonly lost: Readonly<Record<string, number>>;
  /** The longest time that a flow waited for an answer since the last check, ms. */
  readonly longest: number;
}

const options = JSON.parse(process.argv[2] ?? '{}') as FlowsOptions;

class Flow {
  private readonly socket: Socket;
  private sent = 0;
  private sentAt = 0;
  /** What has to come back yet. */
  private expected = '';
  lost: string | undefined;
  longest = 0;
  answered = -1;

  constructor() {
    this.socket = connect({ host: options.address, port: options.port, noDelay: true });
    this.socket.setEncoding('latin1');
    this.socket.on('connect', () => this.send());
    this.socket.on('data', text => this.receive(text.toString()));
    this.socket.on('error', error => this.lose((error as NodeJS.ErrnoException).code ?? error.message));
    this.socket.on('close', () => this.lose('closed'));
  }

  /** The next line; not while one is under way. Gives its number. */
  send(): number {
    if (this.expected !== '' || this.lost !== undefined) return this.sent;
    this.expected = `${++this.sent} ${'x'.repeat(this.sent % 50)}\n`;
    this.sentAt = now();
    this.socket.write(this.expected);
    return this.sent;
  }

  get next(): number {
    return this.sent + 1;
  }

  private receive(text: string): void {
    if (!this.expected.startsWith(text)) {
      this.lose('other bytes');
      this.socket.destroy();
      return;
    }
    this.expected = this.expected.slice(text.length);
    this.longest = Math.max(this.longest, now() - this.sentAt);
    if (this.expected === '') this.answered = this.sent;
  }

  lose(reason: string): void {
    this.lost ??= reason;
    this.socket.destroy();
  }
}

let flows = Array.from({ length: options.count }, () => new Flow());
setInterval(() => {
  for (const flow of flows) flow.send();
}, options.interval);

async function check(): Promise<void> {
  const wanted = flows.map(flow => flow.next);
  const answered = (flow: Flow, index: number): boolean =>
    flow.lost !== undefined || flow.answered >= wanted[index]!;
  const deadline = now() + options.patience;
  while (now() < deadline && !flows.every(answered)) await new Promise(resolve => setTimeout(resolve, 20));
  const lost: Record<string, number> = {};
  flows = flows.map((flow, index) => {
    if (!answered(flow, index)) flow.lose('no answer');
    if (flow.lost === undefined) return flow;
    lost[flow.lost] = (lost[flow.lost] ?? 0) + 1;
    return new Flow();
  });
  const alive = flows.length - Object.values(lost).reduce((sum, count) => sum + count, 0);
  say('checked', {
    alive,
    lost,
    longest: Math.max(...flows.map(flow => flow.longest)),
  } satisfies FlowsChecked);
  for (const flow of flows) flow.longest = 0;
}

obey({ check: () => void check() });
