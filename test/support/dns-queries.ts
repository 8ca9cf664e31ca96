/** Queries as they may come, from well made to noise. */
import fc from 'fast-check';
import { dnsQuery, subnetOption } from './dns.ts';
import { signed } from './tsig.ts';

/** Of the zone `cell`, and others. */
export const ASKED_NAMES = [
  'www.cell',
  'WWW.cell',
  '_sip._udp.cell',
  'b.deep.cell',
  'deep.cell',
  'alias.cell',
  'many.cell',
  'cell',
  '',
  'x.cell',
  'a.b.c.d.test',
];

const cookie = fc.uint8Array({ minLength: 8, maxLength: 8 });
const option = fc.oneof(
  fc.constantFrom(subnetOption('10.1.0.0', 16), subnetOption('fd01::', 48), [3, new Uint8Array(0)] as const),
  cookie.map(data => [10, data] as const),
  fc.tuple(fc.constantFrom(3, 8, 10, 12, 100), fc.uint8Array({ maxLength: 48 })),
);
/** As it should be. */
const good = fc
  .record({
    name: fc.constantFrom(...ASKED_NAMES),
    type: fc.oneof(fc.constantFrom(1, 2, 5, 6, 16, 28, 33, 251, 252, 255), fc.nat(0xffff)),
    flags: fc.constantFrom(0, 0x0100, 0x0100, 0x2800, 0x2000, 0x8000),
    edns: fc.option(
      fc.record({
        size: fc.constantFrom(0, 512, 1232, 4096, 65535),
        version: fc.constantFrom(0, 0, 0, 1),
        flags: fc.constantFrom(0, 0x8000, 0xffff),
        options: fc.array(option, { maxLength: 3 }),
      }),
      { nil: undefined },
    ),
  })
  .chain(({ name, type, flags, edns }) => {
    const bytes = dnsQuery(name, type, { flags, edns });
    // Not all are signed as they should be: the key is one that is not known, or its name is.
    return fc
      .tuple(fc.integer({ min: 0, max: 7 }), fc.uint8Array({ maxLength: 40 }))
      .map(([choice, mac]) =>
        choice === 0 ? signed(bytes, { mac }).bytes : choice === 1 ? signed(bytes).bytes : bytes,
      );
  });

/** Good bytes with some of them changed, cut or followed by others; as they are; or noise. */
export const anyQuery: fc.Arbitrary<Uint8Array> = fc.oneof(
  { arbitrary: good, weight: 3 },
  { arbitrary: fc.uint8Array({ maxLength: 600 }), weight: 1 },
  {
    arbitrary: fc
      .tuple(
        good,
        fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 4 }),
        fc.option(fc.nat(120), { nil: undefined }),
        fc.uint8Array({ maxLength: 40 }),
      )
      .map(([bytes, changes, cut, more]) => {
        const changed = Uint8Array.from([...bytes, ...more]);
        for (const [at, value] of changes) if (at < changed.length) changed[at] = value;
        return changed.subarray(0, cut ?? changed.length);
      }),
    weight: 3,
  },
);
