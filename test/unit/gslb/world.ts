/** Managers and offers as a GSLB hears of them, in short. */
import { reduce } from '../../../appliance/gslb/reduce.ts';
import { emptyView, type GslbEvent, type LinkUse, type View } from '../../../appliance/gslb/view.ts';
import type { Heard } from '../../../appliance/notices/heard.ts';
import { offerKey, offerTag } from '../../../appliance/polls/tag.ts';
import { address } from '../../../sdk/wire/address.ts';
import type { ManagerId, Offer } from '../../../sdk/wire/model.ts';

/** `a` is the manager with an identity of 64 `a`. */
export const manager = (letter: string): ManagerId => letter.repeat(64) as ManagerId;

export const offer = (at: string, changes: Partial<Offer> = {}): Offer => ({
  name: 'www.example',
  vip: address(`10.9.${at.charCodeAt(0)}.1`),
  transport: 'tcp',
  ports: [{ first: 80, last: 80 }],
  protocol: 'http',
  mode: 'nat',
  score: 500,
  servers: 1,
  ...changes,
});

type Notice = Extract<Heard, { type: 'heard' }>;

export const heard = (
  letter: string,
  offers: readonly Offer[] = [],
  changes: Partial<Notice> = {},
): Notice => ({
  type: 'heard',
  manager: manager(letter),
  name: `site-${letter}`,
  addresses: [address(`10.0.${letter.charCodeAt(0)}.1`)],
  anycastPort: 9747,
  port: 9746,
  tls: true,
  bindings: [],
  gone: [],
  offers,
  offersGone: [],
  complete: false,
  ...changes,
});

/** Scores by offer. */
export const polled = (
  letter: string,
  scores: readonly (readonly [Offer, number])[] = [],
  { rtt = 10, loss = 0, links, paths = {} }: Partial<PollFacts> = {},
): GslbEvent => ({
  type: 'polled',
  manager: manager(letter),
  scores: new Map(scores.map(([of, score]) => [offerTag(manager(letter), offerKey(of)), score])),
  links,
  paths: new Map(Object.entries(paths).map(([to, ms]) => [manager(to), { rtt: ms, jitter: 0, loss: 0 }])),
  own: { rtt, jitter: 0, loss },
});

interface PollFacts {
  readonly rtt: number;
  readonly loss: number;
  readonly links: readonly LinkUse[];
  /** Round trips to other managers, ms. */
  readonly paths: Readonly<Record<string, number>>;
}

/** The view after these events, 1 ms apart. */
export const viewAfter = (events: readonly GslbEvent[], from: View = emptyView(), at = 0): View =>
  events.reduce((view, event, index) => reduce(view, event, at + index), from);
