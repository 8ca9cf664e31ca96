/**
 * Prefixes of one family of addresses as a binary trie: what is true of an address, however little of it is told. What is made of it to
 * be quick is in places.ts.
 */

/** Numbers a node has: the children for 0 and 1 (0: none), and the place that begins here (-1: none). */
const STRIDE = 3;

export class PrefixTrie {
  /** How many bits of the address decided the last look-up: 0 to 128, or one more than are known. */
  scope = 0;
  /** The first node is the root, and no one's child. */
  readonly root = 0;
  private nodes = new Int32Array(64 * STRIDE);
  private used = 0;

  constructor() {
    this.grow();
  }

  /** The child of a node for a bit; 0: none. */
  child = (node: number, bit: number): number => this.nodes[node + bit]!;
  /** The place that begins at a node; -1: none. */
  placeAt = (node: number): number => this.nodes[node + 2]!;
  isLeaf = (node: number): boolean => this.nodes[node] === 0 && this.nodes[node + 1] === 0;

  /** The place of the address at bytes[at…], of which `bits` are known; 0: in none. Sets `scope`. */
  find(bytes: Uint8Array, at: number, bits: number): number {
    let node = this.root;
    let place = 0;
    for (let bit = 0; ; bit++) {
      const here = this.placeAt(node);
      if (here >= 0) place = here;
      const next = bit === bits ? 0 : this.child(node, bitOf(bytes, at, bit));
      if (next === 0) {
        // Where there are longer prefixes beside this address (or below it, and it is not known well enough), one bit more tells.
        this.scope = this.isLeaf(node) ? bit : bit + 1;
        return place;
      }
      node = next;
    }
  }

  /** The first `length` bits of an address are a place. */
  insert(bytes: Uint8Array, length: number, place: number): void {
    let node = this.root;
    for (let bit = 0; bit < length; bit++) {
      const child = node + bitOf(bytes, 0, bit);
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

const bitOf = (bytes: Uint8Array, at: number, bit: number): number =>
  (bytes[at + (bit >> 3)]! >> (7 - (bit & 7))) & 1;
