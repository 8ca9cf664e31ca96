/** Which managers a client is told to ask, best first for where it is (docs/protocol.md §7.8). Pure. */
import type { Address } from '../../sdk/wire/address.ts';
import type { Query } from '../../sdk/wire/answer.ts';
import type { AnsweredManager, ManagerId } from '../../sdk/wire/model.ts';
import { matches } from '../../sdk/wire/selector.ts';
import type { Gslb } from './gslb.ts';
import { serves } from './view.ts';

/** Managers in one answer, so that it is one datagram; VIPs and addresses of each. */
const MOST = 8;
const MOST_VIPS = 4;
const MOST_ADDRESSES = 2;
/** Names that are looked at for a query that names none. */
const MOST_NAMES = 200;

/** The managers that hold what is asked for; undefined: none is known that does. */
export function managersFor(
  query: Pick<Query, 'vip' | 'name' | 'selector'>,
  client: Address,
  gslb: Gslb,
): { readonly managers: readonly AnsweredManager[]; readonly omitted: number } | undefined {
  const found = new Map<ManagerId, { score: number; cost: number; readonly vips: Set<Address> }>();
  const { view } = gslb.knows;
  for (const name of namesOf(query, gslb)) {
    const fits = view.names
      .get(name)
      ?.held.some(
        held =>
          serves(held) &&
          (query.vip === undefined || held.offer.vip === query.vip) &&
          matches(query.selector, held.offer),
      );
    if (fits !== true) continue;
    const { protocol, transport } = query.selector;
    const { decision } = gslb.explain(name, client, {
      ...(protocol !== undefined && { protocol }),
      ...(transport !== undefined && { transport }),
    });
    if (decision.verdict !== 'served') continue;
    for (const [place, { manager, vip, score, held }] of decision.ranked.entries()) {
      if (query.vip !== undefined && vip !== query.vip) continue;
      if (!held.some(({ offer }) => matches(query.selector, offer))) continue;
      const known = found.get(manager);
      if (known === undefined) found.set(manager, { score, cost: place, vips: new Set([vip]) });
      else {
        known.score = Math.max(known.score, score);
        known.cost = Math.min(known.cost, place);
        known.vips.add(vip);
      }
    }
  }
  if (found.size === 0) return undefined;
  const sorted = [...found].sort(
    ([one, { cost: a, score: s }], [other, { cost: b, score: t }]) =>
      a - b || t - s || (one < other ? -1 : 1),
  );
  const managers = sorted.slice(0, MOST).flatMap(([manager, { score, vips }]): AnsweredManager[] => {
    const site = view.sites.get(manager);
    if (site === undefined || site.addresses.length === 0) return [];
    const { addresses, anycastPort, name } = site;
    const vipsTold = [...vips].sort().slice(0, MOST_VIPS);
    return [
      { manager, name, addresses: addresses.slice(0, MOST_ADDRESSES), anycastPort, vips: vipsTold, score },
    ];
  });
  return { managers, omitted: sorted.length - managers.length };
}

/** The names that the query may be about. */
function namesOf({ name, vip }: Pick<Query, 'vip' | 'name'>, gslb: Gslb): readonly string[] {
  const { names } = gslb.knows.view;
  if (name !== undefined) return names.has(name) ? [name] : [];
  const all: string[] = [];
  for (const [each, { held }] of names.entries()) {
    if (all.length >= MOST_NAMES) break;
    if (vip === undefined || held.some(one => one.offer.vip === vip)) all.push(each);
  }
  return all;
}
