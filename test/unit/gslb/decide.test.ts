/** Which VIPs a client gets, best first, and why: each policy, overrides, nothing that serves, and the worked examples of the text. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Knowledge } from '../../../appliance/gslb/candidates.ts';
import { costOf, placesOf } from '../../../appliance/gslb/cost.ts';
import { decide } from '../../../appliance/gslb/decide.ts';
import { DEFAULT_POLICY, type Policy, policiesBy, ttlOf } from '../../../appliance/gslb/policy.ts';
import { dealTo } from '../../../appliance/gslb/slots.ts';
import { readTopology, SLOTS, type Topology } from '../../../appliance/gslb/topology.ts';
import type { GslbEvent, LinkUse } from '../../../appliance/gslb/view.ts';
import { protocolText } from '../../support/vectors.ts';
import { heard, manager, offer, polled, viewAfter } from './world.ts';

const topology = ((): Topology => {
  const read = readTopology(
    JSON.stringify({
      sites: { a: { managers: ['site-a'] }, b: { managers: ['site-b'] }, c: { managers: ['site-c'] } },
    }),
  );
  if ('faults' in read) throw new Error('the topology has faults');
  return read.topology;
})();

const knowledge = (events: readonly GslbEvent[]): Knowledge => {
  const view = viewAfter(events);
  return { view, topology, places: placesOf(view, topology), here: undefined };
};

/** Three sites, alike; from a it is 10 ms to b and 60 to c. */
const alike = (scores: Partial<Record<'a' | 'b' | 'c', number>> = {}): GslbEvent[] =>
  (['a', 'b', 'c'] as const).flatMap(letter => [
    heard(letter, [offer(letter, { score: scores[letter] ?? 500 })]),
    polled(letter, [], {
      paths: { a: { b: 10, c: 60 }, b: { a: 10, c: 30 }, c: { a: 60, b: 30 } }[letter],
      rtt: 25,
    }),
  ]);

const policy = (changes: Partial<Policy>): Policy => ({ ...DEFAULT_POLICY, ...changes });
const at = (
  site: string | undefined,
  know: Knowledge,
  by: Policy = DEFAULT_POLICY,
  slot = 0,
  leader?: string,
) => decide('www.example', { site, slot }, know, by, leader);
const order = (...args: Parameters<typeof at>): string[] => at(...args).ranked.map(({ site }) => site);

