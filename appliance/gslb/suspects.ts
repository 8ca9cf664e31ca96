/** Names whose answers may be others since the network moved: looked at one by one, as there is time. */
import type { ManagerId } from '../../sdk/wire/model.ts';
import type { Held, View } from './view.ts';
import type { Moved } from './ways.ts';

/** Whose answers to look at; `places` absent: those at every place. */
export interface Suspect {
  readonly name: string;
  readonly places?: ReadonlySet<string>;
}

export class Suspects {
  private readonly names = new Set<string>();
  private readonly ways = new Map<ManagerId, Set<string>>();
  /** The manager whose offers are being gone through. */
  private current:
    | { readonly places: ReadonlySet<string>; readonly offers: Iterator<Held>; readonly seen: Set<string> }
    | undefined;

  get empty(): boolean {
    return this.names.size === 0 && this.ways.size === 0 && this.current === undefined;
  }

  /** All that a manager offers, at the places from which the way to it has moved. */
  addWays(moved: Moved): void {
    for (const [manager, places] of moved) {
      const known = this.ways.get(manager);
      if (known === undefined) this.ways.set(manager, new Set(places));
      else for (const place of places) known.add(place);
    }
  }

  addNames(names: Iterable<string>): void {
    for (const name of names) this.names.add(name);
  }

  /** Takes the next one out; undefined: there is none left. What comes to be offered meanwhile is no suspect: it is told as a change. */
  next(view: View): Suspect | undefined {
    for (const name of this.names) {
      this.names.delete(name);
      return { name };
    }
    for (;;) {
      this.current ??= this.begin(view);
      if (this.current === undefined) return undefined;
      const step = this.current.offers.next();
      if (step.done) {
        this.current = undefined;
        continue;
      }
      const { name } = step.value.offer;
      // A name may have several offers.
      if (this.current.seen.has(name)) continue;
      this.current.seen.add(name);
      return { name, places: this.current.places };
    }
  }

  private begin(view: View): Suspects['current'] {
    for (const [manager, places] of this.ways) {
      this.ways.delete(manager);
      const offers = view.sites.get(manager)?.offers;
      if (offers !== undefined) return { places, offers: offers.values(), seen: new Set() };
    }
    return undefined;
  }
}
