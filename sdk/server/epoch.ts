/**
 * A server's epoch (docs/protocol.md §6.2): raised each time it registers at another manager than before, never without need.
 */
import type { ManagerId } from '../wire/model.ts';
import { type ManagerAddress, sameManager } from './events.ts';

/** Where the epoch was last accepted. */
export type Home = ManagerAddress & { readonly id?: ManagerId | undefined };

/** The greatest there is: 48 bits. */
const GREATEST = 2 ** 48 - 1;

/** Whether `to` is the manager that took the present epoch: by its identity where both are known, else by its address. */
export function isHome(home: Home | undefined, to: Home): boolean {
  if (home === undefined) return true;
  return home.id !== undefined && to.id !== undefined ? home.id === to.id : sameManager(home, to);
}

/**
 * The next epoch to try after `refused` was stale. A manager's sentence may say the one that it knows; without it the steps
 * double, so that any epoch is passed within some tens of attempts. Undefined: there is no greater one.
 */
export function above(refused: number, step: number, sentence: string): number | undefined {
  const known = Number(/ with (\d{1,15}): raise it$/.exec(sentence)?.[1] ?? 0);
  const next = Math.max(refused + step, known + 1);
  return next > GREATEST ? undefined : next;
}
