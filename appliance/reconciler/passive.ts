/**
 * Drivers that do nothing and reach everything: for `"driver": "none"`, where something else forwards or routes.
 */
import type { Driver } from '../desired/driver.ts';
import type { WantedDataplane } from '../desired/wanted.ts';
import type { Reached } from '../registry/state.ts';
import { Table } from '../registry/table.ts';

export const createPassive = <W, R>(reach: (wanted: W) => R): Driver<W, R> => ({
  apply: async wanted => ({ reached: reach(wanted), problems: [] }),
  release: async () => {},
  detach: () => {},
});

/** A data plane that has every member of every farm, at a cost that goes by what differs from call to call. */
export function createPassiveDataplane(): Driver<WantedDataplane, Reached['farms']> {
  let last: WantedDataplane['farms'] = Table.empty();
  let counts: Reached['farms'] = Table.empty();
  return createPassive(({ farms }: WantedDataplane) => {
    for (const { key, after } of farms.changesSince(last))
      counts = after === undefined ? counts.without(key) : counts.with(key, after.members.length);
    last = farms;
    return counts;
  });
}
