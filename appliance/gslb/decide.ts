/**
 * Which managers' VIPs a client gets for a name, best first, and why. Pure: the same name, place, view and policy give the same answer;
 * what hysteresis needs to remember is handed in and out.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { ManagerId, PortRange, Transport } from '../../sdk/wire/model.ts';
import type { Millis } from '../host/ports.ts';
import { type Cost, costOf, type Places, siteIn } from './cost.ts';
import type { Policy } from './policy.ts';
import { dealTo, hashOf } from './slots.ts';
import { type Located, SLOTS, siteOf, type Topology } from './topology.ts';
import { type Held, type Name, serves, type View } from './view.ts';

/** Why one stands where it stands. */
export interface Reason {
  readonly code:
    | 'share'
    | 'leader'
    | 'order'
    | 'weight'
    | 'turn'
    | 'override'
    | 'last-known'
    | 'nothing-serves'
    | 'behind';
  readonly sentence: string;
}

/** A VIP at a manager. */
export interface Ranked {
  readonly manager: ManagerId;
  /** The manager's name, and the site that it is at. */
  readonly name: string;
  readonly site: string;
  readonly vip: Address;
  /** The least score of what is offered there. */
  readonly score: number;
  readonly services: readonly {
    readonly transport: Transport;
    readonly ports: readonly PortRange[];
    readonly protocol: string;
    readonly score: number;
  }[];
  readonly cost: Cost;
  /** 0…1 of the place's clients. */
  readonly share: number;
  readonly reason: Reason;
}

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

/** All that decisions are made of besides the question. */
export interface Knowledge {
  readonly view: View;
  readonly topology: Topology;
  readonly places: Places;
  /** The GSLB's own site, if the topology knows it. */
  readonly here: string | undefined;
}

/** Which services of a name count; an absent field is a wildcard. */
export interface Wanted {
  readonly protocol?: string;
  readonly transport?: Transport;
}

/** Shares fall with this power of the cost. */
const STEEPNESS = 3;
/** A share below this is none. */
const LEAST_SHARE = 0.06;
/** Who leads is followed by another only if that is so much better: of 1000, and of the round trip. */
const SCORE_MARGIN = 100;
const RTT_MARGIN = { part: 0.2, least: 2 } as const;

type Candidate = Omit<Ranked, 'share' | 'reason'>;

export function decide(
  name: string,
  { site, slot }: Pick<Located, 'site' | 'slot'>,
  know: Knowledge,
  policy: Policy,
  leader?: string,
  wanted: Wanted = {},
): Decision {
  const known = know.view.names.get(name);
  const answer = {
    name,
    policy,
    scoped: true,
    since: Math.max(known?.since ?? 0, known?.moved ?? 0),
    leader: undefined,
  };
  if (known === undefined) return { ...answer, verdict: 'no-such-name', ranked: [], scoped: false };
  const make = (held: readonly Held[]): Candidate[] => candidates(held, site, know, wanted);
  const serving = make(known.held.filter(serves));
  if (serving.length === 0) return { ...answer, ...desperate(known, policy, make) };
  const pinned = serving.filter(one => isAmong(one, policy.override));
  if (pinned.length > 0) {
    const order = (one: Candidate): number => policy.override.findIndex(text => namesOf(one).includes(text));
    const first = [...pinned].sort((one, other) => order(one) - order(other) || cheaper(one, other));
    return { ...answer, verdict: 'served', scoped: false, ranked: onlyFirst(first, serving, 'override') };
  }
  return { ...answer, verdict: 'served', ...byPolicy(name, site, slot, serving, policy, leader) };
}