describe('the default', () => {
  test('everybody at home, as long as that serves well', () => {
    const know = knowledge(alike());
    for (const site of ['a', 'b', 'c'])
      for (let slot = 0; slot < SLOTS; slot++) expect(order(site, know, DEFAULT_POLICY, slot)[0]).toBe(site);
  });

  test('what home cannot carry goes to the next best, in shares', () => {
    const { ranked } = at('a', knowledge(alike({ a: 300, b: 900 })));
    const shares = Object.fromEntries(ranked.map(({ site, share }) => [site, share]));
    expect(shares['b']).toBeGreaterThan(0.5);
    expect(shares['a']).toBeGreaterThan(0.06);
    expect(ranked.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
  });

  test('slots get what the shares say', () => {
    const know = knowledge(alike({ a: 300, b: 900 }));
    const firsts = Array.from({ length: SLOTS }, (_, slot) => at('a', know, DEFAULT_POLICY, slot).ranked[0]!);
    const share = at('a', know).ranked.find(({ site }) => site === 'b')!.share;
    const dealt = firsts.filter(({ site }) => site === 'b').length / SLOTS;
    expect(Math.abs(dealt - share)).toBeLessThan(2 / SLOTS);
  });

  test('a client that nobody knows is judged from here', () => {
    const { ranked } = at(undefined, knowledge(alike()));
    expect(ranked).toHaveLength(3);
    expect(ranked.every(({ cost }) => cost.source === 'from-here')).toBe(true);
  });

  test('every place has its reason, with figures', () => {
    for (const { reason } of at('a', knowledge(alike({ a: 150 }))).ranked) {
      expect(reason.code).toBe('share');
      expect(reason.sentence).toMatch(/score \d+, cost .* = network .* link .* service/);
    }
  });
});

describe('the other policies', () => {
  test('best score, with a margin for who leads', () => {
    const know = knowledge(alike({ a: 500, b: 560, c: 520 }));
    const first = at('a', know, policy({ kind: 'best-score' }));
    expect(first.ranked.map(({ site }) => site)).toEqual(['b', 'c', 'a']);
    const led = `${manager('a')} ${offer('a').vip}`;
    expect(order('a', know, policy({ kind: 'best-score' }), 0, led)[0]).toBe('a');
    expect(order('a', knowledge(alike({ b: 700 })), policy({ kind: 'best-score' }), 0, led)[0]).toBe('b');
  });

  test('nearest by round trip, with a margin for who leads', () => {
    const know = knowledge(alike({ a: 1, b: 900, c: 999 }));
    expect(order('a', know, policy({ kind: 'nearest' }))).toEqual(['a', 'b', 'c']);
    expect(order('c', know, policy({ kind: 'nearest' }))).toEqual(['c', 'b', 'a']);
  });

  test('weighted and round robin deal by their weights, wherever the client is', () => {
    const know = knowledge(alike());
    const count = (by: Policy): Record<string, number> => {
      const found: Record<string, number> = { a: 0, b: 0, c: 0 };
      for (let slot = 0; slot < SLOTS; slot++) found[order('a', know, by, slot)[0]!]!++;
      return found;
    };
    const weighted = count(policy({ kind: 'weighted', weights: { a: 2, 'site-b': 1, c: 0 } }));
    expect(weighted['c']).toBe(0);
    expect(Math.abs(weighted['a']! - (SLOTS * 2) / 3)).toBeLessThanOrEqual(1);
    for (const dealt of Object.values(count(policy({ kind: 'round-robin' }))))
      expect(Math.abs(dealt - SLOTS / 3)).toBeLessThanOrEqual(1);
  });

  test('failover takes the first of the order that serves; who is not named stands behind', () => {
    const by = policy({ kind: 'failover', order: ['c', 'b'] });
    expect(order('a', knowledge(alike()), by)).toEqual(['c', 'b', 'a']);
    expect(order('a', knowledge(alike({ c: 0 })), by)).toEqual(['b', 'a']);
  });

  test('weights that are all 0 still answer', () => {
    expect(
      order('a', knowledge(alike()), policy({ kind: 'weighted', weights: { a: 0, b: 0, c: 0 } })),
    ).toHaveLength(3);
  });

  test('an override holds as long as it serves', () => {
    const by = policy({ override: ['c'] });
    const pinned = at('a', knowledge(alike()), by);
    expect(pinned.ranked[0]).toMatchObject({ site: 'c', share: 1, reason: { code: 'override' } });
    expect(pinned.scoped).toBe(false);
    expect(order('a', knowledge(alike({ c: 0 })), by)[0]).toBe('a');
  });
});

describe('nothing serves', () => {
  const silent: GslbEvent[] = [
    ...alike({ a: 0 }),
    ...['a', 'b', 'c'].map((letter): GslbEvent => ({ type: 'peer-silent', manager: manager(letter) })),
    ...['a', 'b', 'c'].map((letter): GslbEvent => ({ type: 'poll-lost', manager: manager(letter) })),
  ];

  test.each([
    ['last-known', 'last-known', ['b', 'c']],
    ['all', 'all', ['a', 'b', 'c']],
    ['none', 'none', []],
  ] as const)('%s', (whenNone, verdict, sites) => {
    const decision = at('a', knowledge(silent), policy({ whenNone }));
    expect(decision.verdict).toBe(verdict);
    expect(decision.ranked.map(({ site }) => site).sort()).toEqual([...sites]);
  });

  test('of a name that everybody has withdrawn, what it had last', () => {
    const know = knowledge([
      ...alike(),
      { type: 'peer-gone', manager: manager('a') },
      { type: 'peer-gone', manager: manager('b') },
      heard('c', [], { offersGone: [offer('c')] }),
    ]);
    expect(at('a', know).ranked.map(({ manager: who }) => who)).toEqual([manager('c')]);
  });

  test('a name that nobody ever offered', () => {
    expect(decide('x.example', { site: 'a', slot: 0 }, knowledge(alike()), DEFAULT_POLICY).verdict).toBe(
      'no-such-name',
    );
  });
});

test('never empty while something serves; best of equals does not depend on the order of notices', () => {
  const kinds = ['default', 'best-score', 'nearest', 'weighted', 'round-robin', 'failover'] as const;
  fc.assert(
    fc.property(
      fc.record({ a: fc.nat(1000), b: fc.nat(1000), c: fc.nat(1000) }),
      fc.constantFrom(...kinds),
      fc.nat(SLOTS - 1),
      fc.constantFrom('a', 'b', 'c', 'elsewhere', undefined),
      (scores, kind, slot, site) => {
        const decision = at(site, knowledge(alike(scores)), policy({ kind }), slot);
        const up = Object.values(scores).filter(score => score > 0).length;
        if (up === 0) expect(decision.verdict).not.toBe('served');
        else {
          expect(decision.verdict).toBe('served');
          expect(decision.ranked).toHaveLength(up);
          expect(decision.ranked.every(({ score }) => score > 0)).toBe(true);
          expect(decision.ranked.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
        }
        expect(
          at(site, knowledge([...alike(scores)].reverse().sort(polls)), policy({ kind }), slot).ranked.map(
            one => one.vip,
          ),
        ).toEqual(decision.ranked.map(one => one.vip));
      },
    ),
  );
});

/** Notices first: a poll of whom nobody knows says nothing. */
const polls = (one: GslbEvent, other: GslbEvent): number =>
  Number(one.type === 'polled') - Number(other.type === 'polled');

test('dealing moves no more slots than the shares moved', () => {
  const slots = (shares: readonly number[]): number[] =>
    Array.from({ length: SLOTS }, (_, slot) => dealTo(shares, slot, SLOTS, 5));
  const before = slots([0.5, 0.3, 0.2]);
  const after = slots([0.45, 0.35, 0.2]);
  expect(before.filter((one, slot) => one !== after[slot]).length).toBeLessThanOrEqual(2);
  expect(dealTo([0, 0, 1], 3, SLOTS, 9)).toBe(2);
});

test('a policy is found by its name, the longest suffix, or the star', () => {
  const policies = [
    policy({ match: '*', kind: 'nearest' }),
    policy({ match: '*.example', kind: 'failover' }),
    policy({ match: 'www.example', kind: 'weighted' }),
  ];
  expect(policiesBy(policies).of('www.example').kind).toBe('weighted');
  expect(policiesBy(policies).of('a.b.example').kind).toBe('failover');
  expect(policiesBy(policies).of('x.test').kind).toBe('nearest');
  expect(policiesBy([]).of('x.test')).toBe(DEFAULT_POLICY);
});

test('what has just changed is told for short', () => {
  expect([0, 19_000, 21_000, 45_000, 10_000_000].map(settled => ttlOf(DEFAULT_POLICY, settled))).toEqual([
    2, 2, 5, 10, 20,
  ]);
});

test('the worked examples of the cost follow the code', () => {
  const section = protocolText.split('### Cost')[1]!.split(/^#/m)[0]!;
  const rows = [...section.matchAll(/^\| (\d.*) \|$/gm)].map(([, row]) => row!.split(' | ').map(Number));
  expect(rows.length).toBeGreaterThan(4);
  for (const [rtt, loss, rate, use, capacity, servers, network, link, service, total] of rows as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ][]) {
    const wan: LinkUse = { name: 'wan0', input: 0, output: 0, rate, use };
    const view = viewAfter([
      heard('b', [offer('b')]),
      polled('b', [], { rtt, loss, links: rate > 0 ? [wan] : [] }),
    ]);
    const cost = costOf(
      view.sites.get(manager('b'))!,
      'b',
      undefined,
      { capacity, servers },
      placesOf(view, topology),
      undefined,
    );
    for (const [figure, said] of [
      [cost.network, network],
      [cost.link, link],
      [cost.service, service],
      [cost.total, total],
    ] as const)
      expect(Math.round(figure * 10) / 10).toBeCloseTo(said, 1);
  }
});
