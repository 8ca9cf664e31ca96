/**
 * A mission in virtual time: managers with the real registry and the real wanted state, notices that get lost, come twice, late and in
 * another order, a core that splits and heals, servers that are carried about. Everything random comes from one seed.
 */
import type { Address } from '../../../sdk/wire/address.ts';
import { Cell } from './cell.ts';
import { Host } from './host.ts';

export const HEARTBEATS = 300;
export const CHECK = 100;
export const REFRESH = 1000;
export const GRACE = 1000;
export const LEASE = 4000;

export interface Weather {
  /** 0…1: datagrams that are lost, and that come twice. */
  readonly loss: number;
  readonly duplicates: number;
  /** ms that a datagram takes at the most: those that take longer are overtaken. */
  readonly delay: number;
}

export const CALM: Weather = { loss: 0, duplicates: 0, delay: 2 };

interface Task {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class World {
  now = 0;
  weather: Weather = CALM;
  readonly cells: readonly Cell[];
  readonly hosts: readonly Host[];
  /** Conflicts that were settled. */
  conflicts = 0;
  /** Which side of a split each cell is on. */
  private sides: readonly number[] = [];
  /** When what is between the cells last was worse than calm. */
  roughAt = 0;
  private readonly tasks: Task[] = [];
  private order = 0;
  private seed: number;

  /** Addresses in the pool that all cells grant VIPs from. */
  readonly pool: number;

  /** `sharing`: how many of the hosts serve one thing together, at one VIP. */
  constructor(
    seed: number,
    size: {
      readonly cells: number;
      readonly hosts: number;
      readonly sharing: number;
      readonly pool: number;
    },
  ) {
    this.seed = seed;
    this.pool = size.pool;
    this.cells = Array.from({ length: size.cells }, (_, index) => new Cell(this, index));
    this.hosts = Array.from(
      { length: size.hosts },
      (_, index) => new Host(this, this.between(0, 40) * 6 + index, index < size.sharing),
    );
    for (const cell of this.cells) cell.start();
  }

  after(delay: number, run: () => void): void {
    const task = { at: this.now + delay, order: this.order++, run };
    // Sorted by time, then by order; most tasks go to the end.
    let at = this.tasks.length;
    while (at > 0 && this.tasks[at - 1]!.at > task.at) at--;
    this.tasks.splice(at, 0, task);
  }

  /** Lets time pass. */
  run(duration: number): void {
    const end = this.now + duration;
    while (this.tasks.length > 0 && this.tasks[0]!.at <= end) {
      const task = this.tasks.shift()!;
      this.now = task.at;
      task.run();
    }
    this.now = end;
  }

  /** 0 ≤ x < 1 (mulberry32). */
  random(): number {
    this.seed = (this.seed + 0x6d2b79f5) | 0;
    let value = Math.imul(this.seed ^ (this.seed >>> 15), 1 | this.seed);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296;
  }

  between(least: number, most: number): number {
    return least + Math.floor(this.random() * (most - least + 1));
  }

  /** `sides[i]`: the part of the core that cell i is in. */
  split(sides: readonly number[]): void {
    this.roughAt = this.now;
    this.sides = sides;
  }

  heal(): void {
    this.roughAt = this.now;
    this.sides = [];
    this.weather = CALM;
  }

  turn(weather: Weather): void {
    this.roughAt = this.now;
    this.weather = weather;
  }

  get isRough(): boolean {
    return this.weather !== CALM || this.sides.length > 0;
  }

  /** A datagram from one cell to another, if it gets there. */
  datagram(from: Cell, to: Cell, deliver: () => void): void {
    const { loss, duplicates, delay } = this.weather;
    for (let copies = this.random() < duplicates ? 2 : 1; copies > 0; copies--) {
      if (this.random() < loss) continue;
      this.after(this.between(1, delay), () => {
        if (to.isUp && this.sides[from.index] === this.sides[to.index]) deliver();
      });
    }
  }

  /** The cells whose route of a VIP is out. */
  routed(vip: Address): readonly Cell[] {
    return this.cells.filter(cell => cell.routes.has(vip));
  }
}
