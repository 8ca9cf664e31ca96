/** What a GSLB answers clients at several places, followed as it changes. */
import type { LabNode } from '../runner/node.ts';
import type { Running } from '../runner/process.ts';
import { poll } from '../scenario/poll.ts';

/** An answer that was another than before. */
export interface Turn {
  readonly client: string;
  /** Empty: no such name, or nobody serves. */
  readonly addresses: readonly string[];
  /** By the wall clock, ms since 1970. */
  readonly at: number;
}

export class Lookups {
  readonly #running: Running;
  readonly #name: string;

  private constructor(running: Running, name: string) {
    this.#running = running;
    this.#name = name;
  }

  /** Asks the GSLB on the node itself, so that no line is between, for each client; resolves when all have an answer, be it none. */
  static async start(gslb: LabNode, name: string, clients: readonly string[]): Promise<Lookups> {
    const words = ['node', '/lab/apps/lookups.mjs', '--name', name, '--clients', clients.join(',')];
    const lookups = new Lookups(gslb.spawn(words), `${gslb.name} answers for ${name}`);
    await poll(lookups.#name, () => clients.every(client => lookups.now(client) !== undefined));
    return lookups;
  }

  /** All turns so far, in order. */
  get turns(): readonly Turn[] {
    return this.#running.stdout
      .split('\n')
      .slice(0, -1)
      .map(line => JSON.parse(line) as Turn);
  }

  /** The last turn of a client. */
  now(client: string): Turn | undefined {
    return this.turns.findLast(turn => turn.client === client);
  }

  /** Waits until a client's answer is as wanted, and gives the turn with which it became so. */
  until(client: string, what: string, wanted: (address: string | undefined) => boolean): Promise<Turn> {
    const message = `${this.#name}, for ${client}: ${what}`;
    return poll(
      message,
      () => {
        const turn = this.now(client);
        return turn !== undefined && wanted(turn.addresses[0]) && turn;
      },
      { timeout: 30_000 },
    );
  }

  async stop(): Promise<void> {
    await this.#running.stop('SIGKILL');
  }
}
