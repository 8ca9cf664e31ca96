/** Whatever managers announce, and in whatever order: no more is kept than there is room for, and nobody's share is another's. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { roomOf } from '../../appliance/notices/shares.ts';

test('nothing beyond the limit is kept, and each manager gets its share at any time', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 1, max: 500 }),
      fc.array(fc.record({ peer: fc.nat({ max: 7 }), wants: fc.integer({ min: -50, max: 200 }) })),
      (peers, bindings, steps) => {
        const sizes = new Map<number, number>();
        for (const { peer, wants } of steps) {
          if (peer >= peers) continue;
          const own = sizes.get(peer) ?? 0;
          const others = [...sizes].filter(([one]) => one !== peer).map(([, size]) => size);
          const room = roomOf({ peers, bindings }, own, others);
          expect(own + room).toBeGreaterThanOrEqual(Math.floor(bindings / (2 * peers)));
          sizes.set(peer, Math.max(0, own + Math.min(wants, room)));
          expect([...sizes.values()].reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(bindings);
        }
      },
    ),
  );
});
