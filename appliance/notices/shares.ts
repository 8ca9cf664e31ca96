/**
 * Who may have how much kept of what he says. Half of the room is shared out among as many managers as are listened to, whether they are
 * there or not, and the other half goes to whoever comes first: one that announces without end leaves every other its share. Pure.
 */

/** How many entries more are kept of a peer that has `own`, while the other peers have `others`. */
export function roomOf(
  { peers, bindings }: { readonly peers: number; readonly bindings: number },
  own: number,
  others: readonly number[],
): number {
  const share = Math.floor(bindings / (2 * peers));
  const absent = Math.max(0, peers - 1 - others.length);
  const spokenFor = others.reduce((sum, size) => sum + Math.max(size, share), absent * share);
  return Math.max(0, share - own, bindings - spokenFor - own);
}
