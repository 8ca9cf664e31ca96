/**
 * A driver that does nothing and reaches everything: for `"driver": "none"`, where something else forwards or routes.
 */
import type { Driver } from '../desired/driver.ts';

export const createPassive = <W, R>(reach: (wanted: W) => R): Driver<W, R> => ({
  apply: async wanted => ({ reached: reach(wanted), problems: [] }),
  release: async () => {},
  detach: () => {},
});
