/** Whether peers need to be told of a difference, and how soon. */
import type { Binding, Offer } from '../../sdk/wire/model.ts';

/** A score that moves less than this is told with the next refresh. */
const SCORE_STEP = 50;

/** Whether they say the same. */
export const sameBinding = (one: Binding, other: Binding): boolean =>
  one === other ||
  (one.vip === other.vip &&
    one.server === other.server &&
    one.epoch === other.epoch &&
    one.shared === other.shared &&
    one.hosts.length === other.hosts.length &&
    one.hosts.every((host, index) => sameBytes(host, other.hosts[index]!)));

/** `none`: they say the same. `later`: a score moved a little. `now`: anything else. */
export function offerDiffers(one: Offer, other: Offer): 'none' | 'later' | 'now' {
  if (one === other) return 'none';
  if (one.servers !== other.servers || one.weight !== other.weight || one.mode !== other.mode) return 'now';
  if (one.score === other.score) return 'none';
  const edge = one.score === 0 || other.score === 0;
  return edge || Math.abs(one.score - other.score) >= SCORE_STEP ? 'now' : 'later';
}

export const sameBytes = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && one.every((byte, index) => byte === other[index]);
