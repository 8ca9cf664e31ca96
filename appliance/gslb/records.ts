/** Decisions as records of DNS: the addresses best first, and SRV with the ports of whoever is told of. Pure. */
import type { Outcome, Question, RecordData } from '../dns/view.ts';
import type { Wanted } from './candidates.ts';
import { type PlaceDecision, STEPS } from './decide.ts';
import { hostOf, type SrvSource } from './name-index.ts';
import type { Ranked } from './ranking.ts';

/** Addresses in one answer at most: enough to fall back to, and few enough for a datagram. */
const MOST = 8;
/** Addresses that are told where nobody serves for sure. */
const MOST_DESPERATE = 4;
/** Ports of one service that are told: a range of a thousand is no list of records. */
const MOST_PORTS = 4;

/** Decides for a name, with some of its services or all. */
export type Ask = (
  name: string,
  wanted: Wanted,
) => { readonly decision: PlaceDecision; readonly ttl: number };

const NONE: Outcome = { records: [], ttl: 0, scoped: false };

/** The answer to a question of which the index has the name. `sources`: what the name leads to, of SRV; `zone`: that it is in. */
export function outcomeOf(
  question: Question,
  sources: readonly SrvSource[],
  zone: string | undefined,
  ask: Ask,
): Outcome {
  const { name, type } = question;
  if (type === 'SRV') return srvOutcome(sources, zone, ask);
  if (type !== 'A' && type !== 'AAAA') return NONE;
  // Decided for each family by itself: who is best may have addresses of the other one alone.
  const { decision, ttl } = ask(name, { family: type === 'A' ? 4 : 6 });
  const addresses = [...new Set(told(decision).map(({ vip }) => vip))];
  const records = addresses.map((address): RecordData => ({ type, address }));
  return { records, ttl, scoped: decision.scoped };
}

/**
 * Stub resolvers take any of the addresses: one that is to get none of these clients must not be among them, unless the policy says so.
 * All are told only where nobody serves for sure.
 */
const told = ({ verdict, policy, ranked }: PlaceDecision): readonly Ranked[] =>
  ranked.slice(0, verdict === 'served' ? Math.min(policy.answers, MOST) : MOST_DESPERATE);

function srvOutcome(sources: readonly SrvSource[], zone: string | undefined, ask: Ask): Outcome {
  const records: RecordData[] = [];
  let ttl = Number.POSITIVE_INFINITY;
  let scoped = false;
  for (const { name, protocol, transport } of sources) {
    const { decision, ttl: own } = ask(name, { protocol, transport });
    ttl = Math.min(ttl, own);
    scoped ||= decision.scoped;
    const several = decision.policy.answers > 1 && zone !== undefined;
    for (const [rank, one] of told(decision).entries()) {
      // One target is the service's own name; of several each has an address of its own.
      if (!several && rank > 0) break;
      const target = several ? hostOf(one.vip, zone) : name;
      records.push(...srvRecords(one, target, several && decision.deal !== undefined, rank));
    }
  }
  return { records, ttl: records.length > 0 ? ttl : 0, scoped };
}

/** Those among whom clients are dealt out have one priority, and their shares as weights (RFC 2782); else priorities are ranks. */
function srvRecords(one: Ranked, target: string, dealt: boolean, rank: number): readonly RecordData[] {
  const shared = dealt && one.share > 0;
  const priority = shared ? 0 : rank;
  return one.held.flatMap(({ offer: { ports }, supply: { score } }) =>
    ports.slice(0, MOST_PORTS).map(({ first: port }): RecordData => {
      const weight = Math.max(1, shared ? Math.round(one.share * STEPS) * (1000 / STEPS) : score);
      return { type: 'SRV', priority, weight, port, target };
    }),
  );
}
