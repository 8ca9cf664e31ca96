/**
 * From an address to its place, by longest prefix: a binary trie for each family. It also says how far the answer reaches:
 * RFC 7871 §7.2.1 wants a scope within which no longer prefix lies.
 */
import { type Address, addressBytes, type Family, type Prefix } from '../../sdk/wire/address.ts';
import { isMapped } from './cookies.ts';
import type { Place } from './view.ts';

/** Numbers a node has: the children for 0 and 1 (0: none), and the place that begins here (-1: none). */
const STRIDE = 3;

export class Places {
  /** By number; 0 is the place of those who are in none. */
  readonly keys: readonly Place[];
  /** How many bits of the address decided the last look-up. */
  scope = 0;
  private nodes = new Int32Array(1024 * STRIDE);
  /** The first node is no one's child, nor anybody's root: 0 means none. */
  private used = 1;
  private readonly roots: Readonly<Record<Family, number>>;

  constructor(topology: readonly { readonly prefix: Prefix; readonly place: Place }[]) {
    this.roots = { 4: this.grow(), 6: this.grow() };
    const numbers = new Map<Place, number>([['', 0]]);
    for (const { prefix, place } of topology) {
      if (!numbers.has(place)) numbers.set(place, numbers.size);
      this.insert(prefix, numbers.get(place)!);
    }
    this.keys = [...numbers.keys()];
  }

  /** The number of the place of the address at bytes[at…], of which `bits` are known. Sets `scope`. */
  find(bytes: Uint8Array, at: number, family: Family, bits: number): number {
    const { nodes } = this;
    let node = this.roots[family];
    let place = 0;
    for (let bit = 0; ; bit++) {
      const here = nodes[node + 2]!;
      if (here >= 0) place = here;
      const leaf = nodes[node] === 0 && nodes[node + 1] === 0;
      const next = bit === bits ? 0 : nodes[node + ((bytes[at + (bit >> 3)]! >> (7 - (bit & 7))) & 1)]!;
      if (next === 0) {
        // Where there are longer prefixes beside this address (or below it, and it is not known well enough), one bit more tells.
        this.scope = leaf ? bit : bit + 1;
        return place;
      }
      node = next;
    }
  }

  /** The number of the place of a source: the 16 bytes of its address are at bytes[at…]. */
  of(bytes: Uint8Array, at: number): number {
    if (this.keys.length === 1) return 0;
    return isMapped(bytes, at) ? this.find(bytes, at + 12, 4, 32) : this.find(bytes, at, 6, 128);
  }

  private insert(prefix: Prefix, place: number): void {
    const [text, length] = prefix.split('/') as [Address, string];
    const bytes = addressBytes(text);
    let node = this.roots[bytes.length === 4 ? 4 : 6];
    for (let bit = 0; bit < Number(length); bit++) {
      const child = node + ((bytes[bit >> 3]! >> (7 - (bit & 7))) & 1);
      if (this.nodes[child] === 0) {
        // Growing may replace `nodes`.
        const grown = this.grow();
        this.nodes[child] = grown;
      }
      node = this.nodes[child]!;
    }
    this.nodes[node + 2] = place;
  }

  private grow(): number {
    const node = this.used++ * STRIDE;
    if (node + STRIDE > this.nodes.length) {
      const larger = new Int32Array(this.nodes.length * 2);
      larger.set(this.nodes);
      this.nodes = larger;
    }
    this.nodes[node + 2] = -1;
    return node;
  }
}
