/**
 * By which 48 bits a poll's reply names an offer (docs/protocol.md, Polls): a whole name each second would not fit through a thin link.
 */
import type { ManagerId, Offer } from '../../sdk/wire/model.ts';
import { sipHash } from '../responder/siphash.ts';

export type OfferName = Pick<Offer, 'name' | 'vip' | 'transport' | 'ports' | 'protocol'>;

const encoder = new TextEncoder();

/** What tells the offers of one manager apart, in text: `name|vip|transport|first-last,first-last|protocol`. */
export const offerKey = ({ name, vip, transport, ports, protocol }: OfferName): string =>
  `${name}|${vip}|${transport}|${ports.map(({ first, last }) => `${first}-${last}`).join()}|${protocol}`;

/** 0…2^48−1: the first six bytes of SipHash-2-4 over the key's text, keyed with the first 16 bytes of the manager's identity. */
export function offerTag(manager: ManagerId, key: string): number {
  const secret = new Uint8Array(16);
  for (let at = 0; at < 16; at++) secret[at] = Number.parseInt(manager.slice(at * 2, at * 2 + 2), 16);
  const hash = sipHash(secret, encoder.encode(key));
  let tag = 0;
  for (let at = 0; at < 6; at++) tag = tag * 256 + hash[at]!;
  return tag;
}
