/**
 * One other manager: whose messages are its own, what it has said, and whether it is still there. It is made when a message of it has
 * answered a question of ours, since anything older may be a replay (docs/protocol.md, Notices).
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { NoticeMessage, Speaker } from '../../sdk/wire/messages.ts';
import type { ManagerId } from '../../sdk/wire/model.ts';
import type { Millis, Timer } from '../host/ports.ts';
import { PeerTable } from './table.ts';

export type Refresh = Extract<NoticeMessage, { type: 'refresh' }>;

/** Answers that are known to be superseded; older ones are no longer open. */
const MOST_TOLD = 64;

export class Peer {
  readonly id: ManagerId;
  private readonly told = new Set<string>();
  speaker: Speaker;
  /** DER of its certificate, judged anew when the list of revoked ones is another. */
  certificate: Uint8Array;
  publicKey: Uint8Array;
  table: PeerTable;
  /** The nonce of the answer that tells the whole table: parts of two such answers do not mix. */
  telling: string | undefined;
  /** The last refresh's. */
  beat = 0;
  validity: Millis;
  /** When it last said unasked, in a datagram, that it is there. */
  toldAt = Number.NEGATIVE_INFINITY;
  /** The nonce of what holds its whole table in OSPF's database, as it last said. */
  image: string | undefined;
  /** What it wants to see in our next question. */
  cookie: Uint8Array | undefined;
  /** Where its last message came from. */
  source: Address;
  heardAt: Millis;
  silent = false;
  /** Ends its being there, or its being remembered. */
  fading: Timer | undefined;

  constructor(message: Refresh, publicKey: Uint8Array, source: Address, now: Millis) {
    this.id = message.manager;
    this.speaker = speakerOf(message);
    this.certificate = message.certificate!;
    this.publicKey = publicKey;
    this.table = new PeerTable(message.boot);
    this.validity = message.validity;
    this.source = source;
    this.heardAt = now;
  }

  /** Where it may be asked, the likeliest first. */
  get places(): readonly Address[] {
    return [this.source, ...this.speaker.addresses.filter(address => address !== this.source)];
  }

  /** A fresh start: nothing of what it said in another boot is to be mixed with this one's. */
  reboot(boot: number): void {
    this.table = new PeerTable(boot);
    this.telling = undefined;
    this.image = undefined;
    this.beat = 0;
  }

  /** Whether a part of an answer with this nonce belongs to what is being told; the first of a whole one begins it anew. */
  admits(nonce: string, whole: boolean): boolean {
    if (!whole || this.telling === nonce) return true;
    if (this.told.has(nonce)) return false;
    if (this.telling !== undefined) this.told.add(this.telling);
    this.telling = nonce;
    if (this.told.size > MOST_TOLD) this.told.delete(this.told.values().next().value!);
    this.table.restart();
    return true;
  }
}

/** What a message says of its sender, and no more of it. */
export const speakerOf = ({ manager, name, addresses, anycastPort, port, tls }: Speaker): Speaker => ({
  ...{ manager, name, addresses, anycastPort, port, tls },
});
