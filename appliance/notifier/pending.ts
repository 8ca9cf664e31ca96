/**
 * What differs from what was told last, until it is told: what changes again meanwhile is told once. Bindings go before offers: routes
 * hang on them. Pure.
 */
import type { Binding, Offer } from '../../sdk/wire/model.ts';
import { entrySize, MAX_ENTRIES } from '../../sdk/wire/notices.ts';
import { Table } from '../registry/table.ts';
import { offerDiffers, sameBinding } from './alike.ts';
import type { Announced } from './announced.ts';
import type { Entry } from './ledger.ts';

export type Untold = readonly [key: string, entry: Entry, size: number];

/** Hosts of a binding that are told. */
const MOST_HOSTS = 4;

export class Pending {
  private seen: Announced = { bindings: Table.empty(), offers: Table.empty() };
  private readonly bindings = new Map<string, Binding | undefined>();
  private readonly offers = new Map<string, Offer | undefined>();
  /** Offers of which only the score moved, and a little. */
  private readonly drifting = new Map<string, Offer>();
  /** What was told last and is not gone. */
  private readonly toldBindings = new Map<string, Binding>();
  private readonly toldOffers = new Map<string, Offer>();

  get size(): number {
    return this.bindings.size + this.offers.size;
  }

  /** Takes the whole wanted state. */
  want(wanted: Announced): void {
    for (const { key, after } of wanted.bindings.changesSince(this.seen.bindings)) {
      const told = this.toldBindings.get(key);
      const same = told === undefined ? after === undefined : after !== undefined && sameBinding(told, after);
      if (same) this.bindings.delete(key);
      else this.bindings.set(key, after);
    }
    for (const { key, after } of wanted.offers.changesSince(this.seen.offers)) {
      const told = this.toldOffers.get(key);
      this.drifting.delete(key);
      if (told === undefined || after === undefined) {
        if (told === after) this.offers.delete(key);
        else this.offers.set(key, after);
        continue;
      }
      const differs = offerDiffers(told, after);
      if (differs === 'now' || (differs === 'later' && this.offers.has(key))) this.offers.set(key, after);
      else this.offers.delete(key);
      if (differs === 'later' && !this.offers.has(key)) this.drifting.set(key, after);
    }
    this.seen = wanted;
  }

  /** Small movements of scores are told now, too. */
  settle(): void {
    for (const [key, offer] of this.drifting) this.offers.set(key, offer);
    this.drifting.clear();
  }

  /** Takes out what is told next, in at most `room` bytes. */
  take(room: number): Untold[] {
    const taken: Untold[] = [];
    let left = room;
    for (const [key, after] of this.bindings) {
      const value = after ?? this.toldBindings.get(key)!;
      const hosts = after === undefined ? [] : value.hosts.slice(0, MOST_HOSTS);
      const binding = { ...value, hosts, gone: after === undefined };
      const size = entrySize({ binding });
      if (taken.length > 0 && (size > left || taken.length === MAX_ENTRIES)) return taken;
      taken.push([`binding ${key}`, { kind: 'binding', value: binding }, size]);
      left -= size;
      this.bindings.delete(key);
      if (after === undefined) this.toldBindings.delete(key);
      else this.toldBindings.set(key, after);
    }
    for (const [key, after] of this.offers) {
      const offer = { ...(after ?? this.toldOffers.get(key)!), gone: after === undefined };
      const size = entrySize({ offer });
      if (taken.length > 0 && (size > left || taken.length === MAX_ENTRIES)) return taken;
      taken.push([`offer ${key}`, { kind: 'offer', value: offer }, size]);
      left -= size;
      this.offers.delete(key);
      if (after === undefined) this.toldOffers.delete(key);
      else this.toldOffers.set(key, after);
    }
    return taken;
  }
}
