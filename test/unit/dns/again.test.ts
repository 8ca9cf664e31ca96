import { describe, expect, test } from 'vitest';
import { Again } from '../../../appliance/dns/again.ts';

/** A query of any length from 12 bytes on that is told from others by a number. */
function query(number: number, length = 40): Uint8Array {
  const bytes = new Uint8Array(length).fill(7);
  new DataView(bytes.buffer).setUint32(2 + (number % (length - 6)), number);
  return bytes;
}
const reply = (number: number, length = 60): Uint8Array => query(number, length).fill(number & 255, 8);

const keep = (again: Again, bytes: Uint8Array, answer: Uint8Array, place = 0): void =>
  again.keep(bytes, 0, bytes.length, place, answer, 0, answer.length, 5, 2);
const find = (again: Again, bytes: Uint8Array, place = 0): number =>
  again.find(bytes, 0, bytes.length, place);
/** Asks so often that it is kept. */
function ask(again: Again, bytes: Uint8Array, answer: Uint8Array, place = 0): void {
  for (let time = 0; time < 2; time++) if (find(again, bytes, place) === 0) keep(again, bytes, answer, place);
}
function found(again: Again, bytes: Uint8Array, place = 0): Uint8Array | undefined {
  const at = find(again, bytes, place);
  if (at === 0) return undefined;
  const output = new Uint8Array(1100).fill(9);
  const length = again.copy(at, bytes, 0, output, 3);
  // Nothing before it, nothing behind it.
  expect([...output.subarray(0, 3), ...output.subarray(3 + length, 7 + length)]).toEqual([
    9, 9, 9, 9, 9, 9, 9,
  ]);
  return output.slice(3, 3 + length);
}
const withId = (answer: Uint8Array, bytes: Uint8Array): Uint8Array =>
  Uint8Array.from([bytes[0]!, bytes[1]!, ...answer.subarray(2)]);

describe('replies that are given again', () => {
  test('are kept when the query has come twice, and told with its ID, kind and outcome', () => {
    const again = new Again();
    const bytes = query(1);
    expect(find(again, bytes)).toBe(0);
    keep(again, bytes, reply(1));
    expect(find(again, bytes)).toBe(0);
    keep(again, bytes, reply(1));
    bytes.set([0xab, 0xcd]);
    expect(found(again, bytes)).toEqual(withId(reply(1), bytes));
    const at = find(again, bytes);
    expect([again.kind(at), again.outcome(at)]).toEqual([5, 2]);
  });

  test.each([12, 13, 14, 15, 16, 57, 1024])('of queries and replies of %d bytes', length => {
    const again = new Again();
    const answer = reply(3, length);
    ask(again, query(2, length), answer);
    expect(found(again, query(2, length))).toEqual(withId(answer, query(2, length)));
    // Each byte counts.
    for (let index = 2; index < length; index++) {
      const other = query(2, length);
      other[index]! ^= 1;
      if (find(again, other) !== 0) throw new Error(`byte ${index} does not count`);
    }
  });

  test.each([
    ['a query without a header', 11, 60],
    ['a long query', 1025, 60],
    ['a long reply', 40, 1025],
  ])('%s is not kept', (_what, length, size) => {
    const again = new Again();
    ask(again, query(1, length), reply(1, size));
    expect(find(again, query(1, length))).toBe(0);
  });

  test('are of one place', () => {
    const again = new Again();
    for (const place of [0, 1]) ask(again, query(1), reply(place), place);
    for (const place of [0, 1]) expect(found(again, query(1), place)).toEqual(withId(reply(place), query(1)));
    expect(find(again, query(1), 2)).toBe(0);
  });

  test('are forgotten', () => {
    const again = new Again();
    ask(again, query(1), reply(1));
    again.forget();
    expect(find(again, query(1))).toBe(0);
    ask(again, query(1), reply(2));
    expect(found(again, query(1))).toEqual(withId(reply(2), query(1)));
  });

  // Found by trial: where the hash is another, others have to be found.
  test.each([
    [286121389, 1735662663],
    [1811407898, 1817101659],
    [1125527470, 1882781845],
  ])('are those of this very query, whatever has the same hash: %d and %d', (one, other) => {
    const again = new Again();
    const [first, second] = [query(one, 16), query(other, 16)];
    const hashes = [first, second].map(bytes => {
      find(again, bytes);
      return (again as unknown as { readonly hash: number }).hash;
    });
    expect(hashes[0]).toBe(hashes[1]);
    ask(again, first, reply(1));
    expect(find(again, second)).toBe(0);
    ask(again, second, reply(2));
    expect([found(again, first), found(again, second)]).toEqual([
      withId(reply(1), first),
      withId(reply(2), second),
    ]);
  });

  test('go when there is no more room, and are right as long as they are there', () => {
    const again = new Again();
    const output = new Uint8Array(1100);
    let wrong = 0;
    let gone = 0;
    for (let number = 0; number < 9000; number++) {
      ask(again, query(number), reply(number, 12 + (number % 500)));
      const earlier = number - (number % 40);
      const bytes = query(earlier);
      const at = find(again, bytes);
      if (at === 0) gone++;
      else {
        const length = again.copy(at, bytes, 0, output, 0);
        const answer = withId(reply(earlier, 12 + (earlier % 500)), bytes);
        if (Buffer.compare(output.subarray(0, length), answer) !== 0) wrong++;
      }
    }
    expect(wrong).toBe(0);
    expect(gone).toBeGreaterThan(0);
    expect(gone).toBeLessThan(900);
  });
});
