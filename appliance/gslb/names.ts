/**
 * The names of a view, kept in step with the managers' offers: only those that one manager's change touches are looked at. Pure.
 */
import type { Millis } from '../host/ports.ts';
import type { Table } from '../registry/table.ts';
import { type Held, type Name, serves, type View, type ViewLimits } from './view.ts';

type Offers = Table<string, Held>;

/** The names after one manager's offers changed; `changed`: an answer may be another. */
export function withHeld(
  { names, lapsed }: Pick<View, 'names' | 'lapsed'>,
  before: Offers,
  after: Offers,
  now: Millis,
  limits: ViewLimits,
): Pick<View, 'names' | 'lapsed'> & { readonly changed: boolean } {
  const changes = after.changesSince(before);
  if (changes.length === 0) return { names, lapsed, changed: false };
  const { manager } = (changes[0]!.after ?? changes[0]!.before)!;
  /** Of each name what became of its offers. */
  const touched = new Map<string, Map<string, Held | undefined>>();
  /** Of these not only the figures are others. */
  const regrouped = new Set<string>();
  let changed = false;
  for (const { key, before: old, after: held } of changes) {
    const { name } = (held ?? old)!.offer;
    const own = touched.get(name);
    if (own === undefined) touched.set(name, new Map([[key, held]]));
    else own.set(key, held);
    if (old === undefined || held === undefined) regrouped.add(name);
    changed ||= old === undefined || held === undefined || differs(old, held);
  }
  const draft = names.draft();
  const gone = lapsed.draft();
  let lapses = false;
  for (const [name, own] of touched) {
    const old = names.get(name) ?? { held: [], since: now, moved: now, lapsed: [] };
    const isOwn = (one: Held): boolean => one.manager === manager && own.has(one.key);
    if (!regrouped.has(name)) {
      const held = old.held.map(one => (isOwn(one) ? own.get(one.key)! : one));
      draft.set(name, nameOf(old, held, now, false));
      continue;
    }
    const others = old.held.filter(one => !isOwn(one));
    const added = [...own.values()].flatMap(held => held ?? []);
    const next = nameOf(old, [...others, ...added].sort(compare), now, true);
    if (next.held.length === 0) gone.set(name, true);
    else gone.delete(name);
    lapses ||= next.held.length === 0;
    draft.set(name, next);
  }
  const all = { names: draft.done(), lapsed: gone.done() };
  return { ...(lapses ? forgotten(all, now, limits) : all), changed };
}

/** Whether what is decided by is another. */
const differs = (one: Held, other: Held): boolean =>
  one.supply.score !== other.supply.score ||
  one.supply.capacity !== other.supply.capacity ||
  one.doubtful !== other.doubtful ||
  one.offer.mode !== other.offer.mode ||
  one.offer.servers !== other.offer.servers ||
  one.offer.weight !== other.offer.weight;

/** `regrouped`: an offer has come or gone, however alike those that are left look. */
function nameOf(old: Name, held: readonly Held[], now: Millis, regrouped: boolean): Name {
  if (!regrouped && held.every((one, at) => !differs(one, old.held[at]!))) return { ...old, held };
  const turned = serving(old.held) !== serving(held);
  return {
    held,
    since: turned || old.held.length + old.lapsed.length === 0 ? now : old.since,
    moved: now,
    lapsed: held.length > 0 ? [] : old.held.length > 0 ? old.held : old.lapsed,
  };
}

const compare = (one: Held, other: Held): number =>
  one.manager === other.manager ? (one.key < other.key ? -1 : 1) : one.manager < other.manager ? -1 : 1;

/** Who serves, in one text. */
const serving = (held: readonly Held[]): string =>
  held
    .filter(serves)
    .map(({ manager, key }) => `${manager} ${key}`)
    .sort()
    .join('\n');

/** Without the names that nobody has offered for long, or, when there are too many, for longest. */
function forgotten(
  all: Pick<View, 'names' | 'lapsed'>,
  now: Millis,
  limits: ViewLimits,
): Pick<View, 'names' | 'lapsed'> {
  const lapsed = [...all.lapsed.keys()].map(key => [key, all.names.get(key)!.since] as const);
  const old = lapsed.filter(([, since]) => now - since > limits.lapse);
  const over = lapsed.length - old.length - limits.lapsed;
  const worst =
    over <= 0
      ? []
      : lapsed
          .filter(([, since]) => now - since <= limits.lapse)
          .sort(([, one], [, other]) => one - other)
          .slice(0, over);
  if (old.length + worst.length === 0) return all;
  const names = all.names.draft();
  const left = all.lapsed.draft();
  for (const [key] of [...old, ...worst]) {
    names.delete(key);
    left.delete(key);
  }
  return { names: names.done(), lapsed: left.done() };
}
