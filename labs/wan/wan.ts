/** Makes links of a running lab what the file says that they are: lines with a delay and a rate. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../root.ts';
import type { Lab } from '../runner/lab.ts';
import type { Running } from '../runner/process.ts';
import { poll } from '../scenario/poll.ts';
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
    const links = shaped(lab);
    const program = lab.beside(programFor(lab, links));
    const wan = new Wan(lab, links, program);
    if ((await program.line()) !== 'ready') throw new Error(`the lines could not be made: ${program.stderr}`);
    return wan;
  }

  /** The same in a lab that stays, until it is taken down. Gives how many links are lines now. */
  static async leave(lab: Lab): Promise<number> {
    const links = shaped(lab);
    const log = await lab.leave('lines', programFor(lab, links));
    await poll('the lines are ready', () => {
      const said = readFileSync(log, 'utf8');
      if (said !== '' && !said.startsWith('ready')) throw new Error(said);
      return said !== '';
    });
    return links.length;
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

const shaped = (lab: Lab): readonly Link[] => lab.topology.links.filter(({ shape }) => shape !== undefined);

function programFor(lab: Lab, links: readonly Link[]): string[] {
  const lines = links.map(
    ({ a, b, shape }): Line => ({
      ends: [a, b].map(end => ({ pid: lab.node(end.node).pid, interface: end.interface })),
      shape: shape!,
    }),
  );
  return [process.execPath, join(ROOT, 'dist/lab-line.mjs'), JSON.stringify(lines)];
}
