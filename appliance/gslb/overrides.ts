/** Where an operator has sent the clients of some names by a command, until he takes it back: before all that policies say. Pure. */
import { type ByName, byName, type Policy } from './policy.ts';

/** Of names as a policy matches them. */
export interface Override {
  /** Sites, managers or VIPs, the first first. */
  readonly targets: readonly string[];
  /** When it was set, of the wall clock (ISO 8601), for people. */
  readonly at: string;
}

export type Overrides = ReadonlyMap<string, Override>;

/** Overrides, and targets of one, that are taken. */
const MOST = 1000;
const MOST_TARGETS = 64;
/** As the configuration takes them. */
const MATCH = /^(\*|(\*\.)?[a-z0-9_.-]{1,253})$/;
const TARGET = /^[\x21-\x7e]{1,253}$/;

export const overridesBy = (overrides: Overrides): ByName<readonly string[] | undefined> =>
  byName(
    [...overrides].map(([match, { targets }]) => [match, targets] as const),
    undefined,
  );

/** A name's policy, with what was set by a command. */
export function overridden(policy: Policy, targets: readonly string[] | undefined): Policy {
  return targets === undefined ? policy : { ...policy, override: targets };
}

/** With another override in it, or without: no targets take it back. Throws a sentence for what cannot be one. */
export function withOverride(
  overrides: Overrides,
  match: string,
  targets: readonly string[],
  at: string,
): Overrides {
  if (!MATCH.test(match))
    throw new RangeError(`'${match.slice(0, 64)}' is no name: write www.example, *.example or *`);
  const next = new Map(overrides);
  if (targets.length === 0) {
    if (!next.delete(match)) throw new RangeError(`${match} is not overridden`);
    return next;
  }
  if (targets.length > MOST_TARGETS) throw new RangeError(`at most ${MOST_TARGETS} sites for a name`);
  const wrong = targets.find(target => !TARGET.test(target));
  if (wrong !== undefined) throw new RangeError(`'${wrong.slice(0, 64)}' is no site, manager or VIP`);
  next.set(match, { targets, at });
  if (next.size > MOST) throw new RangeError(`at most ${MOST} names are overridden: take some back`);
  return next;
}

/** As it is written down. */
export const overridesDocument = (overrides: Overrides): object => ({
  version: 1,
  overrides: [...overrides].map(([match, override]) => ({ match, ...override })),
});

/** The overrides of a document; throws a sentence for an entry that is none. */
export function readOverrides(document: unknown): Overrides {
  const { overrides = [] } = document as { overrides?: { match: string; targets: string[]; at: string }[] };
  return overrides.reduce<Overrides>(
    (all, { match, targets, at }) => withOverride(all, match, targets, String(at)),
    new Map(),
  );
}
