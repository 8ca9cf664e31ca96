/**
 * Which managers' VIPs a client gets for a name, best first, and why. Pure: the same name, place, view and policy give the same answer;
 * what hysteresis needs to remember is handed in and out.
 */
import type { Millis } from '../host/ports.ts';
import { type Candidate, candidatesOf, cheaper, type Knowledge, keyOf, type Wanted } from './candidates.ts';
import type { Policy } from './policy.ts';
import { type Ranked, rankedAs, rankingOf } from './ranking.ts';
import { dealTo, hashOf } from './slots.ts';
import { type Located, SLOTS } from './topology.ts';
import { type Held, type Name, serves } from './view.ts';

/**
 * served: by what serves. last-known, all: nothing serves, and the policy wants an answer all the same. none: nothing serves.
 * no-such-name: nobody offers it.
 */
export type Verdict = 'served' | 'last-known' | 'all' | 'none' | 'no-such-name';

export interface Decision {
  readonly name: string;
  readonly verdict: Verdict;
  readonly policy: Policy;
  /** Best first for the client's slot. */
  readonly ranked: readonly Ranked[];
  /** Whether clients at another place, or of another slot, may be answered otherwise. */
  readonly scoped: boolean;
  /** Since who serves it, and how well, changed. */
  readonly since: Millis;
  /** What to hand in the next time: who led. */
  readonly leader: string | undefined;
}

/** A decision for all clients of a place. */
export interface PlaceDecision extends Decision {
  /** As in Ranking. */
  readonly deal?: readonly Ranked[];
  /** Where the dealing of slots begins. */
  readonly turn: number;
}

/** As decideAt, for the clients of one slot. */
export const decide = (
  name: string,
  { site, slot }: Pick<Located, 'site' | 'slot'>,
  know: Knowledge,
  policy: Policy,
  leader?: string,
  wanted: Wanted = {},
): Decision => forSlot(decideAt(name, site, know, policy, leader, wanted), slot);

/** Decides for the clients at `site`; undefined: of whom nobody knows where they are. */
export function decideAt(
  name: string,
  site: string | undefined,
  know: Knowledge,
  policy: Policy,
  leader?: string,
  wanted: Wanted = {},
): PlaceDecision {
  const known = know.view.names.get(name);
  const since = Math.max(known?.since ?? 0, known?.moved ?? 0);
  const answer = { name, policy, scoped: true, since, leader: undefined, turn: 0 };
  if (known === undefined) return { ...answer, verdict: 'no-such-name', ranked: [], scoped: false };
  const make = (held: readonly Held[]): Candidate[] => candidatesOf(held, site, know, wanted);
  const serving = make(known.held.filter(serves));
  if (serving.length === 0) return { ...answer, ...desperate(known, policy, make) };
  // Only what is weighed by the way is dealt out otherwise for each place.
  const turn = hashOf(`${name} ${policy.kind === 'default' ? (site ?? '') : ''}`);
  const planned = policy.kind === 'default' ? know.plans?.sharesFor(name, wanted, site, serving) : undefined;
  return { ...answer, verdict: 'served', ...rankingOf(serving, policy, leader, planned), turn };
}

/** The clients of one slot get whom it is dealt to; the others follow in their order. */
export function forSlot(decision: PlaceDecision, slot: number): PlaceDecision {
  const chosen = chosenFor(decision, slot);
  if (chosen === undefined || chosen === decision.ranked[0]) return decision;
  return { ...decision, ranked: [chosen, ...decision.ranked.filter(one => one !== chosen)] };
}

/** Whom the slot's clients are sent to. */
function chosenFor({ deal, ranked, turn }: PlaceDecision, slot: number): Ranked | undefined {
  if (deal === undefined) return ranked[0];
  return deal[
    dealTo(
      deal.map(({ share }) => share),
      slot,
      SLOTS,
      turn,
    )
  ];
}

/** Nothing serves: what the policy has for that. */
function desperate(
  { held, lapsed }: Name,
  policy: Policy,
  make: (held: readonly Held[]) => Candidate[],
): Pick<Decision, 'verdict' | 'ranked'> {
  const { whenNone } = policy;
  // What was told to be 0 is down for sure; what is doubtful may well be there, and only cannot be heard.
  const doubtful = held.filter(one => one.supply.score > 0);
  const any = held.length > 0 ? held : lapsed;
  const chosen =
    whenNone === 'none' ? [] : make(whenNone === 'last-known' && doubtful.length > 0 ? doubtful : any);
  if (chosen.length === 0) return { verdict: 'none', ranked: [] };
  const code = whenNone === 'all' ? 'nothing-serves' : 'last-known';
  const ranked = [...chosen].sort(cheaper).map((one, at) => rankedAs(one, at === 0 ? 1 : 0, code));
  return { verdict: whenNone === 'all' ? 'all' : 'last-known', ranked };
}

/**
 * A number that is another when any client at the place may be answered otherwise. What is told besides who it is, and for how long
 * (scores, ports), moves only with the name.
 */
export function signatureOf({ ranked, deal, verdict, turn, policy, scoped }: PlaceDecision): number {
  const { answers, ttl } = policy;
  let text = `${verdict} ${scoped} ${answers} ${ttl.least} ${ttl.most}`;
  let slots = 0;
  if (deal !== undefined) {
    const shares = deal.map(({ share }) => share);
    for (const one of deal) text += ` ${keyOf(one)}`;
    for (let slot = 0; slot < SLOTS; slot++)
      slots = (Math.imul(slots, 31) + dealTo(shares, slot, SLOTS, turn)) | 0;
  }
  const told = verdict !== 'served' ? ranked.length : answers > 1 ? answers : deal === undefined ? 1 : 0;
  for (const one of ranked.slice(0, told)) text += ` ${keyOf(one)} ${Math.round(one.share * STEPS)}`;
  return hashOf(`${text} ${slots}`) * 0x20_0000 + (Math.imul(slots, 0x9e37_79b1) >>> 11);
}

/** In so many steps shares are told in SRV records: less is no other answer. */
export const STEPS = 20;
