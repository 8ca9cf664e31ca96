/** Answers in parts, from templates, signed; and the keys of queries. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Address } from '../../../sdk/wire/address.ts';
import {
  type Answer,
  answerTemplate,
  encodeQueryRefusal,
  isQuery,
  LEAST_QUERY,
  nonceOf,
  padQuery,
  type Query,
  queryCookie,
  splitAnswer,
} from '../../../sdk/wire/answer.ts';
import { decodeAnycast, encodeAnycast, NONCE_AT, SOLICIT_SIZE } from '../../../sdk/wire/anycast.ts';
import type { AnsweredServer, ManagerId } from '../../../sdk/wire/model.ts';
import { appendSignature, SIGNATURE_SIZE, signedPart } from '../../../sdk/wire/signing.ts';
import { query as anyQuery } from '../../support/arbitraries.ts';
import { vectors } from '../../support/vectors.ts';

const vector = (name: string) => vectors.find(candidate => candidate.name === name)!.bytes;
const service = (id: number) => ({
  name: `service-${id}.example`,
  protocol: 'http',
  transport: 'tcp' as const,
  ports: [{ first: id, last: id }],
  score: 1000 - id,
});
const server = (id: number, services = 1): AnsweredServer => ({
  address: `10.1.${id >> 8}.${id & 255}` as Address,
  score: 1000 - id,
  services: Array.from({ length: services }, (_, index) => service(index + 1)),
});
const answer = (servers: readonly AnsweredServer[]): Answer => ({
  type: 'answer',
  nonce: new Uint8Array(8).fill(7),
  manager: 'ab'.repeat(32) as ManagerId,
  part: 1,
  parts: 1,
  validity: 5000,
  servers,
});

/** The servers of all parts put together by address, as a client does. */
function joined(parts: readonly Answer[]): AnsweredServer[] {
  const byAddress = new Map<Address, AnsweredServer>();
  for (const part of parts) {
    for (const found of part.servers) {
      const before = byAddress.get(found.address);
      byAddress.set(found.address, { ...found, services: [...(before?.services ?? []), ...found.services] });
    }
  }
  return [...byAddress.values()];
}

describe('splitting', () => {
  test('what fits stays one part', () => {
    expect(splitAnswer(answer([server(1)]), 1232)).toEqual([answer([server(1)])]);
    expect(splitAnswer(answer([]), 1232)).toEqual([answer([])]);
  });

  test.each([
    [100, 1, 1232],
    [3, 100, 1232],
    [40, 7, 300],
    [1, 256, 65_000],
    [2, 300, 65_000],
  ])('%i servers of %i services in parts of %i bytes', (servers, services, maxBytes) => {
    const all = Array.from({ length: servers }, (_, index) => server(index + 1, services));
    for (const signed of [false, true]) {
      const parts = splitAnswer(answer(all), maxBytes, signed);
      for (const [index, part] of parts.entries()) {
        expect(part).toMatchObject({ part: index + 1, parts: parts.length });
        const size = encodeAnycast(part).length + (signed ? SIGNATURE_SIZE : 0);
        expect(size).toBeLessThanOrEqual(maxBytes);
        expect(part.servers.length).toBeGreaterThan(0);
      }
      expect(joined(parts)).toEqual(all);
    }
  });

  test('the worst are left out, and counted, when there would be too many parts', () => {
    const all = Array.from({ length: 100 }, (_, index) => server(index + 1));
    const parts = splitAnswer(answer(all), 300, false, 3);
    expect(parts).toHaveLength(3);
    const told = joined(parts);
    expect(told).toEqual(all.slice(0, told.length));
    expect(parts.map(part => part.omitted)).toEqual([1, 1, 1].map(() => 100 - told.length));
    for (let maxBytes = 250; maxBytes < 350; maxBytes++)
      for (const part of splitAnswer(answer(all), maxBytes, false, 3))
        expect(encodeAnycast(part).length).toBeLessThanOrEqual(maxBytes);
  });

  test('parts are filled before the next one is begun', () => {
    const all = [server(1), server(2, 200), server(3, 100)];
    const sizes = splitAnswer(answer(all), 1232).map(part => encodeAnycast(part).length);
    expect(sizes.length).toBeGreaterThan(10);
    for (const size of sizes.slice(0, -1)) expect(size).toBeGreaterThan(1232 - 130);
  });

  test('an answer that no message holds is refused, not cut', () => {
    const all = Array.from({ length: 1000 }, (_, index) => server(index + 1, 2));
    expect(() => encodeAnycast(answer(all))).toThrow(/65535 bytes; send it in several/);
  });

  test('a part too small for a single service is refused', () =>
    expect(() => splitAnswer(answer([server(1)]), 120)).toThrow(/a part has/));

  test('any answer in any size', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 40 });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 200, max: 2000 }), (services, maxBytes) => {
        const all = services.map((count, index) => server(index + 1, count));
        const parts = splitAnswer(answer(all), maxBytes, false, 1024);
        expect(joined(parts)).toEqual(all);
        for (const part of parts) expect(encodeAnycast(part).length).toBeLessThanOrEqual(maxBytes);
      }),
      { numRuns: 60 },
    );
  });
});

