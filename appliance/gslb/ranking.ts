/** Who serves a name's clients at a place, best first, by each policy: all but who of them a single client gets. Pure. */
import { type Candidate, cheaper, keyOf, namesOf, nearer, stronger } from './candidates.ts';
import type { Policy } from './policy.ts';
import { Reason, type ReasonCode } from './reasons.ts';

/** One that may be told of, and why it stands where it stands. */
export interface Ranked extends Candidate {
  /** 0…1 of the place's clients. */
  readonly share: number;
  readonly reason: Reason;
}

export interface Ranking {
  /** Best first. */
  readonly ranked: readonly Ranked[];
  /** In an order that shares do not change, so that slots stay where they are when shares move; absent: all clients get the first. */
  readonly deal?: readonly Ranked[];
  /** Who led, where there is a leader. */
  readonly leader: string | undefined;
  /** Whether clients at another place, or of another slot, may be answered otherwise. */
  readonly scoped: boolean;
}

/** Shares fall with this power of the cost. */
const STEEPNESS = 3;
/** A share below this is none. */
const LEAST_SHARE = 0.06;
/** Who leads is followed by another only if that is so much better: of 1000, and of the round trip. */
const SCORE_MARGIN = 100;
const RTT_MARGIN = { part: 0.2, least: 2 } as const;

/** `leader`: who led the last time. `planned`: shares that count instead of those by cost. There is at least one that serves. */
export function rankingOf(
  serving: readonly Candidate[],
  policy: Policy,
  leader: string | undefined,
  planned?: readonly number[],
): Ranking {
  const { override } = policy;
  const pinned = override.length === 0 ? [] : serving.filter(one => isAmong(one, override));
  if (pinned.length > 0) {
    const order = (one: Candidate): number => override.findIndex(text => namesOf(one).includes(text));
    const first = [...pinned].sort((one, other) => order(one) - order(other) || cheaper(one, other));
    return { ranked: onlyFirst(first, serving, 'override'), leader: undefined, scoped: false };
  }
  switch (policy.kind) {
    case 'best-score':
    case 'nearest':
      return led(serving, policy.kind, leader);
    case 'failover':
      return inOrder(serving, policy.order);
    default:
      return shared(serving, policy, planned);
  }
}

function led(
  serving: readonly Candidate[],
  kind: 'best-score' | 'nearest',
  leader: string | undefined,
): Ranking {
  const better = kind === 'nearest' ? nearer : stronger;
  const sorted = [...serving].sort(better);
  const before = sorted.find(one => keyOf(one) === leader);
  const first = before === undefined || clearly(sorted[0]!, before, kind) ? sorted[0]! : before;
  const ranked = onlyFirst([first], serving, 'leader', better);
  return { ranked, leader: keyOf(first), scoped: kind === 'nearest' };
}

function inOrder(serving: readonly Candidate[], order: readonly string[]): Ranking {
  const place = (one: Candidate): number => {
    const at = order.findIndex(text => namesOf(one).includes(text));
    return at < 0 ? order.length : at;
  };
  const sorted = [...serving].sort((one, other) => place(one) - place(other) || cheaper(one, other));
  const ranked = onlyFirst(
    [sorted[0]!],
    sorted,
    'order',
    (one, other) => place(one) - place(other) || cheaper(one, other),
  );
  return { ranked, leader: undefined, scoped: true };
}

/** Shares by cost alone. */
export const usualShares = (serving: readonly Candidate[]): readonly number[] =>
  sharesOf(serving.map(one => one.cost.total ** -STEEPNESS));

function shared(
  serving: readonly Candidate[],
  policy: Policy,
  planned: readonly number[] | undefined,
): Ranking {
  const { kind } = policy;
  const shares =
    kind === 'default'
      ? (planned ?? usualShares(serving))
      : sharesOf(serving.map(one => weightOf(one, policy)));
  const code = kind === 'default' ? 'share' : kind === 'weighted' ? 'weight' : 'turn';
  const deal = serving.map((one, at): Ranked => rankedAs(one, shares[at]!, code));
  return {
    ranked: [...deal].sort((one, other) => other.share - one.share || cheaper(one, other)),
    ...{ deal, leader: undefined },
    scoped: kind === 'default' || shares.filter(share => share > 0).length > 1,
  };
}

const isAmong = (one: Candidate, texts: readonly string[]): boolean =>
  namesOf(one).some(text => texts.includes(text));

/** Whether `best` is so much better than who leads that it takes the lead. */
function clearly(best: Candidate, leader: Candidate, kind: 'best-score' | 'nearest'): boolean {
  if (kind === 'best-score') return best.score - leader.score >= SCORE_MARGIN;
  // Home is home, however near the others are.
  if (best.cost.source === 'local' && leader.cost.source !== 'local') return true;
  const gain = leader.cost.way.rtt - best.cost.way.rtt;
  return gain >= Math.max(RTT_MARGIN.least, RTT_MARGIN.part * leader.cost.way.rtt);
}

const weightOf = (one: Candidate, { kind, weights }: Policy): number => {
  if (kind === 'round-robin') return 1;
  const named = namesOf(one).find(text => Object.hasOwn(weights, text));
  // Who is not named has what its servers were registered with; beside configured ones, 100 of those are 1.
  return named === undefined ? one.weight / 100 : weights[named]!;
};

/** 0…1, 1 together; those too small to matter are left out. All 0: equal, for something serves. */
function sharesOf(weights: readonly number[]): readonly number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  if (!(sum > 0)) return weights.map(() => 1 / weights.length);
  const kept = weights.map(weight => (weight / sum < LEAST_SHARE ? 0 : weight));
  const rest = kept.reduce((total, weight) => total + weight, 0);
  return rest > 0 ? kept.map(weight => weight / rest) : weights.map(weight => weight / sum);
}

/** All clients to the first; the others behind it, in their order. */
function onlyFirst(
  first: readonly Candidate[],
  all: readonly Candidate[],
  code: ReasonCode,
  order: (one: Candidate, other: Candidate) => number = cheaper,
): readonly Ranked[] {
  const rest = all.filter(one => !first.includes(one)).sort(order);
  return [...first, ...rest].map((one, at): Ranked => {
    const share = at === 0 ? 1 : 0;
    return rankedAs(one, share, at < first.length ? code : 'behind');
  });
}

/** Written out, for this is done for each candidate of each answer, and a spread takes three times as long. */
export const rankedAs = (one: Candidate, share: number, code: ReasonCode): Ranked => ({
  manager: one.manager,
  name: one.name,
  site: one.site,
  vip: one.vip,
  score: one.score,
  weight: one.weight,
  held: one.held,
  cost: one.cost,
  share,
  reason: new Reason(code, one, share),
});
