/**
 * What a behaviour of the driver suite is run on: a cell whose servers are set up for one forwarding mode, and a driver in its appliance. The
 * suite runs on this host and in guests that have no test runner, so it asserts by node:assert.
 */

import type { Farm } from '../../appliance/desired/wanted.ts';
import type { Dataplane } from '../../appliance/ipvs/beside.ts';
import { type Acting, Cell, farm, inside, type Reply, type Talk, wanted } from '../support/dataplane.ts';
import { poll } from '../support/netns.ts';

/** What a driver can, beside the three modes, that not every one can. */
export type Ability =
  /** Direct and tunnelled farms of IPv6. */
  | 'direct6'
  /** Schedulers of IPVS. */
  | 'wlc'
  | 'maglev'
  /** A part of the client's address, or a Call-ID, makes a client. */
  | 'persistence'
  /** A source hash that moves only the clients of a server that goes. */
  | 'steady-hash'
  /** Servers are clients of their own farms. */
  | 'reflection';

export interface Subject {
  readonly name: string;
  readonly modes: readonly Reply[];
  readonly abilities: readonly Ability[];
  readonly open: () => Promise<Dataplane>;
  /** What of its own the kernel still holds, as text: '' after release(). */
  readonly remains: (cell: Cell) => string;
}

export interface Behaviour {
  readonly name: string;
  readonly modes?: readonly Reply[];
  readonly needs?: readonly Ability[];
  readonly run: (rig: Rig) => Promise<void>;
}

export const [A, B, C] = ['10.1.0.11', '10.1.0.12', '10.1.0.13'];

export class Rig {
  readonly cell: Cell;
  readonly mode: Reply;
  readonly subject: Subject;
  /** How much slower than on a machine of its own all is. */
  private readonly pace: number;
  private acting: Acting<Dataplane>;

  static async make(subject: Subject, mode: Reply, pace = 1): Promise<Rig> {
    const cell = new Cell();
    await Promise.all([11, 12, 13].map(last => cell.serve(last, mode)));
    return new Rig(cell, mode, subject, pace, await cell.act(subject.open));
  }

  private constructor(cell: Cell, mode: Reply, subject: Subject, pace: number, acting: Acting<Dataplane>) {
    this.cell = cell;
    this.mode = mode;
    this.subject = subject;
    this.pace = pace;
    this.acting = acting;
  }

  get driver(): Dataplane {
    return this.acting.driver;
  }

  /** A farm in the rig's mode. */
  farm(members: Parameters<typeof farm>[0], rest: Partial<Farm> = {}): Farm {
    return farm(members, { mode: this.mode, ...rest });
  }

  /** Wants these farms and no others; gives what went wrong. */
  apply(...farms: Farm[]): Promise<readonly string[]> {
    return this.acting.apply(...farms);
  }

  /** With anycast ARP of these VIPs. */
  async applyWith(vips: readonly string[], ...farms: Farm[]): Promise<readonly string[]> {
    const all = wanted(farms, vips);
    return inside(this.cell.appliance, async () => (await this.driver.apply(all)).problems);
  }

  part(...servers: string[]): Promise<readonly string[]> {
    return this.acting.part(...servers);
  }

  /** As if the daemon had been killed, and another had started. */
  async restart(): Promise<void> {
    this.driver.detach();
    this.acting = await this.cell.act(this.subject.open);
  }

  /** Takes out all that the driver put in, and starts another. */
  async release(): Promise<void> {
    await inside(this.cell.appliance, () => this.driver.release());
    this.acting = await this.cell.act(this.subject.open);
  }

  /** Waits until the connection has ended. */
  async ended(talk: Talk): Promise<void> {
    await poll(() => talk.ended, this.within(1000), `the end of a connection to ${talk.server}`, 1);
  }

  /** A limit in ms, for this machine. */
  within(limit: number): number {
    return limit * this.pace;
  }

  dispose(): Promise<void> {
    return this.cell.dispose();
  }
}

/** Whether a driver is to show this behaviour in this mode. */
export const applies = (behaviour: Behaviour, subject: Subject, mode: Reply): boolean =>
  subject.modes.includes(mode) &&
  (behaviour.modes?.includes(mode) ?? true) &&
  (behaviour.needs ?? []).every(need => subject.abilities.includes(need));
