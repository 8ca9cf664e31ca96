/** What a GSLB makes of what it hears: who serves, what is doubtful, what is forgotten. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { reduce } from '../../../appliance/gslb/reduce.ts';
import { capacityOf, settledScore } from '../../../appliance/gslb/settle.ts';
import {
  DEFAULT_LIMITS,
  emptyView,
  type GslbEvent,
  serves,
  type View,
} from '../../../appliance/gslb/view.ts';
import { heard, manager, offer, polled, viewAfter } from './world.ts';

/** Who serves the name, by manager's letter, with the score that is decided by. */
const serving = (view: View, name = 'www.example'): string[] =>
  (view.names.get(name)?.held ?? [])
    .filter(serves)
    .map(({ manager, supply: { score } }) => `${manager[0]} ${score}`);

test('a service is known from its notice on, at each of its managers', () => {
  const view = viewAfter([heard('b', [offer('b')]), heard('a', [offer('a', { score: 750 })])]);
  expect(serving(view)).toEqual(['a 750', 'b 500']);
  expect(view.count).toBe(2);
});

test('it is gone with its notice, and with its manager', () => {
  const both = viewAfter([heard('a', [offer('a')]), heard('b', [offer('b')])]);
  const one = viewAfter([heard('a', [], { offersGone: [offer('a')] })], both);
  expect(serving(one)).toEqual(['b 500']);
  const none = viewAfter([{ type: 'peer-gone', manager: manager('b') }], one);
  expect(serving(none)).toEqual([]);
  expect(none.names.get('www.example')!.lapsed.map(held => held.manager)).toEqual([manager('b')]);
  expect(none.count).toBe(0);
});

test('a whole table replaces what was known', () => {
  const view = viewAfter([
    heard('a', [offer('a'), offer('a', { name: 'old.example' })]),
    heard('a', [offer('a')], { complete: true }),
  ]);
  expect(serving(view, 'old.example')).toEqual([]);
  expect(serving(view)).toEqual(['a 500']);
});

test('a silent manager is not answered, unless its polls still say so', () => {
  const web = offer('a');
  const ssh = offer('a', { name: 'ssh.example', protocol: 'ssh', ports: [{ first: 22, last: 22 }] });
  const silent = viewAfter([heard('a', [web, ssh]), { type: 'peer-silent', manager: manager('a') }]);
  expect(serving(silent)).toEqual([]);
  const confirmed = viewAfter([polled('a', [[web, 500]])], silent);
  expect(serving(confirmed)).toEqual(['a 500']);
  expect(serving(confirmed, 'ssh.example')).toEqual([]);
  const lost = viewAfter([{ type: 'poll-lost', manager: manager('a') }], confirmed);
  expect(serving(lost)).toEqual([]);
  const back = viewAfter([heard('a')], lost);
  expect(serving(back)).toEqual(['a 500']);
});

test('polls that are lost while notices come change no score', () => {
  const view = viewAfter([
    heard('a', [offer('a')]),
    polled('a'),
    { type: 'poll-lost', manager: manager('a') },
  ]);
  expect(serving(view)).toEqual(['a 500']);
  expect(view.sites.get(manager('a'))).toMatchObject({ polled: 'lost', own: undefined });
});

test('what nobody offers and who nobody knows change nothing', () => {
  const view = viewAfter([heard('a', [offer('a')])]);
  const after = viewAfter(
    [polled('z', [[offer('z'), 900]]), { type: 'peer-silent', manager: manager('z') }],
    view,
  );
  expect(after).toEqual(view);
});

test('small moves of a score and of a round trip are no change of the view; all moves from and to 0 are', () => {
  const web = offer('a');
  const view = viewAfter([heard('a', [web]), polled('a', [[web, 500]], { rtt: 20 })]);
  const near = viewAfter([polled('a', [[web, 510]], { rtt: 21 })], view);
  expect(near.version).toBe(view.version);
  expect(serving(near)).toEqual(['a 500']);
  expect(near.names.get('www.example')!.held[0]!.supply.told).toBe(510);
  const far = viewAfter([polled('a', [[web, 600]], { rtt: 20 })], near);
  expect(far.version).toBeGreaterThan(near.version);
  expect(serving(far)).toEqual(['a 600']);
  const down = viewAfter([polled('a', [[web, 0]], { rtt: 20 })], far);
  expect(serving(down)).toEqual([]);
  expect(down.version).toBeGreaterThan(far.version);
});

test('many small moves add up', () => {
  let score = 500;
  for (let told = 500; told > 200; told -= 3) score = settledScore(score, told);
  expect(score).toBeLessThan(230);
});

