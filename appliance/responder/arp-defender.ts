/**
 * The defending phase (RFC 5227 §2.4 c: an address that is never given up): another station that claims a VIP is an alarm, and
 * is answered by one announcement, not more often than DEFEND_INTERVAL, so that two stubborn hosts don't flood the link.
 */
import type { Address, Mac } from '../../sdk/wire/address.ts';
import type { Clock, Millis } from '../host/ports.ts';

/** RFC 5227 §1.1. */
export const DEFEND_INTERVAL: Millis = 10_000;

/** A conflict is over after this long without another claim. */
export const CONFLICT_QUIET: Millis = 3 * DEFEND_INTERVAL;

/** A conflict as the alarm tells of it. */
export interface ArpConflict {
  readonly state: 'began' | 'over';
  readonly vip: Address;
  /** The station that claims it. */
  readonly mac: Mac;
  readonly link: string;
}

/** A conflict that is not over. */
export interface StandingConflict {
  readonly vip: Address;
  /** The station that claimed it last. */
  readonly mac: Mac;
  readonly link: string;
}

interface Conflict {
  mac: Mac;
  seen: Millis;
  defended: Millis;
}

export class Defender {
  private readonly clock: Clock;
  private readonly conflicts = new Map<Address, Conflict>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** `mac` claimed `vip`. `defend`: announce it now. `alarm`: this conflict is new, or has another opponent. */
  claimed(vip: Address, mac: Mac): { readonly defend: boolean; readonly alarm: boolean } {
    const now = this.clock.now();
    const conflict = this.conflicts.get(vip);
    if (conflict === undefined) {
      this.conflicts.set(vip, { mac, seen: now, defended: now });
      return { defend: true, alarm: true };
    }
    const defend = now - conflict.defended >= DEFEND_INTERVAL;
    const alarm = conflict.mac !== mac;
    conflict.mac = mac;
    conflict.seen = now;
    if (defend) conflict.defended = now;
    return { defend, alarm };
  }

  /** Conflicts that have been quiet for long enough: they are forgotten. Call it every second or so. */
  settle(): readonly { readonly vip: Address; readonly mac: Mac }[] {
    const now = this.clock.now();
    const over = [...this.conflicts].filter(([, { seen }]) => now - seen >= CONFLICT_QUIET);
    for (const [vip] of over) this.conflicts.delete(vip);
    return over.map(([vip, { mac }]) => ({ vip, mac }));
  }

  /** The VIP is no longer ours: nothing is in conflict. */
  release(vip: Address): void {
    this.conflicts.delete(vip);
  }

  /** VIPs in conflict now, and with whom. */
  standing(): readonly { readonly vip: Address; readonly mac: Mac }[] {
    return [...this.conflicts].map(([vip, { mac }]) => ({ vip, mac }));
  }
}
