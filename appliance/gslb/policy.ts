/** How a service's clients are to be directed: what an operator can say of it. Pure. */
import type { Address } from '../../sdk/wire/address.ts';

export type PolicyKind = 'default' | 'best-score' | 'nearest' | 'weighted' | 'round-robin' | 'failover';

/** What is answered when nothing serves. */
export type WhenNone = 'last-known' | 'all' | 'none';

export interface Policy {
  /** Names that it is for: `www.example`, `*.example`, `*`. */
  readonly match: string;
  readonly kind: PolicyKind;
  /** `weighted`: share by site or manager; those that are not named have the weights of their servers, 100 of which are 1. */
  readonly weights: Readonly<Record<string, number>>;
  /** `failover`: sites or managers, the first first. */
  readonly order: readonly string[];
  readonly whenNone: WhenNone;
  /** Sites, managers or VIPs that clients are sent to as long as one of them serves, whatever else there is. */
  readonly override: readonly (string | Address)[];
  /** How many of the best an answer names: 1 sends every client where it is to go, more let it fall back by itself. */
  readonly answers: number;
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
  answers: 1,
  ttl: { least: 2, most: 20 },
};

/** What is said of names, by name and by suffix: found in as many steps as a name has labels, however many there are. */
export interface ByName<T> {
  /** The value of a name: its own, else that of the longest `*.suffix`, else of `*`. */
  of(name: string): T;
}

/** `entries`: by `www.example`, `*.example` or `*`; of the same text the first counts. `otherwise`: what no entry says. */
export function byName<T>(entries: Iterable<readonly [match: string, value: T]>, otherwise: T): ByName<T> {
  const found = new Map<string, T>();
  for (const [match, value] of entries) if (!found.has(match)) found.set(match, value);
  return {
    of(name) {
      const own = found.get(name);
      if (own !== undefined) return own;
      for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
        const value = found.get(`*${name.slice(dot)}`);
        if (value !== undefined) return value;
      }
      return found.get('*') ?? otherwise;
    },
  };
}

/** The policy of each name. */
export const policiesBy = (policies: readonly Policy[]): ByName<Policy> =>
  byName(
    policies.map(policy => [policy.match, policy] as const),
    DEFAULT_POLICY,
  );

/** Seconds that an answer holds which has been the same for `settled` ms: a quarter of it, in steps. */
export function ttlOf({ ttl }: Policy, settled: number): number {
  const wanted = settled / 4000;
  const step = [120, 60, 30, 20, 10, 5].find(one => one <= wanted) ?? 0;
  return Math.max(ttl.least, Math.min(ttl.most, step));
}
