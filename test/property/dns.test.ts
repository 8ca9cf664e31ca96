/** A desk that was told of every change answers as one that was told everything just now. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Zone } from '../../appliance/dns/view.ts';
import { dnsQuery } from '../support/dns.ts';
import { type Lines, startDesk, view, zone } from '../unit/dns/support.ts';

const NAMES = [
  'cell',
  'a.cell',
  'b.a.cell',
  'c.b.a.cell',
  'x.c.b.a.cell',
  'sub.cell',
  'w.sub.cell',
  'v.u.sub.cell',
  'other',
];
const RECORDS = [
  'A 10.0.0.1',
  'A 10.0.0.2',
  'AAAA fd00::1',
  'TXT words',
  'east: A 10.1.1.1',
  'SRV 0 0 80 a.cell',
];

const lines: fc.Arbitrary<Lines> = fc
  .uniqueArray(
    fc.tuple(
      fc.constantFrom(...NAMES),
      fc.oneof(
        fc.uniqueArray(fc.constantFrom(...RECORDS), { minLength: 1, maxLength: 4 }),
        fc.constantFrom(['CNAME a.cell'], ['CNAME w.sub.cell']),
      ),
    ),
    { selector: ([name]) => name, maxLength: 8 },
  )
  .map(entries => Object.fromEntries(entries));
const zones: fc.Arbitrary<readonly Zone[]> = fc.constantFrom(
  [zone('cell')],
  [zone('cell')],
  [zone('cell', { minimum: 7 })],
  [zone('cell'), zone('sub.cell')],
  [zone('sub.cell')],
  [],
);
const topology = fc.constantFrom(
  {},
  { '192.0.2.0/24': 'east' },
  { '192.0.2.0/24': 'west', '10.0.0.0/8': 'east' },
);
const step = fc.record({ lines, zones, topology, told: fc.boolean() });

/** Names whose records differ. */
const differing = (one: Lines, other: Lines): string[] =>
  NAMES.filter(name => JSON.stringify(one[name]) !== JSON.stringify(other[name]));

test('changes told one by one come to the same as everything told at once', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), steps => {
      const long = startDesk();
      let before: Lines = {};
      for (const { lines: next, zones: apexes, topology: places, told } of steps) {
        const made = view(next, { zones: apexes, topology: places });
        // The same array when it has not changed: else all that is kept would be dropped whatever is told.
        const same = JSON.stringify(made.topology) === JSON.stringify(long.authority.view.topology);
        const latest = same ? { ...made, topology: long.authority.view.topology } : made;
        long.publish(latest, told ? differing(before, next) : undefined);
        before = next;
        const fresh = startDesk();
        fresh.publish(latest);
        for (const name of [...NAMES, 'q.cell', 'q.sub.cell', 'b.cell', 'u.sub.cell']) {
          for (const type of [1, 2, 5, 16, 28, 33, 255]) {
            const query = dnsQuery(name, type);
            for (const from of ['192.0.2.9', '10.0.0.9']) {
              const [one, other] = [long.ask(query, from, true), fresh.ask(query, from, true)];
              // Serial numbers count the changes.
              const plain = (message: typeof one) => ({
                ...message,
                authority: message.authority.map(({ name, ttl }) => [name, ttl]),
              });
              expect(plain(one)).toEqual(plain(other));
            }
          }
        }
        expect(long.desk.book.size).toBe(fresh.desk.book.size);
        expect(long.desk.book.answers).toBe(fresh.desk.book.answers);
      }
    }),
    { numRuns: 100 },
  );
});