function byPolicy(
  name: string,
  site: string | undefined,
  slot: number,
  serving: readonly Candidate[],
  policy: Policy,
  leader: string | undefined,
): Pick<Decision, 'ranked' | 'leader' | 'scoped'> {
  const { kind } = policy;
  if (kind === 'best-score' || kind === 'nearest') {
    const better = kind === 'nearest' ? nearer : stronger;
    const sorted = [...serving].sort(better);
    const led = sorted.find(one => keyOf(one) === leader);
    const first = led === undefined || clearly(sorted[0]!, led, kind) ? sorted[0]! : led;
    const rest = sorted.filter(one => one !== first);
    const ranked = onlyFirst([first], [first, ...rest], 'leader', better);
    return { ranked, leader: keyOf(first), scoped: kind === 'nearest' };
  }
  if (kind === 'failover') {
    const place = (one: Candidate): number => {
      const at = policy.order.findIndex(text => namesOf(one).includes(text));
      return at < 0 ? policy.order.length : at;
    };
    const sorted = [...serving].sort((one, other) => place(one) - place(other) || cheaper(one, other));
    return { ranked: onlyFirst([sorted[0]!], sorted, 'order', () => 0), leader: undefined, scoped: true };
  }
  const weights = serving.map(one => weightOf(one, policy));
  const shares = sharesOf(weights);
  const code = kind === 'default' ? 'share' : kind === 'weighted' ? 'weight' : 'turn';
  const turn = hashOf(`${name} ${kind === 'default' ? (site ?? '') : ''}`);
  const chosen = serving[dealTo(shares, slot, SLOTS, turn)]!;
  const ranked = serving
    .map((one, at): Ranked => ({ ...one, share: shares[at]!, reason: reasonOf(code, one, shares[at]!) }))
    .sort((one, other) => other.share - one.share || cheaper(one, other));
  const first = ranked.findIndex(one => one.manager === chosen.manager && one.vip === chosen.vip);
  return {
    ranked: [ranked[first]!, ...ranked.slice(0, first), ...ranked.slice(first + 1)],
    leader: undefined,
    scoped: kind === 'default' || shares.filter(share => share > 0).length > 1,
  };
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
  const all = make(held.length > 0 ? held : lapsed);
  const chosen =
    whenNone === 'all'
      ? all
      : whenNone === 'none'
        ? []
        : make(doubtful.length > 0 ? doubtful : held.length > 0 ? held : lapsed);
  if (chosen.length === 0) return { verdict: 'none', ranked: [] };
  const verdict = whenNone === 'all' ? 'all' : 'last-known';
  const code = whenNone === 'all' ? 'nothing-serves' : 'last-known';
  const ranked = [...chosen].sort(cheaper).map(
    (one, at): Ranked => ({
      ...one,
      share: at === 0 ? 1 : 0,
      reason: reasonOf(code, one, 0),
    }),
  );
  return { verdict, ranked };
}

/** One for each manager and VIP, in an order that does not depend on what they are worth. */
function candidates(
  held: readonly Held[],
  client: string | undefined,
  { view, topology, places, here }: Knowledge,
  { protocol, transport }: Wanted,
): Candidate[] {
  const groups = new Map<string, Held[]>();
  for (const one of held) {
    if (protocol !== undefined && one.offer.protocol !== protocol) continue;
    if (transport !== undefined && one.offer.transport !== transport) continue;
    const key = `${one.manager} ${one.offer.vip}`;
    const list = groups.get(key);
    if (list === undefined) groups.set(key, [one]);
    else list.push(one);
  }
  return [...groups.values()].flatMap((group): Candidate[] => {
    const { manager, offer } = group[0]!;
    const site = view.sites.get(manager) ?? gone(manager);
    const at = siteIn(places, manager) ?? siteOf(topology, site);
    const score = Math.min(...group.map(one => one.supply.score));
    const least = group.reduce((one, other) => (other.supply.capacity < one.supply.capacity ? other : one));
    const supply = { capacity: least.supply.capacity, servers: least.offer.servers };
    const services = group.map(
      ({ offer: { transport: by, ports, protocol: word }, supply: { score: own } }) => ({
        ...{ transport: by, ports, protocol: word, score: own },
      }),
    );
    const cost = costOf(site, at, client, supply, places, here);
    return [{ manager, name: site.name, site: at, vip: offer.vip, score, services, cost }];
  });
}

