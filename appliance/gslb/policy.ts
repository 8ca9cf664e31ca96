/** How a service's clients are to be directed: what an operator can say of it. Pure. */
import type { Address } from '../../sdk/wire/address.ts';

export type PolicyKind = 'default' | 'best-score' | 'nearest' | 'weighted' | 'round-robin' | 'failover';

/** What is answered when nothing serves. */
export type WhenNone = 'last-known' | 'all' | 'none';

export interface Policy {
  /** Names that it is for: `www.example`, `*.example`, `*`. */
  readonly match: string;
  readonly kind: PolicyKind;
  /** `weighted`: share by site or manager; those that are not named have 1. */
  readonly weights: Readonly<Record<string, number>>;
  /** `failover`: sites or managers, the first first. */
  readonly order: readonly string[];
  readonly whenNone: WhenNone;
  /** Sites, managers or VIPs that clients are sent to as long as one of them serves, whatever else there is. */
  readonly override: readonly (string | Address)[];
  /** Seconds: of an answer that has just changed, and of one that has been the same for long. */
  readonly ttl: { readonly least: number; readonly most: number };
}

export const DEFAULT_POLICY: Policy = {
  match: '*',
  kind: 'default',
  weights: {},
  order: [],
  whenNone: 'last-known',
  override: [],
  ttl: { least: 2, most: 20 },
};

/** The policy of a name: its own, else that with the longest `*.suffix`, else `*`, else the default. */
export function policyFor(policies: readonly Policy[], name: string): Policy {
  let best = DEFAULT_POLICY;
  let length = -1;
  for (const policy of policies) {
    const { match } = policy;
    const fits = match === '*' || match === name || (match.startsWith('*.') && name.endsWith(match.slice(1)));
    const rank = match === name ? 1000 : match.length;
    if (fits && rank > length) {
      best = policy;
      length = rank;
    }
  }
  return best;
}

/** Seconds that an answer holds which has been the same for `settled` ms: a quarter of it, in steps. */
export function ttlOf({ ttl }: Policy, settled: number): number {
  const wanted = settled / 4000;
  const step = [120, 60, 30, 20, 10, 5].find(one => one <= wanted) ?? 0;
  return Math.max(ttl.least, Math.min(ttl.most, step));
}
