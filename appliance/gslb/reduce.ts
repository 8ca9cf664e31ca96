/**
 * The next view from the last one and what happened. Pure. `version` rises only with what may change an answer.
 */
import type { ManagerId, Offer } from '../../sdk/wire/model.ts';
import type { Millis } from '../host/ports.ts';
import type { Heard } from '../notices/heard.ts';
import { offerKey, offerTag } from '../polls/tag.ts';
import { Table } from '../registry/table.ts';
import { withHeld } from './names.ts';
import { sameUse, settledPath, supplied } from './settle.ts';
import { DEFAULT_LIMITS, type GslbEvent, type Held, type Site, type View, type ViewLimits } from './view.ts';

type Notice = Extract<Heard, { type: 'heard' }>;
type Polled = Extract<GslbEvent, { type: 'polled' }>;

/** Links and paths that one manager may tell of. */
const MOST_LINKS = 16;

export function reduce(view: View, event: GslbEvent, now: Millis, limits: ViewLimits = DEFAULT_LIMITS): View {
  const site = view.sites.get(event.manager);
  switch (event.type) {
    case 'heard':
      return heard(view, site, event, now, limits);
    case 'peer-silent':
      if (site === undefined || site.silent) return view;
      // Its polls may still be answered: the next answer clears what it names.
      return replace(view, { ...site, silent: true, since: now }, doubt(site, true), now, limits);
    case 'peer-gone': {
      if (site === undefined) return view;
      const next = replace(view, site, Table.empty(), now, limits);
      const sites = new Map([...next.sites].filter(([id]) => id !== site.manager));
      return { ...next, sites, version: view.version + 1 };
    }
    case 'polled':
      return site === undefined ? view : polled(view, site, event, now, limits);
    case 'poll-lost': {
      if (site === undefined || site.polled === 'lost') return view;
      const lost: Site = { ...site, polled: 'lost', since: now, own: undefined };
      return replace(view, lost, site.silent ? doubt(site, true) : site.offers, now, limits, true);
    }
  }
}

function heard(view: View, known: Site | undefined, event: Notice, now: Millis, limits: ViewLimits): View {
  const { manager, addresses, anycastPort } = event;
  if (known === undefined && view.sites.size >= limits.managers)
    return { ...view, refused: view.refused + event.offers.length };
  const name = event.name === '' ? manager.slice(0, 12) : event.name;
  const site: Site = {
    ...(known ?? {
      ...{ polled: 'not-yet', links: [], own: undefined, paths: new Map() },
      ...{ offers: Table.empty(), tags: Table.empty() },
    }),
    ...{ manager, name, addresses, anycastPort, silent: false },
    since: known !== undefined && !known.silent ? known.since : now,
  };
  const before = known === undefined ? site.offers : doubt(known, false);
  const from = event.complete ? Table.empty<string, Held>() : before;
  const offers = from.draft();
  const tags = (event.complete ? Table.empty<string, string>() : site.tags).draft();
  let size = from.size;
  for (const gone of event.offersGone) {
    const held = offers.get(offerKey(gone));
    if (held === undefined) continue;
    offers.delete(held.key);
    tags.delete(String(held.tag));
    size--;
  }
  let refused = 0;
  for (const offer of event.offers) {
    const key = offerKey(offer);
    const fresh = offers.get(key) === undefined;
    if (fresh && view.count - (known?.offers.size ?? 0) + size >= limits.offers) {
      refused++;
      continue;
    }
    const held = heldOf(manager, key, offer, before.get(key), now);
    offers.set(key, held);
    tags.set(String(held.tag), key);
    if (fresh) size++;
  }
  const moved = known === undefined || known.name !== name || `${known.addresses}` !== `${addresses}`;
  const next = replace(view, { ...site, tags: tags.done() }, offers.done(), now, limits, moved);
  return refused === 0 ? next : { ...next, refused: view.refused + refused };
}

function heldOf(manager: ManagerId, key: string, offer: Offer, old: Held | undefined, now: Millis): Held {
  const supply = supplied(old?.supply, offer.score, now, old?.offer.servers !== offer.servers);
  return { manager, key, tag: old?.tag ?? offerTag(manager, key), offer, supply, doubtful: false };
}

function polled(view: View, site: Site, event: Polled, now: Millis, limits: ViewLimits): View {
  const draft = site.offers.draft();
  for (const [tag, told] of event.scores) {
    const held = site.offers.get(site.tags.get(String(tag)) ?? '');
    if (held === undefined) continue;
    const supply = supplied(held.supply, told, now, false);
    if (supply === held.supply && !held.doubtful) continue;
    draft.set(held.key, { ...held, supply, doubtful: false });
  }
  const offers = draft.done();
  const links = event.links?.slice(0, MOST_LINKS) ?? site.links;
  const own = settledPath(site.own, event.own);
  const paths = mergedPaths(site.paths, event.paths, limits.managers);
  const turned = site.polled !== 'answers';
  const moved = turned || own !== site.own || paths !== site.paths || !sameUse(site.links, links);
  const next: Site = {
    ...{ ...site, polled: 'answers', own, paths },
    links: moved || links.length === 0 ? links : keepUse(site.links, links),
    since: turned ? now : site.since,
  };
  return replace(view, next, offers, now, limits, moved);
}

/** The newest rates, and the use that was decided by. */
const keepUse = (before: Site['links'], now: Site['links']): Site['links'] =>
  now.map((link, at) => ({ ...link, use: before[at]!.use }));

function mergedPaths(before: Site['paths'], told: Site['paths'], most: number): Site['paths'] {
  let draft: Map<ManagerId, Parameters<typeof settledPath>[1]> | undefined;
  for (const [manager, path] of told) {
    const old = (draft ?? before).get(manager);
    const settled = settledPath(old, path);
    if (settled === old || (old === undefined && (draft ?? before).size >= most)) continue;
    draft ??= new Map(before);
    draft.set(manager, settled);
  }
  return draft ?? before;
}

/** Its offers, all of them doubtful or none. */
function doubt(site: Site, doubtful: boolean): Site['offers'] {
  const draft = site.offers.draft();
  for (const held of site.offers.values())
    if (held.doubtful !== doubtful) draft.set(held.key, { ...held, doubtful });
  return draft.done();
}

/** Puts a site and its offers in the place of what was known of it; `moved`: something of the site itself may change answers. */
function replace(
  view: View,
  site: Site,
  offers: Site['offers'],
  now: Millis,
  limits: ViewLimits,
  moved = false,
): View {
  const before = view.sites.get(site.manager)?.offers ?? Table.empty<string, Held>();
  const { changed, ...names } = withHeld(view, before, offers, now, limits);
  return {
    ...view,
    version: moved || changed ? view.version + 1 : view.version,
    sites: new Map(view.sites).set(site.manager, { ...site, offers }),
    ...names,
    count: view.count - before.size + offers.size,
  };
}
