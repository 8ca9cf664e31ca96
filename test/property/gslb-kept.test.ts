/**
 * What DNS keeps of a GSLB is never yesterday's: whatever happens, and whatever was asked in between, each answer that was not dropped is the
 * one that would be made now; the names that are told to have come or gone are those that did; and a network's small moves drop little.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { View as DnsView, Outcome } from '../../appliance/dns/view.ts';
import { Gslb } from '../../appliance/gslb/gslb.ts';
import type { Overrides } from '../../appliance/gslb/overrides.ts';
import { DEFAULT_POLICY, type Policy } from '../../appliance/gslb/policy.ts';
import { readTopology } from '../../appliance/gslb/topology.ts';
import { DEFAULT_LIMITS, type GslbEvent } from '../../appliance/gslb/view.ts';
import type { Clock } from '../../appliance/host/ports.ts';
import { recordingLog, VirtualClock } from '../support/virtual.ts';
import { heard, manager, offer, polled } from '../unit/gslb/world.ts';

const MANAGERS = ['a', 'b', 'c', 'd'] as const;
const NAMES = ['one.example', 'two.example', 'three.example'] as const;
const PLACES = ['a#0', 'a#9', 'b#3', 'c#30', '#7', ''];

const TOPOLOGIES = [false, true].map(makeTopology);
const topologyOf = (moved: boolean) => TOPOLOGIES[Number(moved)]!;

function makeTopology(moved: boolean) {
  const read = readTopology(
    JSON.stringify({
      sites: {
        a: { managers: ['site-a'], clients: ['10.1.0.0/16'] },
        b: { managers: moved ? ['site-b'] : ['site-b', 'site-d'], clients: ['10.2.0.0/16'] },
        c: { managers: moved ? ['site-c', 'site-d'] : ['site-c'], clients: ['10.3.0.0/16'] },
      },
    }),
  );
  if ('faults' in read) throw new Error(JSON.stringify(read.faults));
  return read.topology;
}

/** A GSLB, and a DNS server that keeps what it was told until it hears that it may be otherwise. */
function scene(policies: readonly Policy[] = [], slow = false) {
  const clock = new VirtualClock();
  let late = 0;
  /** On a slow machine each look at the clock is later: what is done in slices is done in many. */
  const slowClock: Clock = {
    now: () => {
      late += slow ? 0.9 : 0;
      return clock.now() + late;
    },
    wall: () => clock.wall(),
    after: (name, delay, run) => clock.after(name, delay, run),
  };
  const kept = new Map<string, Outcome>();
  let view: DnsView | undefined;
  let known = new Map<string, string>();
  const typesOf = ({ names }: DnsView) =>
    new Map([...names.entries()].map(([name, types]) => [name, types.join()] as const));
  const stats = { dropped: 0 };
  const gslb = new Gslb({
    ...{
      clock: slowClock,
      log: recordingLog(),
      policies,
      topology: topologyOf(false),
      here: 'a',
      limits: DEFAULT_LIMITS,
    },
    zones: [{ apex: 'example', nameServers: ['ns.example'], mailbox: 'noc.example', refresh: 60 } as never],
    publish(next, changed) {
      const since = view && next.namesSince?.(view);
      if (since !== undefined) {
        const now = typesOf(next);
        const differ = [...new Set([...now.keys(), ...known.keys()])].filter(
          name => now.get(name) !== known.get(name),
        );
        expect([...since].sort()).toEqual(differ.sort());
      }
      known = typesOf(next);
      for (const key of kept.keys()) {
        const name = key.split(' ')[0]!;
        if (changed !== undefined && !changed.includes(name) && known.has(name)) continue;
        kept.delete(key);
        stats.dropped++;
      }
      view = next;
    },
  });
  return {
    ...{ clock, gslb, kept, stats },
    ask(name: string, type: 'A' | 'AAAA' | 'SRV', place: string): void {
      if (!(view?.names.get(name) ?? []).includes(type)) return;
      const key = `${name} ${type} ${place}`;
      if (!kept.has(key)) kept.set(key, view!.answersFor({ name, type }, place));
    },
    /** Every kept answer beside the one that would be made now. */
    compare(): void {
      for (const [key, outcome] of kept) {
        const [name, type, place] = key.split(' ') as [string, 'A', string];
        const { records, scoped } = view!.answersFor({ name, type }, place);
        expect({ key, records: outcome.records, scoped: outcome.scoped }).toEqual({ key, records, scoped });
      }
    },
  };
}

const at = fc.constantFrom(...MANAGERS);
const name = fc.constantFrom(...NAMES);
const offered = fc
  .record({
    at,
    name,
    score: fc.constantFrom(0, 100, 400, 700, 900),
    six: fc.boolean(),
    weight: fc.constantFrom(100, 300),
    udp: fc.boolean(),
  })
  .map(one => ({
    at: one.at,
    offer: offer(one.at, {
      ...{ name: one.name, score: one.score, weight: one.weight },
      ...(one.six && { vip: `fd00::${one.at}` as never }),
      ...(one.udp && { transport: 'udp', protocol: 'sip' }),
    }),
  }));
