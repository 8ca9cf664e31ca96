import { expect, test } from 'vitest';
import { QueryCache } from '../../../appliance/responder/query-cache.ts';
import { address } from '../../../sdk/wire/address.ts';
import { queryBytes } from './support.ts';

const vip = address('10.9.0.1');
const cache = (...known: readonly [Uint8Array, string][]): QueryCache<string> => {
  const made = new QueryCache<string>();
  for (const [bytes, value] of known) made.set(bytes, value);
  return made;
};

test('the same query with another nonce, another cookie and other padding bytes is the same', () => {
  const known = cache(
    [queryBytes({ vip, padding: 100 }), 'padded'],
    [queryBytes({ vip, cookie: new Uint8Array(8) }), 'with cookie'],
  );
  const again = queryBytes({ vip, padding: 100, nonce: new Uint8Array(8).fill(200) });
  again[again.length - 1] = 77;
  expect(known.get(again)).toBe('padded');
  expect(known.get(queryBytes({ vip, cookie: new Uint8Array(8).fill(9) }))).toBe('with cookie');
});

test.each([
  ['another VIP', queryBytes({ vip: address('10.9.0.2') })],
  ['another want', queryBytes({ vip, want: 1 })],
  ['another selector', queryBytes({ vip, selector: { protocol: 'http' } })],
  ['other padding', queryBytes({ vip, padding: 99 })],
  ['a cookie', queryBytes({ vip, cookie: new Uint8Array(8) })],
  ['a cut one', queryBytes({ vip }).subarray(0, 20)],
  ['nothing', new Uint8Array(0)],
])('%s is not', (_, other) => {
  expect(cache([queryBytes({ vip }), 'plain']).get(other)).toBeUndefined();
});

test('what differs behind the bytes that are hashed is told apart all the same', () => {
  const ports = (last: number) =>
    queryBytes({
      selector: {
        ports: Array.from({ length: 16 }, (_, index) => ({
          first: index * 10 + 1,
          last: index === 15 ? last : index * 10 + 2,
        })),
      },
    });
  const known = cache([ports(155), 'one']);
  expect(known.get(ports(155))).toBe('one');
  expect(known.get(ports(156))).toBeUndefined();
});

test('it does not grow without end', () => {
  const known = cache([queryBytes({ vip }), 'first']);
  for (let index = 0; index < 2000; index++)
    known.set(queryBytes({ vip: address(`10.8.${index >> 8}.${index & 255}`) }), 'flood');
  expect(known.get(queryBytes({ vip }))).toBeUndefined();
});
