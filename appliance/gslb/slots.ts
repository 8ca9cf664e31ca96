/**
 * Shares of clients, dealt out by slots: the same slot keeps its place as long as the shares are the same, and of those only as many
 * move as the shares moved. Pure.
 */

/** Spreads small numbers over 32 bits (the finalizer of MurmurHash3). */
function offsetOf(value: number): number {
  let hash = value >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** FNV-1a over a text's UTF-16 units; spreads, and keeps nobody out. */
export function hashOf(text: string): number {
  let hash = 0x811c_9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x0100_0193);
  return offsetOf(hash);
}

/**
 * Which of the shares (each 0…1, 1 together) the slot gets. `turn` (any number) is where the dealing begins, so that what is rounded
 * falls on another for each name.
 */
export function dealTo(shares: readonly number[], slot: number, slots: number, turn: number): number {
  const at = ((slot + 0.5) / slots + (turn % 1024) / 1024) % 1;
  let sum = 0;
  let last = 0;
  for (let index = 0; index < shares.length; index++) {
    const share = shares[index]!;
    if (share <= 0) continue;
    sum += share;
    last = index;
    if (at < sum) return index;
  }
  return last;
}
