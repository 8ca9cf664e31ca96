/** Decisions as records of DNS: the addresses best first, and SRV with the ports of whoever is first. Pure. */
import { type Address, familyOf } from '../../sdk/wire/address.ts';
import type { Outcome, Question, RecordData } from '../dns/view.ts';
import type { Decision, Ranked, Wanted } from './decide.ts';
import type { SrvSource } from './name-index.ts';

/** Addresses in one answer: enough to fall back to, and few enough for a datagram. */
const MOST = 4;
/** Ports of one service that are told: a range of a thousand is no list of records. */
const MOST_PORTS = 4;

/** Decides for a name, with some of its services or all. */
export type Ask = (name: string, wanted?: Wanted) => { readonly decision: Decision; readonly ttl: number };

const NONE: Outcome = { records: [], ttl: 0, scoped: false };

/** The answer to a question of which the index has the name. `sources`: what the name leads to, of SRV. */
export function outcomeOf(question: Question, sources: readonly SrvSource[], ask: Ask): Outcome {
  const { name, type } = question;
  if (type === 'SRV') return srvOutcome(sources, ask);
  if (type !== 'A' && type !== 'AAAA') return NONE;
  const { decision, ttl } = ask(name);
  const addresses = [
    ...new Set(
      told(decision)
        .map(({ vip }) => vip)
        .filter(vip => (familyOf(vip) === 4) === (type === 'A')),
    ),
  ];
  const records = addresses.slice(0, MOST).map((address): RecordData => ({ type, address }));
  return { records, ttl, scoped: decision.scoped };
}

/**
 * Stub resolvers take any of the addresses: one that is to get none of these clients must not be among them. So it is the first alone,
 * and all only where nobody serves for sure.
 */
const told = ({ verdict, ranked }: Decision): readonly Ranked[] =>
  verdict === 'served' ? ranked.slice(0, 1) : ranked;

function srvOutcome(sources: readonly SrvSource[], ask: Ask): Outcome {
  const records: RecordData[] = [];
  let ttl = Number.POSITIVE_INFINITY;
  let scoped = false;
  for (const { name, protocol, transport } of sources) {
    const asked = ask(name, { protocol, transport });
    const [first] = told(asked.decision);
    ttl = Math.min(ttl, asked.ttl);
    scoped ||= asked.decision.scoped;
    for (const service of first?.services ?? [])
      for (const { first: port } of service.ports.slice(0, MOST_PORTS))
        records.push({ type: 'SRV', priority: 0, weight: Math.max(1, service.score), port, target: name });
  }
  return { records, ttl: records.length > 0 ? ttl : 0, scoped };
}

/** TTL of what is configured, s. */
const FIXED_TTL = 300;

/** The answer for a name with addresses of its own; undefined for all others. */
export function fixedOutcome(
  { name, type }: Question,
  fixed: ReadonlyMap<string, readonly Address[]> | undefined,
): Outcome | undefined {
  const list = fixed?.get(name);
  if (list === undefined || (type !== 'A' && type !== 'AAAA')) return undefined;
  const own = list.filter(one => (familyOf(one) === 4) === (type === 'A'));
  return { records: own.map((address): RecordData => ({ type, address })), ttl: FIXED_TTL, scoped: false };
}
