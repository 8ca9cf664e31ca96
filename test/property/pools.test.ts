import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parsePool, poolPrefixes } from '../../appliance/config/pools.ts';
import { fromInteger, toInteger } from '../../appliance/registry/pool.ts';

test('the prefixes of a range hold it exactly, in order, with no gap', () => {
  fc.assert(
    fc.property(
      fc.constantFrom<4 | 6>(4, 6),
      fc.bigInt(0n, 0xffff_ffffn),
      fc.bigInt(0n, 5000n),
      (family, first, more) => {
        const last = family === 4 && first + more > 0xffff_ffffn ? 0xffff_ffffn : first + more;
        let next = first;
        for (const prefix of poolPrefixes([{ family, first, last }], [])) {
          const range = parsePool(prefix);
          if (typeof range === 'string') throw new Error(range);
          expect(range.first).toBe(next);
          next = range.last + 1n;
        }
        expect(next).toBe(last + 1n);
      },
    ),
  );
});

test('an address is the same after it was an integer', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), text => {
      const range = parsePool(text);
      if (typeof range === 'string') throw new Error(range);
      expect(toInteger(fromInteger(range.first, range.family))).toBe(range.first);
    }),
  );
});
