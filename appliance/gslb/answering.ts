/** Views for the DNS server: what a name stands for now, and which names came or went between two of them. */
import type { View as DnsView, Outcome, Question, Zone } from '../dns/view.ts';
import { type Fixed, fixedOutcome } from './fixed.ts';
import type { NameIndex } from './name-index.ts';
import { readPlace } from './places.ts';
import { type Ask, outcomeOf } from './records.ts';
import type { Located } from './topology.ts';

/** s: the name of a VIP stands for it for ever. */
const HOST_TTL = 300;

/** The names of each view, for as long as somebody has it. */
const tables = new WeakMap<DnsView, NameIndex['types']>();

export interface Answering {
  readonly zones: readonly Zone[];
  readonly fixed: Fixed;
  readonly index: NameIndex;
  /** Decides for the clients of a slot of a site. */
  readonly ask: (where: Pick<Located, 'site' | 'slot'>, ...about: Parameters<Ask>) => ReturnType<Ask>;
}

/** A view of what there is now. */
export function dnsView(version: number, topology: DnsView['topology'], answering: Answering): DnsView {
  const { types } = answering.index;
  const view: DnsView = {
    ...{ version, zones: answering.zones, names: types, topology },
    namesSince(before) {
      const old = tables.get(before);
      return old && types.changesSince(old).map(({ key }) => key);
    },
    answersFor: (question, place) => answersFor(question, place, answering),
  };
  tables.set(view, types);
  return view;
}

function answersFor(question: Question, place: string, { zones, fixed, index, ask }: Answering): Outcome {
  const { name, type } = question;
  const configured = fixedOutcome(question, fixed);
  if (configured !== undefined) return configured;
  const vip = index.vipOf(name);
  if (vip !== undefined && type !== 'SRV')
    return { records: [{ type: type as 'A' | 'AAAA', address: vip }], ttl: HOST_TTL, scoped: false };
  const where = readPlace(place);
  return outcomeOf(question, index.sourcesOf(name), zoneOf(zones, name), (of, wanted) =>
    ask(where, of, wanted),
  );
}

/** The apex of the zone that a name is in: the longest. */
export function zoneOf(zones: readonly Zone[], name: string): string | undefined {
  let best: string | undefined;
  for (const { apex } of zones)
    if ((name === apex || name.endsWith(`.${apex}`)) && apex.length > (best?.length ?? -1)) best = apex;
  return best;
}
