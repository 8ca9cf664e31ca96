/** The lab's clients, run in a node, and what they found out. */
import type { LabNode } from '../runner/node.ts';
import type { Running } from '../runner/process.ts';

/** What stream.mjs says at its end. */
export interface StreamEnd {
  readonly sent: number;
  readonly answered: number;
  readonly failed: number;
  readonly failures: Readonly<Record<string, number>>;
  /** Server → answers. */
  readonly servers: Readonly<Record<string, number>>;
  /** ms; `from` and `to` are the servers before and after it. */
  readonly longestGap: { readonly ms: number; readonly from: string; readonly to: string };
  /** How often the answering server changed, and the last time: the gap between the two answers, ms. */
  readonly moves: number;
  readonly lastMove: { readonly ms: number; readonly from: string; readonly to: string };
  /** From the first question that failed or was answered late to the last such one, ms. */
  readonly affected: number;
}

/** What flows.mjs says. */
export interface FlowsState {
  readonly flows: number;
  readonly alive: number;
  readonly stuck: number;
  readonly lost: Readonly<Record<string, number>>;
  readonly servers: Readonly<Record<string, number>>;
  /** ms. */
  readonly longestGap: number;
  /** Lines, and of those that came back the ones that are not what was sent, byte by byte and in order. */
  readonly sent: number;
  readonly returned: number;
  readonly wrong: number;
  /** That came back as they were sent. */
  readonly bytes: number;
}

/** What caller.mjs says. */
export interface Call {
  /** Who answered the question, when there was one, and what: best first. */
  readonly from?: string;
  /** ms. */
  readonly roundTrip?: number;
  readonly servers?: readonly { readonly address: string; readonly score: number }[];
  /** Identity of the manager that named them; empty: DNS has. And the GSLB that named the manager, if one did. */
  readonly manager?: string;
  readonly via?: string;
  /** ms until a server was picked and connected to. */
  readonly picked?: number;
  readonly server: string;
  /** ms. */
  readonly setup: number;
  readonly sent: number;
  readonly returned: number;
}

/** A time without an answer. */
export interface Gap {
  readonly ms: number;
  /** When the answer came, by the wall clock: ms since 1970. */
  readonly ended: number;
}

export interface StreamOptions {
  readonly via?: 'http' | 'udp';
  /** Milliseconds between two questions; 5 unless told. */
  readonly interval?: number;
  /** Gaps longer than so many milliseconds are told as they end. */
  readonly gaps?: number;
}

/** A client that never stops asking, from its first answer to stop(). */
export class Stream {
  readonly #running: Running;
  /** Who answered first; a UDP flow stays with it. */
  readonly server: string;

  private constructor(running: Running, server: string) {
    this.#running = running;
    this.server = server;
  }

  static async start(
    node: LabNode,
    to: string,
    { via = 'http', interval = 5, gaps }: StreamOptions = {},
  ): Promise<Stream> {
    const words = ['node', '/lab/apps/stream.mjs', '--to', to, '--via', via, '--interval', String(interval)];
    const running = node.spawn([...words, ...(gaps === undefined ? [] : ['--gaps', String(gaps)])]);
    const first = await firstLine(running, node, `answer of ${to}`);
    return new Stream(running, (JSON.parse(first) as { readonly server: string }).server);
  }

  /** Those that it was asked to tell, in order. */
  get gaps(): readonly Gap[] {
    const lines = this.#running.stdout.split('\n').slice(0, -1);
    return lines
      .map(line => JSON.parse(line) as Gap & { readonly event: string })
      .filter(({ event }) => event === 'gap');
  }

  async stop(): Promise<StreamEnd> {
    this.#running.kill('SIGTERM');
    for (;;) {
      const said = JSON.parse((await this.#running.line()) ?? '{}') as StreamEnd & {
        readonly event?: string;
      };
      if (said.event !== 'gap') return said;
    }
  }
}

/** Long-lived connections, from when all are established to stop(). */
export class Flows {
  readonly #running: Running;
  readonly established: FlowsState;

  private constructor(running: Running, established: FlowsState) {
    this.#running = running;
    this.established = established;
  }

  /** `interval`: of each one's lines, ms; `size`: of a line, bytes. */
  static async start(
    node: LabNode,
    to: string,
    count: number,
    { interval = 100, size = 0 }: { readonly interval?: number; readonly size?: number } = {},
  ): Promise<Flows> {
    const words = ['node', '/lab/apps/flows.mjs', '--to', to, '--count', String(count)];
    const running = node.spawn([...words, '--interval', String(interval), '--size', String(size)]);
    const established = JSON.parse(await firstLine(running, node, `${count} flows to ${to}`)) as FlowsState;
    return new Flows(running, established);
  }

  /** Why connections were lost so far, if any were. */
  get lost(): readonly string[] {
    const lines = this.#running.stdout.split('\n').slice(0, -1);
    return lines
      .map(line => JSON.parse(line) as { readonly event: string; readonly reason: string })
      .flatMap(({ event, reason }) => (event === 'lost' ? [reason] : []));
  }

  async stop(): Promise<FlowsState> {
    this.#running.kill('SIGTERM');
    for (;;) {
      const said = JSON.parse((await this.#running.line()) ?? '{}') as FlowsState & {
        readonly event?: string;
      };
      if (said.event !== 'lost') return said;
    }
  }

  /** Ends them where they are: nobody wants to know what became of them. */
  async abandon(): Promise<void> {
    await this.#running.stop('SIGKILL');
  }
}

/** A client that watches for so long. */
export async function streamFor(node: LabNode, to: string, ms: number): Promise<StreamEnd> {
  const stream = await Stream.start(node, to);
  await pause(ms);
  return stream.stop();
}

/** Asks and calls: the words are caller.mjs's. */
export async function callFrom(node: LabNode, ...words: string[]): Promise<Call> {
  return JSON.parse(await node.must(['node', '/lab/apps/caller.mjs', ...words])) as Call;
}

/** For what is measured over a time; conditions are polled. */
export const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

async function firstLine(running: Running, node: LabNode, what: string): Promise<string> {
  const late = setTimeout(() => running.kill('SIGKILL'), 10_000);
  const line = await running.line();
  clearTimeout(late);
  if (line === undefined) throw new Error(`${node.name}: no ${what} within 10 s ${running.stderr}`);
  return line;
}
