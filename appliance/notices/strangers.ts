/**
 * Managers of which nothing is believed yet: where they were heard, and whether they may be asked now. Whoever can send a datagram can
 * be one, with any address: so few are asked, and few are remembered.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { ManagerId } from '../../sdk/wire/model.ts';
import type { Clock } from '../host/ports.ts';
import { SourceLimits } from '../responder/source-limits.ts';

/** Asked in a second, because of one address and of all. */
const EACH = 5;
const ALL = 50;
const REMEMBERED = 256;

export class Strangers {
  private readonly places = new Map<ManagerId, readonly Address[]>();
  private readonly each: SourceLimits<Address>;
  private readonly all: SourceLimits<'all'>;

  constructor(clock: Clock) {
    this.each = new SourceLimits(clock, EACH, () => {});
    this.all = new SourceLimits(clock, ALL, () => {});
  }

  /** Whether a message from this address may lead to a question now. */
  allows(from: Address): boolean {
    return this.each.allow(from) && this.all.allow('all');
  }

  /** Remembers where it may be asked; the one that was heard of longest ago makes room. */
  remember(manager: ManagerId, places: readonly Address[]): void {
    this.places.delete(manager);
    if (this.places.size >= REMEMBERED) this.places.delete(this.places.keys().next().value!);
    this.places.set(manager, places);
  }

  placesOf(manager: ManagerId): readonly Address[] | undefined {
    return this.places.get(manager);
  }

  forget(manager: ManagerId): void {
    this.places.delete(manager);
  }
}
