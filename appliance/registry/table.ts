/**
 * A persistent map with string keys: `with` and `without` give a new table and leave the old one as it was, at the cost of
 * one of its 256 shards. Two tables that came from one another are compared in time proportional to what differs, which is what
 * makes a whole wanted state cheap to hand around with 30,000 services in it.
 */
const SHARDS = 256;
type Shard<K extends string, V> = ReadonlyMap<K, V>;

/** One key that differs between two tables; an absent side is undefined. */
export interface Change<K extends string, V> {
  readonly key: K;
  readonly before: V | undefined;
  readonly after: V | undefined;
}

export class Table<K extends string, V> {
  readonly size: number;
  private readonly shards: readonly Shard<K, V>[];

  private constructor(shards: readonly Shard<K, V>[], size: number) {
    this.shards = shards;
    this.size = size;
  }

  /** The table with nothing in it. */
  static empty<K extends string, V>(): Table<K, V> {
    return EMPTY as unknown as Table<K, V>;
  }

  /** A table of these entries; a later one replaces an earlier one of the same key. */
  static from<K extends string, V>(entries: Iterable<readonly [K, V]>): Table<K, V> {
    const shards = Array.from({ length: SHARDS }, () => new Map<K, V>());
    for (const [key, value] of entries) shards[shardOf(key)]!.set(key, value);
    return new Table(
      shards,
      shards.reduce((sum, shard) => sum + shard.size, 0),
    );
  }

  get(key: K): V | undefined {
    return this.shards[shardOf(key)]!.get(key);
  }

  has(key: K): boolean {
    return this.shards[shardOf(key)]!.has(key);
  }

  /** This table with `key` bound to `value`; this very table if it is already (by ===). */
  with(key: K, value: V): Table<K, V> {
    const index = shardOf(key);
    const old = this.shards[index]!;
    const had = old.has(key);
    if (had && old.get(key) === value) return this;
    return this.replace(index, new Map(old).set(key, value), had ? 0 : 1);
  }

  /** This table without `key`; this very table if it has none. */
  without(key: K): Table<K, V> {
    const index = shardOf(key);
    if (!this.shards[index]!.has(key)) return this;
    const shard = new Map(this.shards[index]!);
    shard.delete(key);
    return this.replace(index, shard, -1);
  }

  *keys(): IterableIterator<K> {
    for (const shard of this.shards) yield* shard.keys();
  }

  *values(): IterableIterator<V> {
    for (const shard of this.shards) yield* shard.values();
  }

  *entries(): IterableIterator<[K, V]> {
    for (const shard of this.shards) yield* shard.entries();
  }

  /** What differs (by ===) between `before` and this table. */
  *changesSince(before: Table<K, V>): IterableIterator<Change<K, V>> {
    if (before === this) return;
    for (let index = 0; index < SHARDS; index++) {
      const older = before.shards[index]!;
      const newer = this.shards[index]!;
      if (older === newer) continue;
      for (const [key, value] of older) {
        const after = newer.get(key);
        if (after !== value) yield { key, before: value, after };
      }
      for (const [key, value] of newer) if (!older.has(key)) yield { key, before: undefined, after: value };
    }
  }

  /** The shards, for a store that writes only those that changed (by ===). */
  parts(): readonly ReadonlyMap<K, V>[] {
    return this.shards;
  }

  private replace(index: number, shard: Shard<K, V>, growth: number): Table<K, V> {
    const shards = this.shards.slice();
    shards[index] = shard;
    return new Table(shards, this.size + growth);
  }
}

const EMPTY = Table.from<never, never>([]);

/** FNV-1a over the key's UTF-16 units. */
function shardOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index++) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  return (hash ^ (hash >>> 16)) & (SHARDS - 1);
}
