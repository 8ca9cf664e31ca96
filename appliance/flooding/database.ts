/**
 * What others flood, as the local ospfd has told it: so that what was missed can be looked up here instead of being asked for. Bounded:
 * whoever is an OSPF router can flood without end. Pure.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { OpaqueLsa } from './ospf-api.ts';

/** LSAs of one router, and of all, that are kept. */
const MOST_EACH = 8192;
const MOST = 32_768;

/** A message in an LSA. */
export interface Flooded {
  readonly router: Address;
  readonly data: Uint8Array;
}

interface Row extends Flooded {
  readonly speaker: string;
  readonly sequence: number;
}

export class Database {
  private readonly rows = new Map<string, Row>();
  private readonly counts = new Map<Address, number>();
  private readonly bySpeaker = new Map<string, Map<string, Row>>();

  /** LSAs that are kept. */
  get size(): number {
    return this.rows.size;
  }

  /** Takes an LSA in which `speaker` says something. False: there is no room. */
  put({ router, id, sequence, data }: OpaqueLsa, speaker: string): boolean {
    const key = `${router} ${id}`;
    this.drop(key);
    const own = this.counts.get(router) ?? 0;
    if (own >= MOST_EACH || this.rows.size >= MOST) return false;
    const row = { router, data, speaker, sequence };
    this.rows.set(key, row);
    this.counts.set(router, own + 1);
    const said = this.bySpeaker.get(speaker);
    if (said === undefined) this.bySpeaker.set(speaker, new Map([[key, row]]));
    else said.set(key, row);
    return true;
  }

  /** An instance was flushed, or replaced: then the newer one stays, in whatever order both were told. */
  remove({ router, id, sequence }: OpaqueLsa): void {
    const key = `${router} ${id}`;
    const row = this.rows.get(key);
    if (row !== undefined && row.sequence <= sequence) this.drop(key);
  }

  /** All that a speaker says now, in no order. */
  saidBy(speaker: string): readonly Flooded[] {
    return [...(this.bySpeaker.get(speaker)?.values() ?? [])];
  }

  /** Who speaks by a router. */
  speakersAt(router: Address): readonly string[] {
    return [...this.bySpeaker].flatMap(([speaker, rows]) =>
      [...rows.values()].some(row => row.router === router) ? [speaker] : [],
    );
  }

  clear(): void {
    this.rows.clear();
    this.counts.clear();
    this.bySpeaker.clear();
  }

  private drop(key: string): void {
    const row = this.rows.get(key);
    if (row === undefined) return;
    this.rows.delete(key);
    const left = this.counts.get(row.router)! - 1;
    if (left === 0) this.counts.delete(row.router);
    else this.counts.set(row.router, left);
    const said = this.bySpeaker.get(row.speaker);
    said?.delete(key);
    if (said?.size === 0) this.bySpeaker.delete(row.speaker);
  }
}
