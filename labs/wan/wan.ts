/** Makes links of a running lab what the file says that they are: lines with a delay and a rate. */
import { join } from 'node:path';
import { ROOT } from '../root.ts';
import type { Lab } from '../runner/lab.ts';
import type { Running } from '../runner/process.ts';
import type { Link } from '../topology/model.ts';
import { unhook } from './hook.ts';
import type { Line } from './line.ts';

export class Wan {
  readonly #lab: Lab;
  readonly #links: readonly Link[];
  readonly #program: Running;

  private constructor(lab: Lab, links: readonly Link[], program: Running) {
    this.#lab = lab;
    this.#links = links;
    this.#program = program;
  }

  /** From now on every link of the file that has a shape has it. One program carries all of them, and ends with the lab. */
  static async start(lab: Lab): Promise<Wan> {
    const links = lab.topology.links.filter(({ shape }) => shape !== undefined);
    const lines = links.map(
      ({ a, b, shape }): Line => ({
        ends: [a, b].map(end => ({ pid: lab.node(end.node).pid, interface: end.interface })),
        shape: shape!,
      }),
    );
    const program = lab.beside([process.execPath, join(ROOT, 'dist/lab-line.mjs'), JSON.stringify(lines)]);
    const wan = new Wan(lab, links, program);
    if ((await program.line()) !== 'ready') throw new Error(`the lines could not be made: ${program.stderr}`);
    return wan;
  }

  get links(): readonly Link[] {
    return this.#links;
  }

  /** By how many ms frames came too late at worst, because the machine was busy; 0 = by no more than 20. */
  get late(): number {
    return Number(this.#program.stdout.trimEnd().split('\n').slice(1).at(-1) ?? 0);
  }

  /** The links are plain ones again. What was on its way is lost. */
  async stop(): Promise<void> {
    await Promise.all(
      this.#links
        .flatMap(({ a, b }) => [a, b])
        .map(end => this.#lab.node(end.node).must(unhook(end.interface))),
    );
    await this.#program.stop('SIGKILL');
  }
}
