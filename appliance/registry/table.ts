/**
 * A persistent map with string keys: `with` and `without` give a new table and leave the old one as it was, at the cost of
 * one of its 1,024 shards. Two tables that came from one another are compared in time proportional to what differs, which is what
 * makes a whole wanted state cheap to hand around with 30,000 services in it.
 */
const BITS = 5;
const GROUPS = 1 << BITS;
const SHARDS = GROUPS * GROUPS;
type Shard<K extends string, V> = ReadonlyMap<K, V>;
/** 32 groups of 32 shards: a change copies, and a comparison looks at, 64 references and not 1,024. */
type Groups<K extends string, V> = readonly (readonly Shard<K, V>[])[];

/** What every shard is in which there is nothing. */
const NOTHING: ReadonlyMap<never, unknown> = new Map<never, never>();

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

  /** A table of these entries; a later one replaces an earlier one of the same key. */
  static from<K extends string, V>(entries: Iterable<readonly [K, V]>): Table<K, V> {
    const shards = new Array<Map<K, V> | undefined>(SHARDS).fill(undefined);
    for (const [key, value] of entries) {
      const index = shardOf(key);
      const shard = shards[index] ?? new Map<K, V>();
      shards[index] = shard.set(key, value);
    }
    const all = shards.map(shard => shard ?? (NOTHING as Shard<K, V>));
    const groups = Array.from({ length: GROUPS }, (_, at) => all.slice(at * GROUPS, (at + 1) * GROUPS));
    return new Table(
      groups,
      all.reduce((sum, shard) => sum + shard.size, 0),
    );
  }

  get(key: K): V | undefined {
    return this.shard(shardOf(key)).get(key);
  }

  has(key: K): boolean {
    return this.shard(shardOf(key)).has(key);
  }

  /** This table with `key` bound to `value`; this very table if it is already (by ===). */
  with(key: K, value: V): Table<K, V> {
    const index = shardOf(key);
    const old = this.shard(index);
    const had = old.has(key);
    if (had && old.get(key) === value) return this;
    return this.replace(index, copyOf(old).set(key, value), had ? 0 : 1);
  }

  /** This table without `key`; this very table if it has none. */
  without(key: K): Table<K, V> {
    const index = shardOf(key);
    if (!this.shard(index).has(key)) return this;
    const shard = copyOf(this.shard(index));
    shard.delete(key);
    return this.replace(index, shard.size === 0 ? (NOTHING as Shard<K, V>) : shard, -1);
  }

  /** Begins changes of many keys at once. */
  draft(): Draft<K, V> {
    return new Draft<K, V>(this.groups, this.size, {
      make: (groups, size) => (groups === this.groups ? this : new Table(groups, size)),
    });
  }

  *keys(): IterableIterator<K> {
    for (const group of this.groups) for (const shard of group) yield* shard.keys();
  }

  *values(): IterableIterator<V> {
    for (const group of this.groups) for (const shard of group) yield* shard.values();
  }

  *entries(): IterableIterator<[K, V]> {
    for (const group of this.groups) for (const shard of group) yield* shard.entries();
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
  parts(): readonly ReadonlyMap<K, V>[] {
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
 * A table that is being changed in many places: each shard is copied once, however many of its keys change. As long as nobody else
 * holds the draft this is as pure as `with` and `without`; the table that it came from stays as it was.
 */
export class Draft<K extends string, V> {
  private readonly maker: Maker<K, V>;
  private groups: Groups<K, V>;
  private size: number;
  /** The groups and shards that were made here, and so may be written to. */
  private readonly own = new Set<object>();

  constructor(groups: Groups<K, V>, size: number, maker: Maker<K, V>) {
    this.groups = groups;
    this.size = size;
    this.maker = maker;
  }

  get(key: K): V | undefined {
    return this.at(shardOf(key)).get(key);
  }

  set(key: K, value: V): void {
    const index = shardOf(key);
    const shard = this.at(index);
    const before = shard.get(key);
    if (before === value && (before !== undefined || shard.has(key))) return;
    const writable = this.writable(index);
    this.size -= writable.size;
    this.size += writable.set(key, value).size;
  }

  delete(key: K): void {
    const index = shardOf(key);
    if (!this.at(index).has(key)) return;
    this.writable(index).delete(key);
    this.size--;
  }

  /** The table as it is now; this very one that it began with if nothing was changed. The draft is not to be used after it. */
  done(): Table<K, V> {
    return this.maker.make(this.groups, this.size);
  }

  private at(index: number): Shard<K, V> {
    return this.groups[index >> BITS]![index & (GROUPS - 1)]!;
  }

  private writable(index: number): Map<K, V> {
    const shard = this.at(index);
    if (this.own.has(shard)) return shard as Map<K, V>;
    const copy = copyOf(shard);
    this.own.add(copy);
    if (!this.own.has(this.groups)) {
      this.groups = this.groups.slice();
      this.own.add(this.groups);
    }
    const [at, within] = [index >> BITS, index & (GROUPS - 1)];
    let group = this.groups[at]!;
    if (!this.own.has(group)) {
      group = group.slice();
      this.own.add(group);
      (this.groups as (typeof group)[])[at] = group;
    }
    (group as Shard<K, V>[])[within] = copy;
    return copy;
  }
}

function putChanges<K extends string, V>(
  changes: Change<K, V>[],
  before: Shard<K, V>,
  after: Shard<K, V>,
): void {
  for (const [key, value] of before) {
    const now = after.get(key);
    if (now !== value) changes.push({ key, before: value, after: now });
  }
  for (const [key, value] of after)
    if (!before.has(key)) changes.push({ key, before: undefined, after: value });
}

/** A copy to be written to. Most shards have few entries, and `new Map(old)` makes an iterator and an array for each. */
function copyOf<K, V>(shard: ReadonlyMap<K, V>): Map<K, V> {
  const copy = new Map<K, V>();
  for (const [key, value] of shard) copy.set(key, value);
  return copy;
}

const EMPTY = Table.from<never, never>([]);

/** FNV-1a over the key's UTF-16 units. */
function shardOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index++) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  return (hash ^ (hash >>> 16)) & (SHARDS - 1);
}
