/**
 * What a manager has told its peers: each entry with the change at which it last differed. So any peer can be brought up to date from
 * whatever change it knows, and nothing is kept for it. Pure.
 */
import type { NoticedBinding, NoticedOffer } from '../../sdk/wire/messages.ts';
import type { Millis } from '../host/ports.ts';

/** A binding or an offer, as it goes on the wire. */
export type Entry =
  | { readonly kind: 'binding'; readonly value: NoticedBinding }
  | { readonly kind: 'offer'; readonly value: NoticedOffer };

/** An entry that was told. */
export interface Line {
  readonly entry: Entry;
  /** Bytes on the wire. */
  readonly size: number;
  readonly change: number;
  /** When it was told. */
  readonly at: Millis;
}

/** How long those that are gone are remembered, and how many at most: who missed more is told everything. */
const TOMBSTONE_LIFE: Millis = 600_000;
const TOMBSTONES = 4096;

export class Ledger {
  /** The newest change; 0 = none yet. */
  change = 0;
  /** Who knows less than this has missed entries that are gone and forgotten. */
  horizon = 0;
  /** In the order of their changes. */
  private readonly lines = new Map<string, Line>();
  private readonly tombstones = new Set<string>();

  /** Entries that are not gone. */
  get alive(): number {
    return this.lines.size - this.tombstones.size;
  }

  /** Takes up what the next change tells. */
  tell(entries: Iterable<readonly [key: string, entry: Entry, size: number]>, at: Millis): void {
    this.change++;
    for (const [key, entry, size] of entries) {
      this.lines.delete(key);
      this.lines.set(key, { entry, size, change: this.change, at });
      this.tombstones.delete(key);
      if (entry.value.gone) this.tombstones.add(key);
    }
    this.forget(at);
  }

  /** Whether who knows everything up to `since` can be told the rest alone. */
  reaches(since: number): boolean {
    return since > 0 && since >= this.horizon && since <= this.change;
  }

  /** What changed after `since`, in the order of the changes; from 0 on without those that are gone. */
  after(since: number): Line[] {
    const found: Line[] = [];
    for (const line of this.lines.values())
      if (line.change > since && (since > 0 || !line.entry.value.gone)) found.push(line);
    return found;
  }

  private forget(now: Millis): void {
    for (const key of this.tombstones) {
      const { at, change } = this.lines.get(key)!;
      if (now - at < TOMBSTONE_LIFE && this.tombstones.size <= TOMBSTONES) return;
      this.horizon = change;
      this.tombstones.delete(key);
      this.lines.delete(key);
    }
  }
}
