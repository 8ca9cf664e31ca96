/**
 * A persistent map with string keys: `with` and `without` give a new table and leave the old one as it was, at the cost of
 * one of its 1,024 shards. Two tables that came from one another are compared in time proportional to what differs, which is what
 * makes a whole wanted state cheap to hand around with 30,000 services in it.
 */
const BITS = 5;
const GROUPS = 1 << BITS;
const SHARDS = GROUPS * GROUPS;
/**
 * Keys and values in turn, in the order of the keys, so that what holds the same is alike however it came about. Most shards have an
 * entry or two, and few more than some dozens: to look through them takes no longer than a Map's own bookkeeping, and a copy is one
 * short piece of memory.
 */
export type Shard<K extends string, V> = readonly (K | V)[];
/** 32 groups of 32 shards: a change copies, and a comparison looks at, 64 references and not 1,024. */
type Groups<K extends string, V> = readonly (readonly Shard<K, V>[])[];

/** What every shard is in which there is nothing. */
const NOTHING: Shard<never, never> = [];

/** One key that differs between two tables; an absent side is undefined. */
export interface Change<K extends string, V> {
  readonly key: K;
  readonly before: V | undefined;
  readonly after: V | undefined;
}

export class Table<K extends string, V> {
  readonly size: number;
  private readonly groups: Groups<K, V>;

  private constructor(groups: Groups<K, V>, size: number) {
    this.groups = groups;
    this.size = size;
  }

  /** The table with nothing in it. */
  static empty<K extends string, V>(): Table<K, V> {
    return EMPTY as unknown as Table<K, V>;
  }

  /** The one that `empty` gives. */
  static ofNothing(): Table<never, never> {
    const group = new Array<Shard<never, never>>(GROUPS).fill(NOTHING);
    return new Table(new Array<typeof group>(GROUPS).fill(group), 0);
  }

  /** A table of these entries; a later one replaces an earlier one of the same key. */
  static from<K extends string, V>(entries: Iterable<readonly [K, V]>): Table<K, V> {
    const draft = Table.empty<K, V>().draft();
    for (const [key, value] of entries) draft.set(key, value);
    return draft.done();
  }

  get(key: K): V | undefined {
    const shard = this.shard(shardOf(key));
    const at = find(shard, key);
    return at < 0 ? undefined : (shard[at + 1] as V);
  }

  has(key: K): boolean {
    return find(this.shard(shardOf(key)), key) >= 0;
  }

  /** This table with `key` bound to `value`; this very table if it is already (by ===). */
  with(key: K, value: V): Table<K, V> {
    const index = shardOf(key);
    const shard = this.shard(index);
    const at = find(shard, key);
    if (at < 0) return this.replace(index, longer(shard, key, value), 1);
    return shard[at + 1] === value ? this : this.replace(index, shard.with(at + 1, value), 0);
  }

  /** This table without `key`; this very table if it has none. */
  without(key: K): Table<K, V> {
    const index = shardOf(key);
    const at = find(this.shard(index), key);
    return at < 0 ? this : this.replace(index, this.shard(index).toSpliced(at, 2), -1);
  }

  /** Begins changes of many keys at once. */
  draft(): Draft<K, V> {
    return new Draft<K, V>(this.groups, this.size, {
      make: (groups, size) => (groups === this.groups ? this : new Table(groups, size)),
    });
  }

  *keys(): IterableIterator<K> {
    for (const group of this.groups)
      for (const shard of group) for (let at = 0; at < shard.length; at += 2) yield shard[at] as K;
  }

  *values(): IterableIterator<V> {
    for (const group of this.groups)
      for (const shard of group) for (let at = 0; at < shard.length; at += 2) yield shard[at + 1] as V;
  }

  *entries(): IterableIterator<[K, V]> {
    for (const group of this.groups) for (const shard of group) yield* entriesOf(shard);
  }

  /** What differs (by ===) between `before` and this table. */
  changesSince(before: Table<K, V>): readonly Change<K, V>[] {
    const changes: Change<K, V>[] = [];
    if (before === this) return changes;
    for (let at = 0; at < GROUPS; at++) {
      const group = this.groups[at]!;
      const old = before.groups[at]!;
      if (old === group) continue;
      for (let index = 0; index < GROUPS; index++)
        if (old[index] !== group[index]) putChanges(changes, old[index]!, group[index]!);
    }
    return changes;
  }

  /** The shards, for a store that writes only those that changed (by ===). */
  parts(): readonly Shard<K, V>[] {
    return this.groups.flat();
  }

  private shard(index: number): Shard<K, V> {
    return this.groups[index >> BITS]![index & (GROUPS - 1)]!;
  }

  private replace(index: number, shard: Shard<K, V>, growth: number): Table<K, V> {
    const groups = this.groups.slice();
    const group = groups[index >> BITS]!.slice();
    group[index & (GROUPS - 1)] = shard;
    groups[index >> BITS] = group;
    return new Table(groups, this.size + growth);
  }
}

interface Maker<K extends string, V> {
  make(groups: Groups<K, V>, size: number): Table<K, V>;
}

