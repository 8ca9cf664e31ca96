/** What an unproven source gets: less than twice the bytes that it sent, whatever it asks; and still, at once, what resolvers ask for all day. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeDns, dnsQuery, subnetOption } from '../support/dns.ts';
import { startDesk, view, zone } from '../unit/dns/support.ts';

const label = fc.string({
  unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789-'),
  minLength: 1,
  maxLength: 63,
});
/** As a zone of the role is (gslb-role.ts). */
const zoneOf = (apex: string) => zone(apex, { nameServers: [`ns1.${apex}`], mailbox: `noc.${apex}` });
const apexes = fc
  .array(label, { minLength: 1, maxLength: 3 })
  .map(labels => labels.join('.'))
  .filter(apex => apex.length < 120);

const many = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `A 10.0.1.${index}`);

/** A zone with something of every kind. */
const contents = (apex: string) => ({
  [`ns1.${apex}`]: ['A 10.0.0.53', 'AAAA fd00::53'],
  [`one.${apex}`]: ['A 10.0.0.1', 'AAAA fd00::1'],
  [`four.${apex}`]: many(4),
  [`many.${apex}`]: many(100),
  [`v4.${apex}`]: ['A 10.0.0.1'],
  [`text.${apex}`]: ['TXT words', `TXT ${'x'.repeat(200)}`],
  [`alias.${apex}`]: [`CNAME one.${apex}`],
  [`dead.${apex}`]: [`CNAME nobody.${apex}`],
  [`away.${apex}`]: ['CNAME a.long.name.that.is.elsewhere.test'],
  [`near.${apex}`]: ['A 10.0.0.1', 'east: A 10.1.1.1'],
  [`_sip._udp.${apex}`]: [`SRV 0 10 5060 one.${apex}`, `SRV 0 10 5061 v4.${apex}`],
  [`deep.er.${apex}`]: ['A 10.0.0.1'],
});
const WHO = ['', 'ns1', 'one', 'four', 'many', 'v4', 'text', 'alias', 'dead', 'away', 'near'];
const NAMES = [...WHO, '_sip._udp', '_udp', 'er', 'x', 'y.one', 'a-name-that-nobody-has'];
const TYPES = [1, 2, 5, 6, 12, 15, 16, 28, 33, 41, 48, 65, 99, 250, 251, 252, 253, 254, 255];

const option = fc.constantFrom(
  [3, new Uint8Array(0)] as const,
  [10, new Uint8Array(8).fill(1)] as const,
  [10, new Uint8Array(24).fill(1)] as const,
  subnetOption('10.1.0.0', 16),
  subnetOption('fd01::', 48),
  [12, new Uint8Array(30)] as const,
);
const edns = fc.option(
  fc.record({
    size: fc.constantFrom(512, 1232, 4096, 65535),
    version: fc.constantFrom(0, 0, 0, 1),
    flags: fc.constantFrom(0, 0x8000),
    options: fc.uniqueArray(option, { selector: ([code]) => code, maxLength: 4 }),
  }),
  { nil: undefined },
);

test('less than twice what it sent, in bytes of messages, for every kind of query', () => {
  const kinds = new Map<string, number>();
  fc.assert(
    fc.property(
      apexes,
      fc.array(
        fc.record({
          who: fc.constantFrom(...NAMES, 'elsewhere'),
          type: fc.constantFrom(...TYPES),
          flags: fc.constantFrom(0x0100, 0, 0x0800, 0x2000, 0x2800, 0x7800),
          qclass: fc.constantFrom(1, 1, 1, 1, 3, 255),
          from: fc.constantFrom('192.0.2.1', '10.1.0.1', 'fd01::1', '2001:db8::1'),
          edns,
          limited: fc.boolean(),
        }),
        { minLength: 20, maxLength: 60 },
      ),
      (apex, queries) => {
        const nsid = new Uint8Array(64).fill(65);
        const desks = [0, 1].map(rate => startDesk({ nsid, limits: { rate, slip: 1 } }));
        for (const { publish } of desks)
          publish(
            view(contents(apex), {
              zones: [zoneOf(apex)],
              topology: { '10.1.0.0/16': 'east', 'fd01::/32': 'east' },
            }),
          );
        for (const { who, type, limited, from, ...fields } of queries) {
          const name = who === 'elsewhere' ? 'elsewhere.test' : who === '' ? apex : `${who}.${apex}`;
          const bytes = dnsQuery(name, type, fields);
          const answer = desks[limited ? 1 : 0]!.raw(bytes, from)!;
          expect(answer.length).toBeLessThan(2 * bytes.length);
          const { rcode, flags } = decodeDns(answer);
          const kind = `rcode ${rcode}${flags.tc ? ' cut' : ''}`;
          kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
        }
      },
    ),
    { numRuns: 300 },
  );
  // A bound that cuts everything, or nothing, would be none.
  expect([...kinds.keys()]).toEqual(
    expect.arrayContaining(['rcode 0', 'rcode 0 cut', 'rcode 3', 'rcode 3 cut', 'rcode 5', 'rcode 23']),
  );
});