test('free capacity is what the score was made of', () => {
  for (const [capacity, score] of [
    [100, 500],
    [200, 750],
    [30, 188],
  ] as const)
    expect(capacityOf(score)).toBeCloseTo(capacity, -1);
  expect(capacityOf(0)).toBe(0);
  expect(capacityOf(1000)).toBeLessThan(1200);
});

test('bounded: managers, offers, names that nobody offers any more', () => {
  const limits = { managers: 2, offers: 3, lapsed: 1, lapse: 1000 };
  let view = emptyView();
  const take = (event: GslbEvent, at = 0): void => {
    view = reduce(view, event, at, limits);
  };
  const names = ['a', 'b', 'c', 'd'].map(letter => offer('a', { name: `${letter}.example` }));
  take(heard('a', names));
  expect([view.count, view.refused]).toEqual([3, 1]);
  take(heard('b'));
  take(heard('c', [offer('c')]));
  expect([view.sites.size, view.refused]).toEqual([2, 2]);
  take(heard('a', [], { offersGone: [names[0]!] }), 1);
  take(heard('a', [], { offersGone: [names[1]!] }), 2);
  expect([...view.names.keys()].sort()).toEqual(['b.example', 'c.example']);
  take(heard('a', [], { offersGone: [names[2]!] }), 2000);
  expect([...view.names.keys()]).toEqual(['c.example']);
});

test('how long a name has been settled counts from who serves it, not from how well', () => {
  const web = offer('a');
  let view = reduce(emptyView(), heard('a', [web]), 100);
  view = reduce(view, polled('a', [[web, 900]]), 5000);
  expect(view.names.get('www.example')!.since).toBe(100);
  view = reduce(view, heard('b', [offer('b')]), 6000);
  expect(view.names.get('www.example')!.since).toBe(6000);
});

test('one that goes as another just like it comes is a change', () => {
  const [one, other] = [offer('a'), offer('a', { vip: offer('b').vip })];
  const before = reduce(emptyView(), heard('a', [one]), 100);
  const after = reduce(before, heard('a', [other], { offersGone: [one] }), 200);
  expect(after.version).toBeGreaterThan(before.version);
  expect(after.names.get('www.example')).toMatchObject({ since: 200, moved: 200 });
});

/** Any sequence of events. */
const event: fc.Arbitrary<GslbEvent> = fc.constantFrom('a', 'b', 'c').chain(letter => {
  const some = fc.subarray([
    offer(letter),
    offer(letter, { score: 0 }),
    offer(letter, { name: 'x.example' }),
    offer(letter, { name: 'x.example', protocol: 'ssh', score: 900 }),
  ]);
  return fc.oneof(
    fc
      .record({ offers: some, offersGone: some, complete: fc.boolean() })
      .map(({ offers, ...rest }) => heard(letter, offers, rest)),
    fc.constant<GslbEvent>({ type: 'peer-silent', manager: manager(letter) }),
    fc.constant<GslbEvent>({ type: 'peer-gone', manager: manager(letter) }),
    fc.constant<GslbEvent>({ type: 'poll-lost', manager: manager(letter) }),
    some.map(offers =>
      polled(
        letter,
        offers.map(one => [one, one.score]),
      ),
    ),
  );
});

test('names and sites tell of the same offers, and a version stands for one set of what is decided by', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), events => {
      let view = emptyView();
      for (const [at, one] of events.entries()) {
        const before = view;
        view = reduce(view, one, at);
        const idle = [...view.names.entries()].flatMap(([name, { held }]) => (held.length === 0 ? name : []));
        expect([...view.lapsed.keys()].sort()).toEqual(idle.sort());
        const bySite = [...view.sites.values()].flatMap(site => [...site.offers.values()]);
        const byName = [...view.names.values()].flatMap(name => name.held);
        expect(new Set(byName)).toEqual(new Set(bySite));
        expect(byName.length).toBe(view.count);
        if (view.version === before.version) expect(decided(view)).toEqual(decided(before));
        for (const site of view.sites.values())
          if (site.silent && site.polled !== 'answers')
            expect([...site.offers.values()].filter(serves)).toEqual([]);
      }
    }),
  );
  expect(DEFAULT_LIMITS.offers).toBeGreaterThan(10_000);
});

const decided = (view: View): unknown[] =>
  [...view.names.values()]
    .flatMap(name =>
      name.held.filter(serves).map(({ manager, key, supply: { score } }) => `${manager} ${key} ${score}`),
    )
    .sort();
