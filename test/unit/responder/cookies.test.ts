import { expect, test } from 'vitest';
import { Cookies, SECRET_LIFE } from '../../../appliance/responder/cookies.ts';
import { address } from '../../../sdk/wire/address.ts';
import { seededRandom, VirtualClock } from '../../support/virtual.ts';

const source = address('10.0.0.7');

test('a cookie is good for its own address alone', () => {
  const cookies = new Cookies(new VirtualClock(), seededRandom(1));
  const cookie = cookies.issue(source);
  expect(cookies.valid(cookie, source)).toBe(true);
  expect(cookies.valid(cookie, address('10.0.0.8'))).toBe(false);
  expect(cookies.valid(cookie, address('::ffff:10.0.0.7'))).toBe(false);
  expect(cookies.valid(cookie.slice(0, 7), source)).toBe(false);
  expect(cookies.valid(new Uint8Array(8), source)).toBe(false);
  expect(cookies.valid(new Uint8Array(0), source)).toBe(false);
});

test('it holds for one life of the secret at least and two at most', () => {
  const clock = new VirtualClock();
  const cookies = new Cookies(clock, seededRandom(1));
  clock.advanceSync(SECRET_LIFE - 1);
  const cookie = cookies.issue(source);
  clock.advanceSync(SECRET_LIFE);
  expect(cookies.valid(cookie, source)).toBe(true);
  expect(cookies.issue(source)).not.toEqual(cookie);
  clock.advanceSync(SECRET_LIFE);
  expect(cookies.valid(cookie, source)).toBe(false);
});

test('after a long silence neither secret is one that was used before', () => {
  const clock = new VirtualClock();
  const cookies = new Cookies(clock, seededRandom(1));
  const cookie = cookies.issue(source);
  clock.advanceSync(SECRET_LIFE * 5);
  expect(cookies.valid(cookie, source)).toBe(false);
});

test("another manager's cookie is not good here", () => {
  const clock = new VirtualClock();
  const cookie = new Cookies(clock, seededRandom(1)).issue(source);
  expect(new Cookies(clock, seededRandom(2)).valid(cookie, source)).toBe(false);
});
