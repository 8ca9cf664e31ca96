/**
 * From an address to its place, by longest prefix; and how far the answer reaches: RFC 7871 §7.2.1 wants a scope within which no longer
 * prefix lies. Looked up are four bits a step, in tables of 16 that are made from a trie when the topology is new: a table is one line of
 * the processor's cache.
 */
import { type Address, addressBytes, type Family, type Prefix } from '../../sdk/wire/address.ts';
import { isMapped } from './cookies.ts';
import { PrefixTrie } from './prefix-trie.ts';
import type { Place } from './view.ts';

const WIDTH = 4;
const SIZE = 1 << WIDTH;

export class Places {
  /** By number; 0 is the place of those who are in none. */
  readonly keys: readonly Place[];
  /** How many bits of the address decided the last look-up. */
  scope = 0;
  private readonly tries: Readonly<Record<Family, PrefixTrie>> = { 4: new PrefixTrie(), 6: new PrefixTrie() };
  /** Tables; of what they hold, numbers from 0 on are where another begins, and others are ends (`endOf`). */
  private tables = new Int32Array(8 * SIZE);
  private used = 0;
  private readonly root4: number;
  private readonly root6: number;

  constructor(topology: readonly { readonly prefix: Prefix; readonly place: Place }[]) {
    const numbers = new Map<Place, number>([['', 0]]);
    for (const { prefix, place } of topology) {
      if (!numbers.has(place)) numbers.set(place, numbers.size);
      const [text, length] = prefix.split('/') as [Address, string];
      const bytes = addressBytes(text);
      this.tries[bytes.length === 4 ? 4 : 6].insert(bytes, Number(length), numbers.get(place)!);
    }
    this.keys = [...numbers.keys()];
    this.root4 = this.tableOf(this.tries[4], this.tries[4].root, 0, 0);
    this.root6 = this.tableOf(this.tries[6], this.tries[6].root, 0, 0);
  }

  /** The number of the place of a source: the 16 bytes of its address are at bytes[at…]. */
  of(bytes: Uint8Array, at: number): number {
    if (this.keys.length === 1) return 0;
    return isMapped(bytes, at) ? this.find(bytes, at + 12, 4, 32) : this.find(bytes, at, 6, 128);
  }

  /** The number of the place of the address at bytes[at…], of which `bits` are known and the next few are 0. Sets `scope`. */
  find(bytes: Uint8Array, at: number, family: Family, bits: number): number {
    const { tables } = this;
    let next = family === 4 ? this.root4 : this.root6;
    for (let bit = 0; bit < bits; bit += WIDTH) {
      const byte = bytes[at + (bit >> 3)]!;
      next = tables[next + ((bit & WIDTH) === 0 ? byte >> WIDTH : byte & (SIZE - 1))]!;
      if (next < 0) break;
    }
    const scope = ~next & 255;
    // What is told may be too little to come to an end, or to this one.
    if (next >= 0 || scope > bits) {
      const trie = this.tries[family];
      const place = trie.find(bytes, at, bits);
      this.scope = trie.scope;
      return place;
    }
    this.scope = scope;
    return ~next >> 8;
  }

  /** Makes the table of what is below a node at a depth, where a shorter prefix says `place`; gives where it begins. */
  private tableOf(trie: PrefixTrie, node: number, depth: number, place: number): number {
    const table = this.used;
    this.used += SIZE;
    if (this.used > this.tables.length) {
      const larger = new Int32Array(this.tables.length * 2);
      larger.set(this.tables);
      this.tables = larger;
    }
    // Tables made on the way may replace `tables`.
    for (let index = 0; index < SIZE; index++) {
      const entry = this.entryOf(trie, node, depth, place, index);
      this.tables[table + index] = entry;
    }
    return table;
  }

  /** What a table has for the four bits `index`. */
  private entryOf(trie: PrefixTrie, node: number, depth: number, place: number, index: number): number {
    let at = node;
    let found = place;
    for (let bit = 0; bit <= WIDTH; bit++) {
      const here = trie.placeAt(at);
      if (here >= 0) found = here;
      if (trie.isLeaf(at)) return endOf(found, depth + bit);
      if (bit === WIDTH) break;
      const next = trie.child(at, (index >> (WIDTH - 1 - bit)) & 1);
      if (next === 0) return endOf(found, depth + bit + 1);
      at = next;
    }
    return this.tableOf(trie, at, depth + WIDTH, found);
  }
}

/** A place and a scope, as a table has them: below 0. */
const endOf = (place: number, scope: number): number => ~((place << 8) | scope);
