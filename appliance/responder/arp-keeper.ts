/**
 * Ordinary ARP for the VIPs on one access link: announcing, answering where the kernel doesn't, defending.
 */
import { type Address, addressBytes, type Mac, macFromBytes } from '../../sdk/wire/address.ts';
import { BROADCAST, encodeArp, NO_MAC } from '../../sdk/wire/arp.ts';
import { readU32 } from '../../sdk/wire/tlv.ts';
import type { Clock } from '../host/ports.ts';
import { Announcer } from './arp-announcer.ts';
import { type ArpConflict, Defender, type StandingConflict } from './arp-defender.ts';
import type { ResponderCounters } from './counters.ts';
import { type Station, sourceKey } from './frame.ts';
import type { SourceLimits } from './source-limits.ts';

export interface ArpKeeperOptions {
  readonly clock: Clock;
  readonly limits: SourceLimits<number>;
  readonly counters: ResponderCounters;
  readonly send: (frame: Uint8Array) => void;
  /** Whether the kernel has the address on some interface and so answers for it by itself. */
  readonly kernelAnswers: (vip: Address) => boolean;
  /** Whether the MAC is one of this appliance's own. */
  readonly isOwn: (mac: Mac) => boolean;
  readonly onConflict: (conflict: ArpConflict) => void;
}

export class ArpKeeper {
  private readonly options: ArpKeeperOptions;
  private readonly announcer: Announcer;
  private readonly defender: Defender;
  private station: Station;
  /** By the 32 bits of the address: most ARP on a link is about others, and must cost nothing. */
  private readonly vips = new Map<number, Address>();

  /** Announces nothing yet: setStation does, once frames can be sent. */
  constructor(options: ArpKeeperOptions, station: Station, vips: Iterable<Address>) {
    this.options = options;
    this.station = station;
    for (const vip of vips) if (keyOf(vip) !== NONE) this.vips.set(keyOf(vip), vip);
    this.announcer = new Announcer(options.clock, vip => this.announce(vip));
    this.defender = new Defender(options.clock);
  }

  /** Takes up and gives up VIPs. IPv6 ones are passed over: they have no ARP. */
  change(taken: Iterable<Address>, given: Iterable<Address>): void {
    for (const vip of given) {
      if (!this.vips.delete(keyOf(vip))) continue;
      this.announcer.stop(vip);
      this.defender.release(vip);
    }
    const fresh: Address[] = [];
    for (const vip of taken) {
      const key = keyOf(vip);
      if (key === NONE || this.vips.has(key)) continue;
      this.vips.set(key, vip);
      fresh.push(vip);
    }
    this.announcer.start(fresh);
  }

  /** The interface is there, came back, or has another MAC: neighbours may have forgotten, or learnt wrongly. */
  setStation(station: Station): void {
    this.station = station;
    this.announcer.start(this.vips.values());
  }

  /** One ARP request or reply (frame.ts). */
  receive(frame: Uint8Array, operation: 'request' | 'reply'): void {
    const sender = this.vips.get(readU32(frame, 28));
    if (sender !== undefined) this.claimed(sender, macFromBytes(frame, 22));
    else if (operation === 'request') {
      const target = this.vips.get(readU32(frame, 38));
      if (target !== undefined && !this.options.kernelAnswers(target)) this.answer(frame, target);
    }
  }

  /** Looks for conflicts that are over; what they left in caches is overwritten. */
  look(): void {
    const over = this.defender.settle();
    for (const { vip, mac } of over)
      this.options.onConflict({ state: 'over', vip, mac, link: this.station.name });
    if (over.length > 0) this.announcer.start(over.map(({ vip }) => vip));
  }

  /** VIPs that another station claims now. */
  conflicts(): readonly StandingConflict[] {
    return this.defender.standing().map(conflict => ({ ...conflict, link: this.station.name }));
  }

  close(): void {
    this.announcer.close();
  }

  private claimed(vip: Address, mac: Mac): void {
    if (this.options.isOwn(mac)) return;
    const { counters } = this.options;
    counters.arp.conflicts++;
    const { defend, alarm } = this.defender.claimed(vip, mac);
    if (alarm) this.options.onConflict({ state: 'began', vip, mac, link: this.station.name });
    if (!defend) return;
    counters.arp.defences++;
    this.announce(vip);
  }

  /** RFC 826: an answer to the asker alone. Also to a probe (RFC 5227 §2.1.1), which it stops. */
  private answer(frame: Uint8Array, vip: Address): void {
    const { counters, limits, send } = this.options;
    if ((frame[22]! & 1) === 1) return; // No station has a group's MAC.
    const asker = macFromBytes(frame, 22);
    if (!limits.allow(sourceKey(frame))) {
      counters.arp['rate-limited']++;
      return;
    }
    counters.arp.replies++;
    const { mac } = this.station;
    const reply = encodeArp({
      destination: asker,
      source: mac,
      operation: 'reply',
      senderMac: mac,
      senderAddress: vip,
      targetMac: asker,
      targetAddress: vip,
    });
    reply.set(frame.subarray(28, 32), 38);
    send(reply);
  }

  /** RFC 5227 §2.3 and §3: an announcement is a request, with the address in both places. */
  private announce(vip: Address): void {
    this.options.counters.arp.announcements++;
    const { mac } = this.station;
    this.options.send(
      encodeArp({
        destination: BROADCAST,
        source: mac,
        operation: 'request',
        senderMac: mac,
        senderAddress: vip,
        targetMac: NO_MAC,
        targetAddress: vip,
      }),
    );
  }
}

const NONE = -1;

/** The address's 32 bits; NONE for IPv6. */
function keyOf(vip: Address): number {
  const bytes = addressBytes(vip);
  return bytes.length === 4 ? readU32(bytes, 0) : NONE;
}
