/** Whatever ospfd's port says, the reader gives messages or RangeError, and keeps no more than one message. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ApiReader } from '../../appliance/flooding/ospf-api.ts';

const LSA = '0002400bbb93a1420100000180000001e756001842560131';
const SEEDS = [
  '010a00040000000100000000',
  `010c002400000000000000000000000000000000${LSA}`,
  `010d002400000000000000000000000001000000${LSA}`,
  '01120010000000000002000101000001020000020300000' + '3',
].map(text => [...Buffer.from(text, 'hex')]);

const mutated = fc
  .tuple(
    fc.array(fc.constantFrom(...SEEDS), { minLength: 1, maxLength: 4 }).map(seeds => seeds.flat()),
    fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 6 }),
    fc.nat(200),
  )
  .map(([bytes, changes, cut]) => {
    for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
    return Uint8Array.from(cut < bytes.length && cut % 3 === 0 ? bytes.slice(0, cut) : bytes);
  });

const read = (pieces: readonly Uint8Array[]): unknown[] | 'refused' => {
  const reader = new ApiReader();
  try {
    return pieces.flatMap(piece => reader.push(piece));
  } catch (error) {
    expect(error).toBeInstanceOf(RangeError);
    return 'refused';
  }
};

test('any bytes', () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), mutated), bytes => {
      expect(read([bytes])).toBeDefined();
    }),
    { numRuns: 20_000 },
  );
});

test('any pieces of what is right', () => {
  const whole = Uint8Array.from(SEEDS.flat());
  const wanted = read([whole]);
  fc.assert(
    fc.property(fc.array(fc.nat(whole.length), { maxLength: 8 }), cuts => {
      const at = [0, ...cuts.sort((one, other) => one - other), whole.length];
      const pieces = at.slice(1).map((end, index) => whole.slice(at[index], end));
      expect(read(pieces)).toEqual(wanted);
    }),
    { numRuns: 2000 },
  );
});