/** A query as resolvers send it: with EDNS, and with a cookie or without (RFC 7873's is BIND's default, Unbound sends none). */
const asked = (name: string, type: number, cookie: boolean, subnet: boolean) =>
  dnsQuery(name, type, {
    edns: {
      size: 1232,
      flags: 0x8000,
      options: [
        ...(cookie ? [[10, new Uint8Array(8).fill(1)] as const] : []),
        ...(subnet ? [subnetOption('10.1.2.0', 24)] : []),
      ],
    },
  });
const ways = fc.tuple(fc.boolean(), fc.boolean());

describe('in one round trip, with the first query', () => {
  test('A and AAAA of a service, wherever its name has 4 letters', () => {
    fc.assert(
      fc.property(label, apexes, ways, (host, apex, [cookie, subnet]) => {
        const name = `${host}.${apex}`;
        fc.pre(name.length >= 4 && name.length < 250 && host !== 'ns1');
        const { ask, publish } = startDesk();
        publish(view({ [name]: ['A 10.0.0.1', 'AAAA fd00::1'] }, { zones: [zoneOf(apex)] }));
        for (const type of [1, 28]) {
          const message = ask(asked(name, type, cookie, subnet));
          expect([message.rcode, message.flags.tc, message.answer.length]).toEqual([0, false, 1]);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('SRV at the service, and at its domain if its own label has at most 10 letters', () => {
    fc.assert(
      fc.property(label, apexes, ways, (host, apex, [cookie, subnet]) => {
        const name = `${host}.${apex}`;
        fc.pre(name.length < 200 && host !== 'ns1');
        const at = [`_sip._udp.${name}`, ...(host.length <= 10 ? [`_sip._udp.${apex}`] : [])];
        const { ask, publish } = startDesk();
        publish(
          view(
            {
              [name]: ['A 10.0.0.1'],
              ...Object.fromEntries(at.map(owner => [owner, [`SRV 0 10 5060 ${name}`]])),
            },
            { zones: [zoneOf(apex)] },
          ),
        );
        for (const owner of at) {
          const message = ask(asked(owner, 33, cookie, subnet));
          expect([message.rcode, message.flags.tc, message.answer.length]).toEqual([0, false, 1]);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('that a name is not there, or has no AAAA, with the SOA: names of 16 letters without a cookie', () => {
    fc.assert(
      fc.property(label, apexes, (host, apex) => {
        const name = `${host}.${apex}`;
        fc.pre(name.length >= 16 && name.length < 200 && host !== 'ns1');
        const { ask, publish } = startDesk();
        publish(view({ [name]: ['A 10.0.0.1'] }, { zones: [zoneOf(apex)] }));
        const none = ask(asked(name, 28, false, false));
        expect([none.rcode, none.flags.tc, none.authority.length]).toEqual([0, false, 1]);
        const missing = ask(asked(`x${name}`, 1, false, false));
        expect([missing.rcode, missing.flags.tc, missing.authority.length]).toEqual([3, false, 1]);
      }),
      { numRuns: 300 },
    );
  });
});