/** A manager that is no more, as far as what it last offered needs one. */
const gone = (manager: ManagerId) => ({
  ...{ manager, name: manager.slice(0, 12), addresses: [], anycastPort: 0, silent: true, since: 0 },
  ...({ polled: 'lost', links: [], own: undefined, paths: new Map(), offers: new Map() } as const),
});

const keyOf = ({ manager, vip }: Candidate): string => `${manager} ${vip}`;
const namesOf = ({ site, name, manager, vip }: Candidate): readonly string[] => [site, name, manager, vip];
const isAmong = (one: Candidate, texts: readonly string[]): boolean =>
  texts.length > 0 && namesOf(one).some(text => texts.includes(text));

const byKey = (one: Candidate, other: Candidate): number => {
  if (one.manager !== other.manager) return one.manager < other.manager ? -1 : 1;
  return one.vip < other.vip ? -1 : 1;
};
const cheaper = (one: Candidate, other: Candidate): number =>
  one.cost.total - other.cost.total || byKey(one, other);
const stronger = (one: Candidate, other: Candidate): number => other.score - one.score || cheaper(one, other);
const nearer = (one: Candidate, other: Candidate): number =>
  one.cost.way.rtt - other.cost.way.rtt || stronger(one, other);

/** Whether `best` is so much better than who leads that it takes the lead. */
function clearly(best: Candidate, led: Candidate, kind: 'best-score' | 'nearest'): boolean {
  if (kind === 'best-score') return best.score - led.score >= SCORE_MARGIN;
  // Home is home, however near the others are.
  if (best.cost.source === 'local' && led.cost.source !== 'local') return true;
  const gain = led.cost.way.rtt - best.cost.way.rtt;
  return gain >= Math.max(RTT_MARGIN.least, RTT_MARGIN.part * led.cost.way.rtt);
}

const weightOf = (one: Candidate, { kind, weights }: Policy): number => {
  if (kind === 'default') return one.cost.total ** -STEEPNESS;
  if (kind === 'round-robin') return 1;
  const named = namesOf(one).find(text => Object.hasOwn(weights, text));
  return named === undefined ? 1 : weights[named]!;
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
  code: Reason['code'],
  order: (one: Candidate, other: Candidate) => number = cheaper,
): readonly Ranked[] {
  const rest = all.filter(one => !first.includes(one)).sort(order);
  return [...first, ...rest].map((one, at): Ranked => {
    const chosen = at < first.length;
    return {
      ...one,
      share: at === 0 ? 1 : 0,
      reason: reasonOf(chosen ? code : 'behind', one, at === 0 ? 1 : 0),
    };
  });
}

const SENTENCES: Readonly<Record<Reason['code'], string>> = {
  share: 'gets a share by its cost',
  leader: 'leads, and nobody is clearly better',
  order: 'is the first of the order that serves',
  weight: 'gets the share that is configured',
  turn: 'takes its turn',
  override: 'is set by the operator',
  'last-known': 'served last; nothing serves now',
  'nothing-serves': 'is told of although nothing serves',
  behind: 'stands behind, should the first fail',
};

/** The sentence is put together when somebody reads it: answers are made more often than explained. */
const reasonOf = (code: Reason['code'], candidate: Candidate, share: number): Reason => ({
  code,
  get sentence() {
    return sentenceOf(code, candidate, share);
  },
});

function sentenceOf(code: Reason['code'], { score, cost }: Candidate, share: number): string {
  const percent = share > 0 ? `, ${Math.round(share * 100)} % of clients` : '';
  const { total, network, link, service, source, bottleneck } = cost;
  const via = bottleneck === undefined ? '' : ` ${bottleneck.name}`;
  const parts = `network ${ms(network)} (${source}), link${via} ${ms(link)}, service ${ms(service)}`;
  return `${SENTENCES[code]}${percent}: score ${score}, cost ${ms(total)} = ${parts}`;
}

const ms = (value: Millis): string => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
