/**
 * Bytes that nobody meant: mutated vectors and noise into every decoder. It answers with a value or a WireError, in bounded
 * time; what it reads it can write, and reads again as the same.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseAddress } from '../../sdk/wire/address.ts';
import { isQuery, queryCookie } from '../../sdk/wire/answer.ts';
import { WireError } from '../../sdk/wire/errors.ts';
import { parsePorts } from '../../sdk/wire/ports.ts';
import { signedPart } from '../../sdk/wire/signing.ts';
import { RegistrationParser } from '../../sdk/wire/stream.ts';
import { decodeCarrier, encodeCarrier } from '../support/codecs.ts';
import { type Carrier, vectors } from '../support/vectors.ts';

const seeds = vectors.filter(({ carrier }) => carrier !== 'lease-to-sign');
const BUDGET = 4_000;

interface Mutation {
  readonly kind: 'set' | 'flip' | 'cut' | 'repeat' | 'insert' | 'splice';
  readonly at: number;
  readonly value: number;
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom('set', 'flip', 'cut', 'repeat', 'insert', 'splice'),
  at: fc.nat(4000),
  value: fc.oneof(fc.constantFrom(0, 1, 4, 0x7f, 0x80, 0xff), fc.nat(255)),
});

function mutate(bytes: Uint8Array, mutations: readonly Mutation[], other: Uint8Array): Uint8Array {
  let list = Array.from(bytes);
  for (const { kind, at, value } of mutations) {
    const place = list.length === 0 ? 0 : at % list.length;
    if (kind === 'set') list[place] = value;
    else if (kind === 'flip') list[place] = (list[place] ?? 0) ^ (1 << (value & 7));
    else if (kind === 'cut') list.splice(place, value);
    else if (kind === 'insert') list.splice(place, 0, value);
    else if (kind === 'repeat') list = [...list.slice(0, place), ...list.slice(Math.max(0, place - value))];
    else list = [...list.slice(0, place), ...other.subarray(value % (other.length + 1))];
  }
  return Uint8Array.from(list.slice(0, 70_000));
}

/** Makes the header's length true again, so that the mutation reaches the elements. */
function mended(bytes: Uint8Array, base: number): Uint8Array {
  if (bytes.length < base + 12) return bytes;
  const length = Math.min(0xffff, bytes.length - base - 12);
  bytes.set([0x42, 0x56, 1], base);
  bytes.set([length >> 8, length & 255], base + 4);
  return bytes;
}

function tryAll(carrier: Carrier, bytes: Uint8Array): void {
  let value: unknown;
  try {
    value = decodeCarrier(carrier, bytes);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    expect(error.offset).toBeLessThanOrEqual(bytes.length);
    expect(error.sentence.length).toBeLessThan(2_000);
    return;
  }
  if (value === undefined) return;
  expect(decodeCarrier(carrier, encodeCarrier(carrier, value))).toEqual(value);
}

test('mutated vectors', () => {
  let reached = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...seeds),
      fc.constantFrom(...seeds),
      fc.array(mutation, { minLength: 1, maxLength: 6 }),
      fc.boolean(),
      ({ carrier, bytes }, other, mutations, mend) => {
        const mutant = mutate(bytes, mutations, other.bytes);
        const base = carrier === 'frame' ? 42 : 0;
        if (mend && carrier !== 'lease') mended(mutant, base);
        tryAll(carrier, mutant);
        reached += 1;
      },
    ),
    { numRuns: 12_000, interruptAfterTimeLimit: BUDGET },
  );
  expect(reached).toBeGreaterThan(500);
});

test('noise behind a true header', () => {
  const types = [...new Set(seeds.map(({ bytes, carrier }) => [carrier, bytes[3]!] as const))];
  fc.assert(
    fc.property(fc.constantFrom(...types), fc.uint8Array({ maxLength: 400 }), ([carrier, type], noise) => {
      const bytes = mended(Uint8Array.from([0x42, 0x56, 1, type, 0, 0, 0, 0, 0, 0, 0, 1, ...noise]), 0);
      tryAll(carrier === 'frame' || carrier === 'lease' ? 'anycast' : carrier, bytes);
      expect(bytes.length).toBe(12 + noise.length);
    }),
    { numRuns: 5_000, interruptAfterTimeLimit: BUDGET },
  );
});

test('the cheap look at a query never throws, and shows only what is there', () => {
  fc.assert(
    fc.property(fc.constantFrom(...seeds), fc.array(mutation, { maxLength: 4 }), ({ bytes }, mutations) => {
      const mutant = mutate(bytes, mutations, bytes);
      const cookie = queryCookie(mutant);
      expect(cookie === undefined || (isQuery(mutant) && cookie.length >= 8 && cookie.length <= 32)).toBe(
        true,
      );
    }),
    { numRuns: 4_000, interruptAfterTimeLimit: BUDGET },
  );
});

test('the signed part of anything is a part of it, or a WireError', () => {
  fc.assert(
    fc.property(fc.constantFrom(...seeds), fc.array(mutation, { maxLength: 4 }), ({ bytes }, mutations) => {
      const mutant = mutate(bytes, mutations, bytes);
      let length = 0;
      try {
        length = signedPart(mutant).length;
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
      }
      expect(length).toBeLessThanOrEqual(mutant.length);
    }),
    { numRuns: 3_000, interruptAfterTimeLimit: BUDGET },
  );
});

test('a stream of mutants, in pieces, ends or goes on and holds at most one message', () => {
  const registration = seeds.filter(({ carrier }) => carrier === 'registration');
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...registration), fc.array(mutation, { maxLength: 2 })), {
        maxLength: 8,
      }),
      fc.integer({ min: 1, max: 200 }),
      (parts, size) => {
        const stream = parts.flatMap(([{ bytes }, mutations]) => [...mutate(bytes, mutations, bytes)]);
        const parser = new RegistrationParser({ maxMessage: 4096 });
        let calls = 0;
        reading: for (let at = 0; at < stream.length; at += size) {
          parser.feed(Uint8Array.from(stream.slice(at, at + size)));
          for (;;) {
            calls += 1;
            try {
              if (parser.next() === undefined) break;
            } catch (error) {
              if (!(error instanceof WireError)) throw error;
              if (error.fatal) break reading;
            }
          }
          expect(parser.buffered).toBeLessThanOrEqual(4096);
        }
        expect(calls).toBeLessThanOrEqual(Math.ceil(stream.length / size) + stream.length / 12);
      },
    ),
    { numRuns: 1_500, interruptAfterTimeLimit: BUDGET },
  );
});

test('text from people: addresses and ports are read or not, never thrown over', () => {
  const odd = fc.string({ unit: fc.constantFrom(...'0123456789abcdefg.:-,* /%'), maxLength: 60 });
  fc.assert(
    fc.property(odd, text => {
      const address = parseAddress(text);
      if (address !== undefined) expect(parseAddress(address)).toBe(address);
      const ports = parsePorts(text);
      expect(ports === undefined || ports.every(({ first, last }) => first >= 1 && first <= last)).toBe(true);
    }),
    { numRuns: 5_000, interruptAfterTimeLimit: BUDGET },
  );
});
