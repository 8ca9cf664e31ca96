/**
 * Unasked invitations (docs/protocol.md, DHCP): to a known server's new address, again and again in growing distances, because nobody
 * knows when its host has taken the address.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { ServerId } from '../../sdk/wire/model.ts';
import type { Clock, Millis, Timer } from '../host/ports.ts';

/** The first distance; each is twice the one before, and what would leave after the end does not. */
export const FIRST_AFTER: Millis = 5;
export const INVITE_FOR: Millis = 2_000;
/** Addresses that are invited at once. */
export const MOST_INVITED = 256;
/** Of them, those of one server: a host has one address or two, whoever shows it everywhere does not mean well. */
export const MOST_OF_ONE = 4;
/** An address is not invited anew, but by a lease granted after one was asked for, before this has passed. */
const PAUSE: Millis = 1_000;

export type Begun = 'began' | 'began-again' | 'under-way' | 'too-many';

/** Whom to invite, where. */
export interface Invited {
  readonly server: ServerId;
  readonly address: Address;
  /** One of greater rank (a lease granted, after it was asked for) replaces what is under way to the address. */
  readonly rank: number;
}

interface Series {
  readonly server: ServerId;
  readonly began: Millis;
  readonly rank: number;
  timer: Timer;
}

export class Invitations {
  private readonly clock: Clock;
  private readonly series = new Map<Address, Series>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Sends until `done` says so, or the time is over. */
  begin({ server, address, rank }: Invited, send: () => void, done: () => boolean): Begun {
    const before = this.series.get(address);
    const now = this.clock.now();
    if (before !== undefined && before.rank >= rank && now - before.began < PAUSE) return 'under-way';
    if (before === undefined && (this.series.size >= MOST_INVITED || this.countOf(server) >= MOST_OF_ONE))
      return 'too-many';
    before?.timer.cancel();
    const step = (wait: Millis): Timer =>
      this.clock.after('invite-again', wait, () => {
        if (done() || this.clock.now() - now > INVITE_FOR) {
          this.series.delete(address);
          return;
        }
        send();
        series.timer = step(wait * 2);
      });
    const series: Series = { server, began: now, rank, timer: step(FIRST_AFTER) };
    this.series.set(address, series);
    return before === undefined ? 'began' : 'began-again';
  }

  close(): void {
    for (const { timer } of this.series.values()) timer.cancel();
    this.series.clear();
  }

  private countOf(server: ServerId): number {
    return [...this.series.values()].filter(series => series.server === server).length;
  }
}