/**
 * A table that is being changed: each shard is copied once, however many of its keys change. As long as nobody else holds the draft
 * this is as pure as `with` and `without`; the table that it came from stays as it was.
 */
export class Draft<K extends string, V> {
  private readonly maker: Maker<K, V>;
  private groups: Groups<K, V>;
  private size: number;
  /** A bit for each group, and for each shard of a group, that was made here and so may be written to. */
  private ownGroups = 0;
  private ownShards: number[] = [];

  constructor(groups: Groups<K, V>, size: number, maker: Maker<K, V>) {
    this.groups = groups;
    this.size = size;
    this.maker = maker;
  }

  get(key: K): V | undefined {
    const shard = this.at(shardOf(key));
    const at = find(shard, key);
    return at < 0 ? undefined : (shard[at + 1] as V);
  }

  set(key: K, value: V): void {
    const index = shardOf(key);
    const shard = this.at(index);
    const at = find(shard, key);
    if (at < 0) {
      if (this.owns(index)) (shard as (K | V)[]).splice(placeOf(shard, key), 0, key, value);
      else this.put(index, longer(shard, key, value));
      this.size++;
    } else if (shard[at + 1] !== value) {
      if (!this.owns(index)) this.put(index, shard.slice());
      (this.at(index) as (K | V)[])[at + 1] = value;
    }
  }

  delete(key: K): void {
    const index = shardOf(key);
    const at = find(this.at(index), key);
    if (at < 0) return;
    if (!this.owns(index)) this.put(index, this.at(index).slice());
    (this.at(index) as (K | V)[]).splice(at, 2);
    this.size--;
  }

  /** The table as it is now; this very one that it began with if nothing was changed. The draft is not to be used after it. */
  done(): Table<K, V> {
    return this.maker.make(this.groups, this.size);
  }

  private at(index: number): Shard<K, V> {
    return this.groups[index >> BITS]![index & (GROUPS - 1)]!;
  }

  private owns(index: number): boolean {
    return ((this.ownShards[index >> BITS] ?? 0) & (1 << (index & (GROUPS - 1)))) !== 0;
  }

  /** Puts a shard of its own in. */
  private put(index: number, shard: Shard<K, V>): void {
    const [at, within] = [index >> BITS, index & (GROUPS - 1)];
    if (this.ownGroups === 0) {
      this.groups = this.groups.slice();
      this.ownShards = new Array<number>(GROUPS).fill(0);
    }
    const groups = this.groups as Shard<K, V>[][];
    if ((this.ownGroups & (1 << at)) === 0) groups[at] = groups[at]!.slice();
    groups[at]![within] = shard;
    this.ownGroups |= 1 << at;
    this.ownShards[at]! |= 1 << within;
  }
}

/** A copy with one entry more. As long as it is to be: what `push` makes has room for many. */
function longer<K extends string, V>(shard: Shard<K, V>, key: K, value: V): Shard<K, V> {
  const { length } = shard;
  if (length === 0) return [key, value];
  const place = placeOf(shard, key);
  const copy = new Array<K | V>(length + 2);
  for (let at = 0; at < place; at++) copy[at] = shard[at]!;
  copy[place] = key;
  copy[place + 1] = value;
  for (let at = place; at < length; at++) copy[at + 2] = shard[at]!;
  return copy;
}

/** Where a key is to stand that is not there. */
function placeOf<K extends string, V>(shard: Shard<K, V>, key: K): number {
  let at = shard.length;
  while (at > 0 && (shard[at - 2] as K) > key) at -= 2;
  return at;
}

/** Where in the shard the key is, or -1. */
function find<K extends string, V>(shard: Shard<K, V>, key: K): number {
  for (let at = 0; at < shard.length; at += 2) if (shard[at] === key) return at;
  return -1;
}

/** The entries of a shard. */
export function* entriesOf<K extends string, V>(shard: Shard<K, V>): IterableIterator<[K, V]> {
  for (let at = 0; at < shard.length; at += 2) yield [shard[at] as K, shard[at + 1] as V];
}

/** Most keys stand where they stood, or all of them as many places on: that is looked at first. */
function putChanges<K extends string, V>(
  changes: Change<K, V>[],
  before: Shard<K, V>,
  after: Shard<K, V>,
): void {
  let next = 0;
  let found = 0;
  for (let at = 0; at < before.length; at += 2) {
    const key = before[at] as K;
    const now = after[next] === key ? next : find(after, key);
    const value = before[at + 1] as V;
    if (now < 0) changes.push({ key, before: value, after: undefined });
    else {
      found++;
      next = now + 2;
      if (after[now + 1] !== value) changes.push({ key, before: value, after: after[now + 1] as V });
    }
  }
  if (found * 2 === after.length) return;
  next = 0;
  for (let at = 0; at < after.length; at += 2) {
    const key = after[at] as K;
    const then = before[next] === key ? next : find(before, key);
    if (then < 0) changes.push({ key, before: undefined, after: after[at + 1] as V });
    else next = then + 2;
  }
}

const EMPTY = Table.ofNothing();

/** FNV-1a over the key's UTF-16 units. */
function shardOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index++) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  return (hash ^ (hash >>> 16)) & (SHARDS - 1);
}
