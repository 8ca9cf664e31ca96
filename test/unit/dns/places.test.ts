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

test('for what is told of an address, in both families, the longest prefix that is told counts, and the scope is as long as it has to be', () => {
  const anyPrefix = fc
    .tuple(
      fc.boolean(),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
    )
    .map(([four, bytes, part]) => {
      // Few that differ much: most lie in one another, or side by side.
      const whole = Uint8Array.from(bytes.subarray(0, four ? 4 : 16), (byte, at) =>
        at < 2 ? byte & 0x81 : at < 4 ? byte : byte & 3,
      );
      return masked(whole, Math.round(part * whole.length * 8));
    });
  fc.assert(
    fc.property(
      fc.array(anyPrefix, { maxLength: 40 }),
      fc.array(fc.tuple(fc.nat(39), fc.nat(127), anyPrefix), { minLength: 20, maxLength: 20 }),
      (list, askers) => {
        const entries = list.map(({ bytes, bits }, index) => ({ bytes, bits, place: `p${index % 7}` }));
        const places = new Places(
          entries.map(({ bytes, bits, place }) => ({
            prefix: parsePrefix(`${addressFromBytes(bytes)}/${bits}`)!,
            place,
          })),
        );
        for (const [index, flipped, other] of askers) {
          // Anything, or a prefix that is there with one bit of it another.
          const near = list[index];
          const bytes = (near ?? other).bytes.slice();
          if (near !== undefined) bytes[(flipped >> 3) % bytes.length]! ^= 0x80 >> (flipped & 7);
          const asked = masked(
            bytes,
            near === undefined ? other.bits : Math.min(bytes.length * 8, near.bits + (flipped % 9)),
          );
          const alike = entries.filter(one => one.bytes.length === bytes.length);
          // As a trie has it: how far one comes from the root by what is told, and whether it goes on from there.
          let depth = 0;
          for (const one of alike)
            depth = Math.max(depth, Math.min(common(one.bytes, asked.bytes), one.bits, asked.bits));
          const further = alike.some(one => one.bits > depth && common(one.bytes, asked.bytes) >= depth);
          const holder = alike.filter(
            one => one.bits <= asked.bits && common(one.bytes, asked.bytes) >= one.bits,
          );
          const longest = Math.max(...holder.map(one => one.bits));
          const expected = holder.findLast(one => one.bits === longest)?.place ?? '';
          const data = Uint8Array.from([9, ...asked.bytes.subarray(0, (asked.bits + 7) >> 3), 0xff]);
          const found = places.find(data, 1, bytes.length === 4 ? 4 : 6, asked.bits);
          expect([places.keys[found], places.scope]).toEqual([expected, further ? depth + 1 : depth]);
        }
      },
    ),
    { numRuns: 300 },
  );
});

/** An address of which so many bits are told, the others 0. */
function masked(bytes: Uint8Array, bits: number): { readonly bytes: Uint8Array; readonly bits: number } {
  const left = bytes.map((byte, at) => byte & (0xff00 >> Math.max(0, Math.min(8, bits - 8 * at))));
  return { bytes: left, bits };
}

/** Bits at the beginning that are the same. */
function common(one: Uint8Array, other: Uint8Array): number {
  for (let bit = 0; bit < one.length * 8; bit++) {
    const mask = 0x80 >> (bit & 7);
    if (((one[bit >> 3]! ^ other[bit >> 3]!) & mask) !== 0) return bit;
  }
  return one.length * 8;
}

test('a source is looked up in its own family', () => {
  const places = new Places([
    { prefix: parsePrefix('10.1.0.0/16')!, place: 'four' },
    { prefix: parsePrefix('fd01::/32')!, place: 'six' },
  ]);
  const of = (...bytes: number[]): string =>
    places.keys[places.of(Uint8Array.from([...bytes, ...new Array(16 - bytes.length).fill(0)]), 0)]!;
  expect(of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 1, 2, 3)).toBe('four');
  expect(of(0xfd, 1)).toBe('six');
  expect(of(10, 1)).toBe('');
});

test('what is told too little of is in no place, wherever it is', () => {
  const addresses = Array.from({ length: 64 }, (_, index) => Uint8Array.of(index * 4, index, index * 3, 1));
  const places = new Places(
    addresses.map((bytes, index) => ({
      prefix: parsePrefix(`${addressFromBytes(bytes)}/32`)!,
      place: `p${index}`,
    })),
  );
  for (const [index, bytes] of addresses.entries())
    for (let bits = 0; bits <= 32; bits++)
      expect(places.keys[places.find(masked(bytes, bits).bytes, 0, 4, bits)]).toBe(
        bits < 32 ? '' : `p${index}`,
      );
});