test('a template is the answer, but for its nonce', () => {
  const full = answer([server(1)]);
  const template = answerTemplate(full);
  expect(nonceOf(template)).toEqual(new Uint8Array(8));
  template.set(full.nonce, NONCE_AT);
  expect(template).toEqual(encodeAnycast(full));
});

describe('a look at a query', () => {
  test('shows its cookie', () => {
    fc.assert(
      fc.property(anyQuery, query => {
        const bytes = encodeAnycast(query as Query);
        expect(isQuery(bytes)).toBe(true);
        expect(queryCookie(bytes)).toEqual((query as Query).cookie);
      }),
    );
  });

  test.each([
    ['an answer', vector('answer')],
    ['nothing', new Uint8Array(0)],
    ['a cookie message', vector('cookie')],
    ['another magic', vector('query-address').map((byte, index) => (index === 0 ? 0xc2 : byte))],
  ])('%s is no query', (_case, bytes) => {
    expect(isQuery(bytes)).toBe(false);
    expect(queryCookie(bytes)).toBeUndefined();
  });

  test.each([7, 33, 200, 65_535])('a cookie of %i bytes is none', length => {
    const bytes = Uint8Array.from(vector('query-proved-signed'));
    bytes.set([length >> 8, length & 255], 26);
    expect(queryCookie(bytes)).toBeUndefined();
  });
});

describe('sizes that keep a forged source from gaining', () => {
  test('a query is padded to what is asked', () => {
    const bare = decodeAnycast(vector('query-everything')) as Query;
    for (const size of [10, 24, 25, 28, 29, 30, LEAST_QUERY, 512]) {
      const length = encodeAnycast(padQuery(bare, size)).length;
      expect(length).toBeGreaterThanOrEqual(size);
      expect(length).toBeLessThanOrEqual(Math.max(size, 24) + 4);
    }
  });

  test('the longest cookie fits the shortest query', () => {
    const cookie = { type: 'cookie', nonce: new Uint8Array(8), cookie: new Uint8Array(32) } as const;
    expect(encodeAnycast(cookie).length).toBeLessThanOrEqual(LEAST_QUERY);
  });

  test('the longest invitation fits the shortest solicitation', () => {
    const nonce = new Uint8Array(8);
    const solicit = encodeAnycast({ type: 'solicit', nonce, versions: [1, 1] });
    expect(solicit.length).toBe(SOLICIT_SIZE);
    const invite = encodeAnycast({
      type: 'invite',
      nonce,
      manager: 'ab'.repeat(32) as ManagerId,
      name: 'n'.repeat(63),
      address: 'fd00::1' as Address,
      port: 9746,
      tls: true,
    });
    expect(invite.length).toBeLessThanOrEqual(SOLICIT_SIZE);
  });

  test('a refusal loses its sentence, then itself, rather than outgrow the query', () => {
    const nonce = new Uint8Array(8);
    const sizeWithin = (most: number) => encodeQueryRefusal(nonce, 'limit', 'x'.repeat(50), most)?.length;
    expect([100, 50, 30, 29].map(sizeWithin)).toEqual([84, 30, 30, undefined]);
  });
});

test('a signature can be put on only once the bytes are as it covers them', () => {
  const unsigned = encodeAnycast(answer([server(1)]));
  const part = signedPart(unsigned);
  const signed = appendSignature(unsigned, new Uint8Array(64).fill(9));
  expect(signedPart(signed)).toEqual(part);
  expect(appendSignature(part, new Uint8Array(64).fill(9))).toEqual(signed);
  expect(decodeAnycast(signed)).toEqual({ ...answer([server(1)]), signature: new Uint8Array(64).fill(9) });
  expect(() => appendSignature(unsigned, new Uint8Array(63))).toThrow(/64 bytes/);
});
