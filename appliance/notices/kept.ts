/**
 * Messages that stay where they were told: in OSPF's database (docs/protocol.md, Over OSPF). Which of them are wanted, and in what order.
 * Pure.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { Peer, Refresh } from './peer.ts';
import { hex } from './questions.ts';
import type { Notice } from './table.ts';

/** A message of a manager, signed. */
export type Message = (Notice | Refresh) & { readonly signature: Uint8Array };

/** How a message came: by itself, or in OSPF's database, where it stays. */
export type Way = 'datagram' | 'lsa';

/** A message in OSPF's database. */
export interface Kept {
  readonly message: Message;
  readonly bytes: Uint8Array;
  /** The router that floods it. */
  readonly from: Address;
}

/** Whether nothing is missing of a peer's table. */
export const knowsAll = ({ table }: Peer): boolean => table.complete && table.cover.whole;

/** Whether a notice is part of the image that a peer named in a fresh message, and not known yet. */
export function wants(peer: Peer | undefined, message: Message): boolean {
  if (peer === undefined || message.type !== 'notice' || !message.whole || knowsAll(peer)) return false;
  const { boot, since, change } = message;
  const nonce = hex(message.nonce!);
  if (nonce !== peer.image || boot !== peer.table.boot) return false;
  return peer.telling !== nonce || !peer.table.cover.has(since, change);
}

/** What a peer has there of its present boot: the notices as they were told, and those of the image that it names. */
export function inOrder(
  kept: readonly Kept[],
  peer: Peer,
): { readonly log: readonly Kept[]; readonly image: readonly Kept[] } {
  const ofBoot = kept.filter(({ message: { type, boot } }) => type === 'notice' && boot === peer.table.boot);
  const sorted = ofBoot.sort((one, other) => one.message.change - other.message.change);
  return {
    log: sorted.filter(({ message }) => message.nonce === undefined),
    image: sorted.filter(({ message: { nonce } }) => nonce !== undefined && hex(nonce) === peer.image),
  };
}
