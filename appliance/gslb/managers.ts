/** Which managers a client is told to ask, best first for where it is (docs/protocol.md §7.8). Pure. */
import type { Address } from '../../sdk/wire/address.ts';
import type { Query } from '../../sdk/wire/answer.ts';
import type { AnsweredManager, ManagerId } from '../../sdk/wire/model.ts';
import { matches } from '../../sdk/wire/selector.ts';
import { candidatesOf } from './candidates.ts';
import type { Gslb } from './gslb.ts';
import { locate } from './topology.ts';
import { serves } from './view.ts';

/** Managers in one answer, so that it is one datagram; VIPs and addresses of each. */
const MOST = 8;
const MOST_VIPS = 4;
const MOST_ADDRESSES = 2;
/** Names that are looked at for a query that names none: in all, and of an application at one manager. */
const MOST_NAMES = 200;
const MOST_EACH = 8;

type Asked = Pick<Query, 'vip' | 'name' | 'selector'>;

/** What a manager has of what is asked for. */
interface Found {
  score: number;
  /** Less is better for this client. */
  cost: number;
  readonly vips: Set<Address>;
}

type Findings = Map<ManagerId, Found>;

/** The managers that hold what is asked for; undefined: none is known that does. */
export function managersFor(
  query: Asked,
  client: Address,
  gslb: Gslb,
): { readonly managers: readonly AnsweredManager[]; readonly omitted: number } | undefined {
  const found: Findings = new Map();
  const { protocol } = query.selector;
  if (query.name === undefined && query.vip === undefined && protocol !== undefined)
    findByApplication(found, { ...query.selector, protocol }, client, gslb);
  else for (const name of namesOf(query, gslb)) findByName(found, name, query, client, gslb);
  if (found.size === 0) return undefined;
  const sorted = [...found].sort(
    ([one, { cost: a, score: s }], [other, { cost: b, score: t }]) =>
      a - b || t - s || (one < other ? -1 : 1),
  );
  const { sites } = gslb.knows.view;
  const managers = sorted.slice(0, MOST).flatMap(([manager, { score, vips }]): AnsweredManager[] => {
    const site = sites.get(manager);
    if (site === undefined || site.addresses.length === 0) return [];
    const { addresses, anycastPort, name } = site;
    const vipsTold = [...vips].sort().slice(0, MOST_VIPS);
    return [
      { manager, name, addresses: addresses.slice(0, MOST_ADDRESSES), anycastPort, vips: vipsTold, score },
    ];
  });
  return { managers, omitted: sorted.length - managers.length };
}

/** By the policy of the name: the order is that of its answer. */
function findByName(found: Findings, name: string, query: Asked, client: Address, gslb: Gslb): void {
  const { protocol, transport } = query.selector;
  const { decision } = gslb.explain(name, client, {
    ...(protocol !== undefined && { protocol }),
    ...(transport !== undefined && { transport }),
  });
  if (decision.verdict !== 'served') return;
  for (const [cost, { manager, vip, score, held }] of decision.ranked.entries()) {
    if (query.vip !== undefined && vip !== query.vip) continue;
    if (held.some(({ offer }) => matches(query.selector, offer))) note(found, manager, vip, score, cost);
  }
}

/** Of an application there is no one policy: managers stand in the order of what they cost this client. */
function findByApplication(
  found: Findings,
  selector: Asked['selector'] & { readonly protocol: string },
  client: Address,
  gslb: Gslb,
): void {
  const know = gslb.knows;
  const { site } = locate(know.topology, client);
  const { protocol, transport } = selector;
  const wanted = { protocol, ...(transport !== undefined && { transport }) };
  for (const manager of gslb.finds.managersOf(protocol)) {
    let left = MOST_EACH;
    for (const name of gslb.finds.namesOf(protocol, manager)) {
      const held = know.view.names
        .get(name)
        ?.held.filter(one => one.manager === manager && serves(one) && matches(selector, one.offer));
      for (const { vip, score, cost } of candidatesOf(held ?? [], site, know, wanted))
        note(found, manager, vip, score, cost.total);
      if (--left === 0) break;
    }
  }
}

function note(found: Findings, manager: ManagerId, vip: Address, score: number, cost: number): void {
  const known = found.get(manager);
  if (known === undefined) {
    found.set(manager, { score, cost, vips: new Set([vip]) });
    return;
  }
  known.score = Math.max(known.score, score);
  known.cost = Math.min(known.cost, cost);
  known.vips.add(vip);
}

/** The names that the query may be about. */
function namesOf({ name, vip }: Asked, gslb: Gslb): readonly string[] {
  const { names } = gslb.knows.view;
  if (name !== undefined) return names.has(name) ? [name] : [];
  const all: string[] = [];
  for (const each of vip === undefined ? names.keys() : gslb.finds.namesAt(vip)) {
    if (all.length >= MOST_NAMES) break;
    all.push(each);
  }
  return all;
}
