/** A desk that was asked the same before answers, and counts, byte for byte as one that is asked for the first time. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dnsQuery, subnetOption } from '../support/dns.ts';
import { anyQuery } from '../support/dns-queries.ts';
import { type Lines, startDesk, view } from '../unit/dns/support.ts';

const CONTENTS: readonly Lines[] = [
  {
    'www.cell': ['A 10.0.0.1', 'AAAA fd00::1', 'east: A 10.1.1.1'],
    'alias.cell': ['CNAME www.cell'],
    'many.cell': Array.from({ length: 100 }, (_, index) => `A 10.0.1.${index}`),
    'one.cell': ['A 10.0.0.3'],
    '_sip._udp.cell': ['SRV 0 10 5060 www.cell'],
  },
  {
    'www.cell': ['A 10.0.0.2', 'west: A 10.1.1.2'],
    'alias.cell': ['CNAME one.cell'],
    'b.deep.cell': ['TXT words'],
  },
];
const TOPOLOGIES: readonly Readonly<Record<string, string>>[] = [
  { '10.1.0.0/16': 'east', 'fd01::/32': 'east', '10.2.0.0/16': 'west' },
  { '10.0.0.0/8': 'west' },
  {},
];
const SOURCES = ['10.1.0.9', '10.2.0.1', '192.0.2.1', 'fd01::1', 'fe80::1'];

/** What resolvers ask for again and again. */
const ordinary = fc
  .record({
    name: fc.constantFrom(
      'www.cell',
      'WWW.cell',
      'alias.cell',
      'many.cell',
      'one.cell',
      'nobody.in.this.zone.cell',
    ),
    type: fc.constantFrom(1, 28),
    flags: fc.constantFrom(0, 0x0100),
    option: fc.constantFrom(
      undefined,
      subnetOption('10.1.0.0', 16),
      subnetOption('10.2.3.0', 24),
      subnetOption('10.0.0.0', 8),
      subnetOption('fd01::', 48),
      [10, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)] as const,
    ),
  })
  .map(({ name, type, flags, option }) =>
    dnsQuery(name, type, { flags, edns: { options: option ? [option] : [] } }),
  );

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      query: fc.oneof({ weight: 2, arbitrary: ordinary }, { weight: 1, arbitrary: anyQuery }),
      from: fc.constantFrom(...SOURCES),
      times: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ contents: fc.nat(1), topology: fc.nat(2), told: fc.boolean() }) },
);

test('whatever was asked before, and whatever has changed since', () => {
  let given = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 40, size: 'max' }), steps => {
      const long = startDesk();
      const views = [view(CONTENTS[0]!, { topology: TOPOLOGIES[0]! })];
      long.publish(views[0]!);
      for (const one of steps) {
        if ('contents' in one) {
          const made = view(CONTENTS[one.contents]!, { topology: TOPOLOGIES[one.topology]! });
          // With the same topology, what has changed may be told name by name.
          views.push(one.told ? { ...made, topology: views.at(-1)!.topology } : made);
          long.publish(views.at(-1)!, one.told ? CONTENTS.flatMap(lines => Object.keys(lines)) : undefined);
          continue;
        }
        const fresh = startDesk();
        // Serial numbers count the views.
        for (const each of views) fresh.publish(each);
        const expected = fresh.raw(one.query, one.from);
        const { waited: _, ...counted } = fresh.desk.answerer.counters;
        for (let time = 0; time < one.times; time++) {
          const query = one.query.slice();
          // Another ID each time.
          if (query.length > 1) query.set([time, 255 - time], 0);
          const before = { ...long.desk.answerer.counters };
          const answer = long.raw(query, one.from);
          if (expected === undefined) expect(answer).toBeUndefined();
          else if (expected.length > 0) {
            given++;
            // A signature is over the ID as well.
            if (counted.notauth === 0)
              expect(answer).toEqual(Uint8Array.from([...query.subarray(0, 2), ...expected.subarray(2)]));
          }
          const { waited: __, ...after } = long.desk.answerer.counters;
          for (const [field, count] of Object.entries(after))
            expect([field, count - before[field as keyof typeof before]]).toEqual([
              field,
              counted[field as keyof typeof counted],
            ]);
        }
      }
    }),
    { numRuns: 60 },
  );
  expect(given).toBeGreaterThan(500);
});
