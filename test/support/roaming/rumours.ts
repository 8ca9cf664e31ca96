/**
 * Notices as they are agreed (docs/protocol.md, Notices), without their bytes: changes are numbered, told to all, told again on demand;
 * what comes out of order is held for lost, and asked for.
 */

import type { Table } from '../../../appliance/registry/table.ts';
import type { Binding, ManagerId } from '../../../sdk/wire/model.ts';
import type { Cell } from './cell.ts';
import { REFRESH, type World } from './world.ts';

interface Notice {
  readonly from: Cell;
  readonly boot: number;
  /** What changed after `since`, up to `change`; `entries` undefined = a refresh. */
  readonly since: number;
  readonly change: number;
  readonly entries?: readonly (readonly [string, Binding | undefined])[];
}

interface Known {
  boot: number;
  change: number;
  heardAt: number;
  silent: boolean;
  asking: boolean;
}

/** Silent for so long, a peer is shown as such; for so long, it is forgotten. */
const SILENT = 3.5 * REFRESH;
const FORGOTTEN = 15 * REFRESH;

export class Rumours {
  private readonly world: World;
  private readonly cell: Cell;
  private boot = 0;
  private change = 0;
  private told: Table<string, Binding> | undefined;
  private table = new Map<string, { readonly binding: Binding | undefined; readonly at: number }>();
  private peers = new Map<ManagerId, Known>();
  private pending = false;

  constructor(world: World, cell: Cell) {
    this.world = world;
    this.cell = cell;
  }

  start(): void {
    this.boot++;
    this.change = 0;
    this.told = undefined;
    this.table = new Map();
    this.peers = new Map();
    this.pending = false;
    this.cell.every(REFRESH, () => this.refresh());
    // Everybody is asked at the start; what is lost comes with their refreshes.
    for (const peer of this.others()) this.ask(peer, 0);
  }

  tell(bindings: Table<string, Binding>): void {
    if (bindings === this.told) return;
    const before = this.told;
    this.told = bindings;
    const changes =
      before === undefined
        ? [...bindings.entries()].map(([key, after]) => ({ key, after }))
        : bindings.changesSince(before);
    for (const { key, after } of changes) this.table.set(key, { binding: after, at: ++this.change });
    if (this.pending || this.change === 0) return;
    this.pending = true;
    const since = this.sent;
    this.cell.later(2, () => {
      this.pending = false;
      this.sent = this.change;
      const notice = this.since(since);
      for (const peer of this.others()) this.send(peer, notice);
    });
  }

  private sent = 0;

  private refresh(): void {
    const { cell, boot, change } = this;
    for (const peer of this.others()) this.send(peer, { from: cell, boot, since: change, change });
    for (const [manager, known] of this.peers) {
      const quiet = this.world.now - known.heardAt;
      if (quiet >= FORGOTTEN) {
        this.peers.delete(manager);
        cell.feed({ type: 'peer-gone', manager });
      } else if (quiet >= SILENT && !known.silent) {
        known.silent = true;
        cell.feed({ type: 'peer-silent', manager });
      }
    }
  }

  private since(since: number): Notice {
    const entries = [...this.table]
      .filter(([, { at }]) => at > since)
      .map(([key, { binding }]) => [key, binding] as const);
    return { from: this.cell, boot: this.boot, since, change: this.change, entries };
  }

  private send(to: Cell, notice: Notice): void {
    this.world.datagram(this.cell, to, () => to.rumours.hear(notice));
  }

  private ask(peer: Cell, since: number): void {
    this.world.datagram(this.cell, peer, () => peer.rumours.answer(this.cell, since));
  }

  private answer(to: Cell, since: number): void {
    this.send(to, this.since(Math.min(since, this.change)));
  }

  private hear(notice: Notice): void {
    const { from, boot, since, change, entries } = notice;
    const known = this.peers.get(from.id);
    if (known !== undefined && boot < known.boot) return;
    if (known === undefined || boot > known.boot) {
      // Of another start nothing is known: only the whole of it will do.
      if (entries === undefined || since !== 0) {
        if (change === 0) this.take(notice, known, true);
        else this.ask(from, 0);
        return;
      }
      this.take(notice, known, true);
      return;
    }
    known.heardAt = this.world.now;
    if (since > known.change || (entries === undefined && change > known.change)) this.repair(from, known);
    else if (entries !== undefined && change > known.change) this.take(notice, known, false);
    else if (known.silent) this.take({ ...notice, change: known.change, entries: [] }, known, false);
  }

  private take(
    { from, boot, change, entries = [] }: Notice,
    known: Known | undefined,
    complete: boolean,
  ): void {
    this.peers.set(from.id, {
      boot,
      change,
      heardAt: this.world.now,
      silent: false,
      asking: known?.asking ?? false,
    });
    this.cell.feed({
      type: 'heard',
      manager: from.id,
      name: `cell-${from.index}`,
      addresses: from.addresses,
      bindings: entries.flatMap(([, binding]) => (binding === undefined ? [] : [binding])),
      gone: entries.flatMap(([key, binding]) => {
        const [vip, server] = key.split('|');
        return binding === undefined ? [{ vip, server } as never] : [];
      }),
      complete,
    });
  }

  /** Asks once in a while for what is missing. */
  private repair(from: Cell, known: Known): void {
    if (known.asking) return;
    known.asking = true;
    this.cell.later(this.world.between(5, 20), () => {
      const now = this.peers.get(from.id);
      if (now === undefined) return;
      now.asking = false;
      this.ask(from, now.change);
    });
  }

  private others(): readonly Cell[] {
    return this.world.cells.filter(cell => cell !== this.cell);
  }
}
