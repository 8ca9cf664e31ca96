/**
 * What a server has done, by outcome: each is a metric, and a line of what an operator is shown.
 */
import { RCODE } from './numbers.ts';

/** How many of each. Plain values: workers send them. */
export interface DnsCounts {
  queries: number;
  /** With records. */
  answered: number;
  nodata: number;
  nxdomain: number;
  refused: number;
  formerr: number;
  notimp: number;
  badvers: number;
  badcookie: number;
  /** Signed with a key that is not ours, wrongly, or at another time. */
  notauth: number;
  /** Cut, for want of room or of a proof of the source. */
  truncated: number;
  /** Over the rate: left without an answer, or given an empty one. */
  dropped: number;
  slipped: number;
  /** No queries at all. */
  ignored: number;
  /** Whose answer was not there yet. */
  waited: number;
}

const FIELD = new Map<number, keyof DnsCounts>([
  [RCODE.FORMERR, 'formerr'],
  [RCODE.NOTIMP, 'notimp'],
  [RCODE.REFUSED, 'refused'],
  [RCODE.BADVERS, 'badvers'],
  [RCODE.BADCOOKIE, 'badcookie'],
  [RCODE.NOTAUTH, 'notauth'],
  [RCODE.NOERROR, 'nodata'],
]);

export const noCounts = (): DnsCounts => ({
  queries: 0,
  answered: 0,
  nodata: 0,
  nxdomain: 0,
  refused: 0,
  formerr: 0,
  notimp: 0,
  badvers: 0,
  badcookie: 0,
  notauth: 0,
  truncated: 0,
  dropped: 0,
  slipped: 0,
  ignored: 0,
  waited: 0,
});

/** Counts an answer without records. */
export function countRcode(counts: DnsCounts, rcode: number): void {
  const field = FIELD.get(rcode);
  if (field !== undefined) counts[field]++;
}
