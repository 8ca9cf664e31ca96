/**
 * Who advertises each VIP over time, from the addresses that appliances put on their loopback interface for it (routing of kind
 * `internal`) and take away. Pure.
 */
import type { Happening } from './monitor.ts';

export interface Change {
  /** Wall clock, ms. */
  readonly at: number;
  readonly vip: string;
  readonly appliance: string;
  readonly there: boolean;
}

/** Of one VIP. Times in ms. */
export interface Ownership {
  readonly vip: string;
  /** At the end. */
  readonly owners: readonly string[];
  /** How often the owner became another one. */
  readonly moves: number;
  readonly longestNone: number;
  readonly longestMany: number;
}

/** What `ip monitor address` of an appliance says, as changes of VIPs that `isVip` wants. */
export function changesOf(
  appliance: string,
  happened: readonly Happening[],
  isVip: (address: string) => boolean,
): Change[] {
  return happened.flatMap(({ at, text }) => {
    const [, deleted, vip] = /^(Deleted )?\d+: lo +inet (\d+\.\d+\.\d+\.\d+)\/32 /.exec(text) ?? [];
    return vip !== undefined && isVip(vip) ? [{ at, vip, appliance, there: deleted === undefined }] : [];
  });
}

/**
 * From changes of any number of appliances, in any order: of each VIP from its first owner on. Of its times what is between `from` and
 * `end` counts.
 */
export function ownershipOf(
  changes: readonly Change[],
  end: number,
  from = Number.NEGATIVE_INFINITY,
): Ownership[] {
  const byVip = new Map<string, Change[]>();
  for (const change of [...changes].sort((one, other) => one.at - other.at))
    byVip.set(change.vip, [...(byVip.get(change.vip) ?? []), change]);
  return [...byVip].map(([vip, own]) => follow(vip, own, end, from));
}

/** `changes` are of one VIP, in order, at least one. */
function follow(vip: string, changes: readonly Change[], end: number, from: number): Ownership {
  const owners = new Set<string>();
  const longest = { none: 0, many: 0 };
  let lastCame = '';
  let moves = 0;
  /** When it last had none, one, or several; undefined before its first owner. */
  let since: number | undefined;
  const kind = (): 'none' | 'one' | 'many' => (['none', 'one'] as const)[owners.size] ?? 'many';
  const close = (was: ReturnType<typeof kind>, at: number): void => {
    if (since !== undefined && was !== 'one')
      longest[was] = Math.max(longest[was], at - Math.max(since, from));
    since = at;
  };
  for (const { at, appliance, there } of changes) {
    const was = kind();
    if (there) owners.add(appliance);
    else owners.delete(appliance);
    if (there && appliance !== lastCame) {
      if (lastCame !== '') moves++;
      lastCame = appliance;
    }
    if (kind() !== was) close(was, at);
  }
  close(kind(), end);
  return { vip, owners: [...owners], moves, longestNone: longest.none, longestMany: longest.many };
}
