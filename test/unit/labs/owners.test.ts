/** Who advertised a VIP, and how long nobody did, or two: out of what appliances' kernels said. */
import { describe, expect, test } from 'vitest';
import { type Change, changesOf, ownershipOf } from '../../../labs/roaming/owners.ts';

const VIP = '10.255.1.7';
const change = (at: number, appliance: string, there: boolean, vip = VIP): Change => ({
  at,
  vip,
  appliance,
  there,
});
const of = (changes: readonly Change[], end: number) => ownershipOf(changes, end)[0];

test('addresses of loopback are changes; those of other interfaces, and of other networks, are not', () => {
  const happened = [
    '1: lo    inet 10.255.1.7/32 metric 98 scope global lo\\       valid_lft forever preferred_lft forever',
    'Deleted 1: lo    inet 10.255.1.7/32 metric 98 scope global lo\\       valid_lft forever',
    '1: lo    inet 10.254.0.11/32 scope global lo',
    '3: eth2    inet 10.255.1.7/32 scope global eth2',
    '3: eth2    inet6 fe80::1/64 scope link',
  ].map((text, at) => ({ at, text }));
  expect(changesOf('a', happened, vip => vip.startsWith('10.255.'))).toEqual([
    change(0, 'a', true),
    change(1, 'a', false),
  ]);
});

describe('ownership', () => {
  test('make before break: two owners for a while, never none', () => {
    const changes = [change(100, 'a', true), change(200, 'b', true), change(230, 'a', false)];
    expect(of(changes, 1000)).toEqual({
      vip: VIP,
      owners: ['b'],
      moves: 1,
      longestNone: 0,
      longestMany: 30,
    });
  });

  test('break before make: none for a while; the time before the first owner does not count', () => {
    const changes = [change(100, 'a', true), change(200, 'a', false), change(260, 'b', true)];
    expect(of(changes, 1000)).toMatchObject({ owners: ['b'], moves: 1, longestNone: 60, longestMany: 0 });
  });

  test('what has not ended by the end counts until then', () => {
    expect(of([change(100, 'a', true), change(200, 'a', false)], 1000)).toMatchObject({
      owners: [],
      longestNone: 800,
    });
    expect(of([change(100, 'a', true), change(200, 'b', true)], 1000)).toMatchObject({
      owners: ['a', 'b'],
      longestMany: 800,
    });
  });

  test('a third owner does not make it another time; changes come in any order; the same word twice is one', () => {
    const changes = [
      change(400, 'a', false),
      change(300, 'c', true),
      change(200, 'b', true),
      change(350, 'c', false),
      change(100, 'a', true),
      change(120, 'a', true),
    ];
    expect(of(changes, 1000)).toMatchObject({ owners: ['b'], moves: 2, longestNone: 0, longestMany: 200 });
  });

  test('what was before it is looked at does not count', () => {
    const changes = [change(100, 'a', true), change(200, 'a', false), change(500, 'b', true)];
    expect(ownershipOf(changes, 1000)[0]!.longestNone).toBe(300);
    expect(ownershipOf(changes, 1000, 450)[0]!.longestNone).toBe(50);
    expect(ownershipOf(changes, 1000, 600)[0]!.longestNone).toBe(0);
  });

  test('each VIP by itself', () => {
    const two = ownershipOf([change(1, 'a', true), change(2, 'b', true, '10.255.1.8')], 10);
    expect(two.map(({ vip, owners }) => [vip, ...owners])).toEqual([
      [VIP, 'a'],
      ['10.255.1.8', 'b'],
    ]);
    expect(ownershipOf([], 10)).toEqual([]);
  });
});
