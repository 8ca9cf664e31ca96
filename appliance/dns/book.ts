/**
 * The book that a server answers from: every name that there is, and the finished answers that were asked for so far. Which names there
 * are is always known whole, so that what is not there is answered at once; an answer is made when it is first asked for, and kept
 * until it may have changed.
 */
import type { FinishedAnswer } from './finish.ts';
import { isWithin, nameBytes, parentOf } from './names.ts';
import { HEADER, QTYPE, TYPE } from './numbers.ts';
import { folded, hashName, type Query } from './query.ts';
import { ZoneBytes, type ZoneFacts } from './zone-bytes.ts';

/** Finished answers kept at most; when there are more, all are forgotten. */
export const MOST_ANSWERS = 1 << 18;

/** The answers of a name to questions for one type. */
export interface Shelf {
  /** 0: of an alias, all types that no record of ours has. */
  readonly type: number;
  /** For every place. */
  everywhere: FinishedAnswer | undefined;
  /** By number of the place. */
  readonly byPlace: (FinishedAnswer | undefined)[];
}

/** A name with records, or with names below it (an empty non-terminal, RFC 8020). */
export interface Entry {
  readonly name: string;
  /** In lower case. */
  readonly wire: Uint8Array;
  /** The zone that it is in. */
  readonly zone: ZoneBytes;
  /** Types that are there; for an alias, shelves are added as other types are asked for: as many as we know, and one. */
  types: readonly number[];
  /** Names one label below. */
  children: number;
  shelves: Shelf[];
  /** Another name with the same hash. */
  next: Entry | undefined;
}

/** A change of what there is: the parts of it that differ. */
export interface BookChange {
  /** Every zone, as it is now. When other apexes are told than before, `put` has every name. */
  readonly zones: readonly ZoneFacts[];
  readonly put: readonly (readonly [name: string, types: readonly number[]])[];
  readonly drop: readonly string[];
}

export class Book {
  private readonly table = new Map<number, Entry>();
  private readonly entries = new Map<string, Entry>();
  /** By name: those with an answer that tells of it. */
  private readonly followers = new Map<string, Set<Entry>>();
  /** By apex, those with the longest first. */
  private zones: readonly ZoneBytes[] = [];
  private kept = 0;
  private changes = 0;

  /** Another number whenever an answer that was given may have changed. */
  get edition(): number {
    return this.changes;
  }

  /** Names there are, empty non-terminals too. */
  get size(): number {
    return this.entries.size;
  }

  /** Finished answers that are kept. */
  get answers(): number {
    return this.kept;
  }

  entry(name: string): Entry | undefined {
    return this.entries.get(name);
  }

  /** The entry of the name that the query has from its label `from` on; 0: of its whole name. */
  find(query: Query, from: number): Entry | undefined {
    let entry = this.table.get(query.hashes[from]!);
    for (; entry !== undefined; entry = entry.next) if (sameName(entry.wire, query, from)) return entry;
    return undefined;
  }

  /** The shelf for a type; undefined when the name has no such record (NODATA). */
  shelf(entry: Entry, type: number): Shelf | undefined {
    for (const shelf of entry.shelves) if (shelf.type === type) return shelf;
    if (!entry.types.includes(TYPE.CNAME) || type === QTYPE.ANY) return undefined;
    if (!KNOWN.has(type) && type !== UNKNOWN) return this.shelf(entry, UNKNOWN);
    const shelf: Shelf = { type, everywhere: undefined, byPlace: [] };
    entry.shelves.push(shelf);
    return shelf;
  }

  /** Keeps an answer for a place; one that is not scoped, for all. */
  keep(entry: Entry, shelf: Shelf, place: number, answer: FinishedAnswer): void {
    if (this.kept >= MOST_ANSWERS) this.forgetAll();
    if (answer.scoped) shelf.byPlace[place] = answer;
    else shelf.everywhere = answer;
    for (const name of answer.follows) {
      const known = this.followers.get(name);
      if (known === undefined) this.followers.set(name, new Set([entry]));
      else known.add(entry);
    }
    this.kept++;
  }

  /** Takes a change in; the answers of the names in it are forgotten. */
  change({ zones, put, drop }: BookChange): void {
    this.changes++;
    const same =
      zones.length === this.zones.length &&
      zones.every(({ zone }) => this.zones.some(({ apex }) => apex === zone.apex));
    if (!same) this.startAnew(zones);
    for (const facts of zones) this.zones.find(({ apex }) => apex === facts.zone.apex)?.set(facts);
    for (const [name, types] of put) this.put(name, types);
    for (const name of drop) this.drop(name);
    for (const [name] of put) this.forgetFollowers(name);
    for (const name of drop) this.forgetFollowers(name);
  }

