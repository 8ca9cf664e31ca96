/** Names whose answers may be others since the network moved: looked at one by one, as there is time. */
import type { ManagerId } from '../../sdk/wire/model.ts';
import type { View } from './view.ts';
import type { Moved } from './ways.ts';

/** Whose answers to look at; `places` absent: those at every place. */
export interface Suspect {
  readonly name: string;
  readonly places?: ReadonlySet<string>;
}

export class Suspects {
  private names = new Set<string>();
  private ways = new Map<ManagerId, Set<string>>();

  get empty(): boolean {
    return this.names.size === 0 && this.ways.size === 0;
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

  /** Takes them out, one after the other. What is not asked for stays. `viewOf`: the newest view. */
  *take(viewOf: () => View): Generator<Suspect, void> {
    for (const name of this.names) {
      this.names.delete(name);
      yield { name };
    }
    for (const [manager, places] of this.ways) {
      this.ways.delete(manager);
      let last: string | undefined;
      for (const { offer } of viewOf().sites.get(manager)?.offers.values() ?? []) {
        // The offers of a name mostly stand together.
        if (offer.name !== last) yield { name: offer.name, places };
        last = offer.name;
      }
    }
  }
}
