/** Many servers that roam at random, and who advertised their VIPs meanwhile. */
import type { Lab } from '../runner/lab.ts';
import { poll } from '../scenario/poll.ts';
import type { Cell } from './cables.ts';
import { lastWords, type Member, makeHerd, serviceOf } from './herd.ts';
import { Monitor, wallClock } from './monitor.ts';
import { type Change, changesOf, type Ownership, ownershipOf } from './owners.ts';

const CELLS: readonly Cell[] = ['a', 'b', 'c'];
/** How long a server stays in a cell, ms: anything between. */
const STAY = { least: 2000, most: 8000 };
/** Settled: nobody has advertised or withdrawn anything for so long, ms. */
const QUIET = 2000;

export interface StormResult {
  readonly roams: number;
  /** Of each server's VIP. */
  readonly vips: readonly Ownership[];
  /** After it has settled: VIPs that nobody, or more than one, or not the cell of their server advertises, in words. */
  readonly wrong: readonly string[];
  /** From the last move until nothing changed any more, ms. */
  readonly settledAfter: number;
}

interface Row {
  readonly service: string;
  readonly vip: string;
  readonly state: string;
}

export class Storm {
  readonly #lab: Lab;
  readonly #watches: ReadonlyMap<Cell, Monitor>;
  readonly #members: readonly Member[];
  /** Member → its VIP. */
  readonly #vips: ReadonlyMap<string, string>;

  private constructor(
    lab: Lab,
    watches: ReadonlyMap<Cell, Monitor>,
    members: readonly Member[],
    vips: ReadonlyMap<string, string>,
  ) {
    this.#lab = lab;
    this.#watches = watches;
    this.#members = members;
    this.#vips = vips;
  }

  /** Boots so many servers, and waits until all of them are up. */
  static async gather(lab: Lab, servers: number): Promise<Storm> {
    const watches = new Map(
      await Promise.all(
        CELLS.map(
          async cell => [cell, await Monitor.ofKernel(lab.node(`${cell}-appliance`), 'address')] as const,
        ),
      ),
    );
    const members = await makeHerd(lab, servers);
    const vips = await poll(
      'all of them are up',
      async () => {
        const up = await upServices(lab);
        const missing = members.filter(({ name }) => !up.has(serviceOf(name)));
        if (missing.length === 0) return up;
        const [first] = missing;
        const said = await lastWords(lab, first!.name);
        throw new Error(
          `${missing.map(({ name }) => name).join(', ')} missing; ${first!.name} says: ${said}`,
        );
      },
      { timeout: 60_000, interval: 500 },
    );
    return new Storm(
      lab,
      watches,
      members,
      new Map(members.map(({ name }) => [name, vips.get(serviceOf(name))!])),
    );
  }

  /** All of them roam at random for so long. */
  async rage(ms: number): Promise<StormResult> {
    const begin = wallClock();
    const end = begin + ms;
    let roams = 0;
    await Promise.all(
      this.#members.map(async member => {
        for (;;) {
          const stay = STAY.least + Math.random() * (STAY.most - STAY.least);
          if (wallClock() + stay > end) return;
          await new Promise(resolve => setTimeout(resolve, stay));
          const others = CELLS.filter(cell => cell !== member.at);
          member.at = others[Math.floor(Math.random() * others.length)]!;
          await member.cable.plug(member.at);
          roams++;
        }
      }),
    );
    const over = wallClock();
    await poll('the VIPs have settled', () => wallClock() - Math.max(over, this.#last()) > QUIET, {
      timeout: 30_000,
      interval: 100,
    });
    const vips = ownershipOf(this.#changes(), wallClock(), begin);
    return { roams, vips, wrong: this.#wrong(vips), settledAfter: Math.max(0, this.#last() - over) };
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#watches.values()].map(watch => watch.stop()));
  }

  #changes(): Change[] {
    const mine = new Set(this.#vips.values());
    return [...this.#watches].flatMap(([cell, { happened }]) =>
      changesOf(cell, happened, vip => mine.has(vip)),
    );
  }

  #last(): number {
    return Math.max(0, ...this.#changes().map(({ at }) => at));
  }

  #wrong(vips: readonly Ownership[]): string[] {
    const owners = new Map(vips.map(each => [each.vip, each.owners]));
    return this.#members.flatMap(({ name, at }) => {
      const vip = this.#vips.get(name)!;
      const own = owners.get(vip) ?? [];
      return own.length === 1 && own[0] === at
        ? []
        : [`${vip} of ${name}, which is in cell ${at}, is advertised by ${own.join(' and ') || 'nobody'}`];
    });
  }

  /** What their VIPs are now, where they are up; to see that nobody has been given another one. */
  async lost(): Promise<string[]> {
    const up = await upServices(this.#lab);
    return this.#members.flatMap(({ name }) => {
      const now = up.get(serviceOf(name));
      return now === this.#vips.get(name)
        ? []
        : [`${name} had ${this.#vips.get(name)}, now ${now ?? 'nothing up'}`];
    });
  }
}

/** Service → its VIP, where a manager has it up. */
async function upServices(lab: Lab): Promise<Map<string, string>> {
  const answers = await Promise.all(
    CELLS.map(async cell => {
      const text = await lab.node(`${cell}-appliance`).must(['bivouac', 'show', 'services', '--json']);
      return JSON.parse(text) as Row[];
    }),
  );
  const up = answers.flat().filter(({ state }) => state === 'up');
  return new Map(up.map(({ service, vip }) => [service, vip]));
}
