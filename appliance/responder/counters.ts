/**
 * What the responder did with all that it received, by the reason of each decision: the metrics, the log and the tests read these.
 */
import type { AnswerReason } from './decide.ts';

/**
 * Of each query, on either carrier. malformed, refused: a refusal was sent (it broke the protocol; it asks for what is not
 * given). needs-cookie: a cookie was sent. too-short: not even that would have fitted. rate-limited: dropped. not-for-us,
 * not-a-query: no query, or one to another station.
 */
export type QueryOutcome =
  | AnswerReason
  | 'malformed'
  | 'refused'
  | 'needs-cookie'
  | 'too-short'
  | 'rate-limited'
  | 'not-for-us'
  | 'not-a-query';

/** invited: answered. foreign: no access link has the source's prefix. version: none that we speak. */
export type SolicitOutcome = 'invited' | 'foreign' | 'version' | 'rate-limited' | 'malformed';

/** replies: to ordinary requests for VIPs that the kernel doesn't hold. conflicts: frames in which another station claims a VIP. */
export type ArpOutcome = 'replies' | 'announcements' | 'conflicts' | 'defences' | 'rate-limited';

export interface ResponderCounters {
  readonly link: Record<QueryOutcome, number>;
  readonly udp: Record<QueryOutcome, number>;
  readonly solicit: Record<SolicitOutcome, number>;
  readonly arp: Record<ArpOutcome, number>;
  readonly table: Record<'sources-full', number>;
}

const zero = <Key extends string>(...keys: readonly Key[]): Record<Key, number> =>
  Object.fromEntries(keys.map(key => [key, 0])) as Record<Key, number>;

const queries = (): Record<QueryOutcome, number> =>
  zero(
    'answered',
    'no-match',
    'no-such-vip',
    'no-such-name',
    'nothing-here',
    'malformed',
    'refused',
    'needs-cookie',
    'too-short',
    'rate-limited',
    'not-for-us',
    'not-a-query',
  );

/** All at zero. */
export const newCounters = (): ResponderCounters => ({
  link: queries(),
  udp: queries(),
  solicit: zero('invited', 'foreign', 'version', 'rate-limited', 'malformed'),
  arp: zero('replies', 'announcements', 'conflicts', 'defences', 'rate-limited'),
  table: zero('sources-full'),
});
