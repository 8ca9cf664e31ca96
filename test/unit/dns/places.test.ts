import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Places } from '../../../appliance/dns/places.ts';
import { type Address, addressFromBytes, parsePrefix, prefixHolds } from '../../../sdk/wire/address.ts';

const prefixArbitrary = fc
  .tuple(fc.integer({ min: 0, max: 12 }), fc.uint8Array({ minLength: 2, maxLength: 2 }))
  .map(([length, [high, low]]) => parsePrefix(`${high}.${low! & 0xf0}.0.0/${length}`)!);

const topology = fc
  .uniqueArray(prefixArbitrary, { maxLength: 12 })
  .map(list => list.map((prefix, index) => ({ prefix, place: `p${index}` })));

const slow = (entries: readonly { prefix: string; place: string }[], address: Address): string =>
  entries
    .filter(({ prefix }) => prefixHolds(prefix as never, address))
    .sort((one, other) => Number(other.prefix.split('/')[1]) - Number(one.prefix.split('/')[1]))[0]?.place ??
  '';

test('the longest prefix counts, and all addresses within the scope are in the same place', () => {
  fc.assert(
    fc.property(
      topology,
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      (entries, bytes, other) => {
        const places = new Places(entries);
        const found = places.keys[places.find(bytes, 0, 4, 32)];
        const { scope } = places;
        expect(found).toBe(slow(entries, addressFromBytes(bytes)!));
        // Any other address that begins like this one.
        const near = other.slice();
        for (let bit = 0; bit < scope; bit++) {
          const mask = 0x80 >> (bit & 7);
          near[bit >> 3] = (near[bit >> 3]! & ~mask) | (bytes[bit >> 3]! & mask);
        }
        expect(places.keys[places.find(near, 0, 4, 32)]).toBe(found);
      },
    ),
  );
});

test('of a source that is not told in whole, only what is told counts', () => {
  const places = new Places([
    { prefix: parsePrefix('10.0.0.0/8')!, place: 'wide' },
    { prefix: parsePrefix('10.1.0.0/16')!, place: 'narrow' },
  ]);
  expect([places.keys[places.find(Uint8Array.of(10, 1), 0, 4, 12)], places.scope]).toEqual(['wide', 13]);
  expect([places.keys[places.find(Uint8Array.of(10, 1), 0, 4, 16)], places.scope]).toEqual(['narrow', 16]);
});

test('the families are apart', () => {
  const places = new Places([
    { prefix: parsePrefix('0.0.0.0/0')!, place: 'four' },
    { prefix: parsePrefix('::/0')!, place: 'six' },
  ]);
  expect(places.keys[places.find(new Uint8Array(16), 0, 4, 32)]).toBe('four');
  expect(places.keys[places.find(new Uint8Array(16), 0, 6, 128)]).toBe('six');
});
