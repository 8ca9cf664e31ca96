/**
 * A disk that loses power. Each write of a sector, and each name that comes or goes, is only remembered until it is flushed; when the
 * power goes, any of what is not flushed may be on the medium and any may not. Files take the sectors that others left, with what stands there.
 */

import type { BoxDisk, Region } from '../../appliance/box/disk.ts';
import { bootOrder, type Entry, readEntry, type Slot } from '../../appliance/box/entries.ts';

const SECTOR = 512;

/** Thrown when the power goes. */
export class PowerCut extends Error {}

interface File {
  sectors: number[];
  size: number;
}

/** What may or may not be on the medium yet. */
type Pending =
  | { readonly sector: number; readonly bytes: Uint8Array }
  | { readonly names: Map<string, File> };

export class ModelDisk implements BoxDisk {
  /** Operations until the power goes. */
  fuse = Number.POSITIVE_INFINITY;
  /** All operations so far. */
  operations = 0;
  private readonly medium = new Map<number, Uint8Array>();
  private readonly partitions: Record<string, File> = {};
  private names = new Map<string, File>();
  private durable = new Map<string, File>();
  private pending: Pending[] = [];
  private free: number[] = [];
  private next = 0;

  constructor(sizes: Readonly<Record<string, number>>) {
    for (const [label, size] of Object.entries(sizes))
      this.partitions[label] = { sectors: this.allocate(size), size };
  }

  entries(): readonly string[] {
    return [...this.names.keys()];
  }

  partition(label: string): Region {
    const file = this.partitions[label];
    if (file === undefined) throw new Error(`no partition ${label}`);
    return this.region(file);
  }

  openEntry(name: string): Region {
    const file = this.names.get(name);
    if (file === undefined) throw new Error(`no entry ${name}`);
    return this.region(file);
  }

  makeEntry(name: string, size: number): Region {
    const file: File = { sectors: this.allocate(SECTOR), size: SECTOR };
    this.names.set(name, file);
    this.rename();
    const first = this.region(file);
    first.write(0, new Uint8Array(SECTOR));
    first.flush();
    this.flushEntries();
    const whole: File = { sectors: [...file.sectors, ...this.allocate(size - SECTOR)], size };
    this.names.set(name, whole);
    this.rename();
    return this.region(whole);
  }

  removeEntry(name: string): void {
    const file = this.names.get(name);
    if (file === undefined) throw new Error(`no entry ${name}`);
    this.names.delete(name);
    this.free.push(...file.sectors);
    this.rename();
  }

  flushEntries(): void {
    this.operate();
    this.durable = new Map(this.names);
    this.pending = this.pending.filter(change => 'sector' in change);
  }

  /** The power goes and comes back: `kept` says of each thing that was not flushed whether it is on the medium. */
  restart(kept: () => boolean): void {
    for (const change of this.pending) {
      if (!kept()) continue;
      if ('sector' in change) this.medium.set(change.sector, change.bytes);
      else this.durable = change.names;
    }
    this.pending = [];
    this.names = new Map(this.durable);
    const used = new Set([...this.names.values()].flatMap(({ sectors }) => sectors));
    this.free = this.free.filter(sector => !used.has(sector));
    this.fuse = Number.POSITIVE_INFINITY;
  }

  private region(file: File): Region {
    return {
      size: file.size,
      write: (offset, bytes) => {
        if (offset % SECTOR !== 0) throw new Error('the model writes whole sectors');
        for (let at = 0; at < bytes.length; at += SECTOR) {
          this.operate();
          const sector = file.sectors[(offset + at) / SECTOR]!;
          const whole = new Uint8Array(SECTOR);
          whole.set(bytes.subarray(at, at + SECTOR));
          this.pending.push({ sector, bytes: whole });
        }
      },
      flush: () => {
        this.operate();
        const mine = new Set(file.sectors);
        for (const change of this.pending)
          if ('sector' in change && mine.has(change.sector)) this.medium.set(change.sector, change.bytes);
        this.pending = this.pending.filter(change => !('sector' in change) || !mine.has(change.sector));
      },
      read: (offset, length) => {
        const end = Math.min(file.size, offset + length);
        const bytes = new Uint8Array(Math.max(0, end - offset));
        for (let at = offset; at < end; ) {
          const sector = this.content(file.sectors[Math.floor(at / SECTOR)]!);
          const piece = sector.subarray(at % SECTOR, Math.min(SECTOR, (at % SECTOR) + end - at));
          bytes.set(piece, at - offset);
          at += piece.length;
        }
        return bytes;
      },
      close: () => {},
    };
  }

  private content(sector: number): Uint8Array {
    for (let at = this.pending.length - 1; at >= 0; at--) {
      const change = this.pending[at]!;
      if ('sector' in change && change.sector === sector) return change.bytes;
    }
    return this.medium.get(sector) ?? new Uint8Array(SECTOR);
  }

  private rename(): void {
    this.operate();
    this.pending.push({ names: new Map(this.names) });
  }

  private operate(): void {
    if (++this.operations > this.fuse) throw new PowerCut();
  }

  /** What others left first. */
  private allocate(size: number): number[] {
    return Array.from({ length: Math.ceil(size / SECTOR) }, () => this.free.shift() ?? this.next++);
  }
}

/** What a start of the box comes to. */
export type Started = { readonly entry: Entry; readonly verified: boolean } | 'hangs';

/**
 * One start: systemd-boot takes the first entry that looks like a kernel (it begins with "MZ"); a kernel that is not whole hangs; a root that is
 * not the kernel's does not verify. `whole` gives the version of a kernel's bytes, or undefined; `verifies`, whether the slot holds that version.
 */
export function start(
  disk: BoxDisk,
  whole: (bytes: Uint8Array) => string | undefined,
  verifies: (slot: Slot, version: string) => boolean,
  failed: ReadonlySet<string>,
): Started | undefined {
  const listed = disk
    .entries()
    .map(readEntry)
    .filter(entry => entry !== undefined)
    .filter(({ name }) => {
      const [m, z] = disk.openEntry(name).read(0, 2);
      return m === 0x4d && z === 0x5a;
    });
  // An entry that failed as often as it may has no start left.
  const first = bootOrder(listed.map(entry => (failed.has(entry.name) ? { ...entry, left: 0 } : entry)))[0];
  if (first === undefined) return undefined;
  const region = disk.openEntry(first.name);
  const version = whole(region.read(0, region.size));
  if (version === undefined) return 'hangs';
  return { entry: first, verified: verifies(first.slot, version) };
}