const link = fc.record({
  name: fc.constant('wan0'),
  input: fc.constant(0),
  output: fc.constant(0),
  rate: fc.constantFrom(64_000, 2_000_000),
  use: fc.constantFrom(0, 0.1, 0.5, 0.97),
});
const network = fc.record({
  at,
  rtt: fc.constantFrom(1, 10, 40, 200),
  links: fc.option(fc.array(link, { maxLength: 2 }), { nil: undefined }),
  paths: fc.dictionary(at, fc.constantFrom(2, 8, 30, 150), { maxKeys: 3 }),
});

const event: fc.Arbitrary<GslbEvent> = fc.oneof(
  fc.array(offered, { minLength: 1, maxLength: 4 }).map(list => {
    const own = list.filter(one => one.at === list[0]!.at).map(one => one.offer);
    return heard(list[0]!.at, own);
  }),
  offered.map(one => heard(one.at, [], { offersGone: [one.offer] })),
  {
    weight: 6,
    arbitrary: network.map(one =>
      polled(one.at, [], { rtt: one.rtt, paths: one.paths, ...(one.links && { links: one.links }) }),
    ),
  },
  fc.tuple(offered, fc.constantFrom(0, 150, 600)).map(([one, score]) => polled(one.at, [[one.offer, score]])),
  at.map(one => ({ type: 'peer-silent', manager: manager(one) }) as const),
  at.map(one => ({ type: 'poll-lost', manager: manager(one) }) as const),
  at.map(one => ({ type: 'peer-gone', manager: manager(one) }) as const),
);

const step = fc.oneof(
  { weight: 6, arbitrary: event.map(one => ({ do: 'event', event: one }) as const) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('ask' as const),
      name: fc.constantFrom(...NAMES, '_http._tcp.one.example', '_sip._udp.example'),
      type: fc.constantFrom<'A' | 'AAAA' | 'SRV'>('A', 'AAAA', 'SRV'),
      place: fc.constantFrom(...PLACES),
    }),
  },
  { weight: 4, arbitrary: fc.constantFrom(0, 1, 3, 20, 6000).map(ms => ({ do: 'wait', ms }) as const) },
  { weight: 1, arbitrary: fc.boolean().map(moved => ({ do: 'topology', moved }) as const) },
  {
    weight: 1,
    arbitrary: fc.option(at, { nil: undefined }).map(to => ({ do: 'override', to }) as const),
  },
);

const POLICIES: readonly (readonly Policy[])[] = [
  [],
  [{ ...DEFAULT_POLICY, kind: 'nearest' }],
  [{ ...DEFAULT_POLICY, kind: 'best-score', answers: 3 }],
  [
    { ...DEFAULT_POLICY, kind: 'weighted', answers: 2 },
    { ...DEFAULT_POLICY, match: 'two.example', whenNone: 'all' },
  ],
  [{ ...DEFAULT_POLICY, answers: 3, whenNone: 'none' }],
];

describe('what is kept', () => {
  test.each(POLICIES.map((policies, number) => ({ policies, number })))(
    'is what would be answered now (policies $number)',
    async ({ policies, number }) => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async steps => {
          const { clock, gslb, ask, compare } = scene(policies, number % 2 === 0);
          for (const one of MANAGERS)
            gslb.take(
              heard(
                one,
                NAMES.map(each => offer(one, { name: each })),
              ),
            );
          await clock.advance(5);
          for (const one of steps) {
            if (one.do === 'event') gslb.take(one.event);
            else if (one.do === 'ask') ask(one.name, one.type, one.place);
            else if (one.do === 'wait') await clock.advance(one.ms);
            else if (one.do === 'topology') gslb.configure(policies, topologyOf(one.moved));
            else gslb.override(overridesTo(one.to));
          }
          await clock.advance(100);
          compare();
          gslb.close();
        }),
        { numRuns: 60, seed: 100 + number },
      );
    },
  );

  test('is dropped only where it is another: of 300 names on three managers, by a link of one', async () => {
    const { clock, gslb, ask, kept, stats } = scene();
    const wan = { name: 'wan0', input: 0, output: 0, rate: 2_000_000, use: 0.1 };
    const names = Array.from({ length: 300 }, (_, number) => `s${number}.example`);
    for (const one of ['a', 'b', 'c'] as const) {
      const own = names.filter((_, number) => number % 3 !== MANAGERS.indexOf(one));
      gslb.take(
        heard(
          one,
          own.map(each => offer(one, { name: each })),
        ),
      );
      gslb.take(polled(one, [], { rtt: 20, links: [wan], paths: { a: 20, b: 20, c: 20 } }));
    }
    await clock.advance(100);
    for (const each of names) for (const place of ['a#1', 'b#1', 'c#1']) ask(each, 'A', place);
    expect(kept.size).toBe(900);
    stats.dropped = 0;
    const { rechecked } = gslb.counters;
    const use = async (part: number): Promise<void> => {
      gslb.take(polled('a', [], { rtt: 20, links: [{ ...wan, use: part }], paths: { a: 20, b: 20, c: 20 } }));
      await clock.advance(100);
    };
    await use(0.12);
    expect(gslb.counters.rechecked).toBe(rechecked);
    await use(0.5);
    // Of those at a, clients of the third site go elsewhere now. Those that are not there are as they were.
    expect(stats.dropped).toBe(600);
    expect([...kept.keys()].every(key => Number(/\d+/.exec(key)![0]) % 3 === 0)).toBe(true);
    gslb.close();
  });
});

const overridesTo = (to: string | undefined): Overrides =>
  new Map(to === undefined ? [] : [['*.example', { targets: [`site-${to}`], at: '' }]]);