  private startAnew(zones: readonly ZoneFacts[]): void {
    this.table.clear();
    this.entries.clear();
    this.followers.clear();
    this.kept = 0;
    this.zones = zones
      .map(facts => new ZoneBytes(facts))
      .sort((one, other) => other.apex.length - one.apex.length);
  }

  /** Forgets the answers of these names, and those that tell of others' records. */
  forgetNames(names: Iterable<string>): void {
    this.changes++;
    for (const name of names) {
      const entry = this.entries.get(name);
      if (entry !== undefined) this.forget(entry);
      this.forgetFollowers(name);
    }
  }

  /** Of the names above it, too: that there is one below makes them names (RFC 8020). */
  private forgetFollowers(name: string): void {
    if (this.followers.size === 0) return;
    for (let at: string | undefined = name; ; at = parentOf(at)) {
      const known = this.followers.get(at ?? '');
      if (known !== undefined) {
        this.followers.delete(at ?? '');
        for (const entry of known) this.forget(entry);
      }
      if (at === undefined || at === '') return;
    }
  }

  forgetAll(): void {
    this.changes++;
    for (const entry of this.entries.values()) this.forget(entry);
    this.followers.clear();
    this.kept = 0;
  }

  private forget(entry: Entry): void {
    for (const shelf of entry.shelves) {
      if (shelf.everywhere !== undefined) this.kept--;
      for (const answer of shelf.byPlace) if (answer !== undefined) this.kept--;
    }
    entry.shelves = shelvesFor(entry.types);
  }

  /** A name outside all zones is passed over. */
  private put(name: string, types: readonly number[]): void {
    const entry = this.make(name);
    if (entry === undefined) return;
    this.forget(entry);
    entry.types = types;
    entry.shelves = shelvesFor(types);
  }

  private make(name: string): Entry | undefined {
    const present = this.entries.get(name);
    if (present !== undefined) return present;
    const zone = this.zones.find(({ apex }) => isWithin(name, apex));
    if (zone === undefined) return undefined;
    const wire = nameBytes(name);
    const hash = hashName(wire);
    const next = this.table.get(hash);
    const entry: Entry = { name, wire, zone, types: [], children: 0, shelves: [], next };
    this.table.set(hash, entry);
    this.entries.set(name, entry);
    const parent = name === zone.apex ? undefined : this.make(parentOf(name) ?? '');
    if (parent !== undefined) parent.children++;
    return entry;
  }

  /** Removes a name, and those above it that were there for its sake alone. */
  private drop(name: string): void {
    let entry = this.entries.get(name);
    if (entry === undefined) return;
    this.forget(entry);
    entry.types = [];
    entry.shelves = [];
    while (entry !== undefined && entry.types.length === 0 && entry.children === 0) {
      this.remove(entry);
      entry = entry.name === entry.zone.apex ? undefined : this.entries.get(parentOf(entry.name) ?? '');
      if (entry !== undefined) entry.children--;
    }
  }

  private remove(entry: Entry): void {
    this.entries.delete(entry.name);
    const hash = hashName(entry.wire);
    const first = this.table.get(hash);
    if (first !== entry) {
      for (let other = first; other !== undefined; other = other.next)
        if (other.next === entry) other.next = entry.next;
    } else if (entry.next !== undefined) this.table.set(hash, entry.next);
    else this.table.delete(hash);
  }
}

const KNOWN: ReadonlySet<number> = new Set(Object.values(TYPE));
/** Stands for every type that no record of ours has: all get the same answer of an alias, and strangers cannot invent more of them. */
const UNKNOWN = 0;

const shelvesFor = (types: readonly number[]): Shelf[] =>
  types.map(type => ({ type, everywhere: undefined, byPlace: [] }));

function sameName(wire: Uint8Array, query: Query, from: number): boolean {
  const offset = query.labelAt[from]!;
  if (query.nameLength - offset !== wire.length) return false;
  const first = query.start + HEADER + offset;
  const { bytes } = query;
  for (let index = 0; index < wire.length; index++)
    if (folded(bytes[first + index]!) !== wire[index]) return false;
  return true;
}
