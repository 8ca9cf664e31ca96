/**
 * Answers neither oscillate nor stampede: towns of several sizes, in each of which the demand at one site rises beyond what it can carry and
 * falls again, with resolvers that honour the TTL (test/unit/gslb/crowd.ts).
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { type Course, live, type Town } from '../unit/gslb/crowd.ts';

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
/** Seconds: the step up, the step down, the end. */
const [UP, DOWN, END] = [200, 600, 900];
const RTTS = [5, 15, 40, 80];

function townOf(seed: number): { readonly town: Town; readonly high: number; readonly low: number } {
  const part = (number: number): number => {
    const value = Math.sin(seed * 100 + number) * 10_000;
    return value - Math.floor(value);
  };
  const servers = {
    a: 2 + Math.floor(part(1) * 4),
    b: 2 + Math.floor(part(2) * 4),
    c: 2 + Math.floor(part(3) * 6),
  };
  const demand = { a: servers.a * 0.5, b: servers.b * 0.5, c: servers.c * 0.4 };
  const all = servers.a + servers.b + servers.c;
  const high = Math.min(servers.a * 1.7, all * 0.75 - demand.b - demand.c);
  return {
    town: { servers, rtt: RTTS[Math.floor(part(4) * 4)]!, demand, resolvers: 100 },
    ...{ high, low: demand.a },
  };
}

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
const middle = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;
const sites = ['a', 'b', 'c'] as const;

/** What is bounded of a course. */
function measured({ load, moved }: Course) {
  const of = (site: string, from: number, to: number) => load.slice(from, to).map(now => now[site]!);
  const overloaded = (from: number, to: number) =>
    load.slice(from, to).filter(now => sites.some(site => now[site]! >= 1)).length;
  const span = (from: number, to: number) =>
    Math.max(...sites.map(site => Math.max(...of(site, from, to)) - Math.min(...of(site, from, to))));
  const settled = (site: string) => sum(of(site, UP + 200, DOWN)) / (DOWN - UP - 200);
  return {
    /** s of overload, anywhere: in the minute after the step, and later. */
    first: overloaded(UP, UP + 60),
    later: overloaded(UP + 60, END),
    /** How far the others were loaded beyond what they carry in the end; how far it was emptied. */
    overshoot: Math.max(...['b', 'c'].map(site => Math.max(...of(site, UP, UP + 200)) - settled(site))),
    undershoot: settled('a') - Math.min(...of('a', UP + 5, UP + 200)),
    /** Moves of each resolver on average. */
    moves: {
      before: sum(moved.slice(60, UP)),
      up: sum(moved.slice(UP, UP + 200)),
      settled: sum(moved.slice(UP + 200, DOWN)),
      down: sum(moved.slice(DOWN, DOWN + 150)),
      end: sum(moved.slice(DOWN + 150)),
    },
    span: { settled: span(UP + 200, DOWN), end: span(END - 120, END) },
    /** Most resolvers that moved within 3 s. */
    rush: Math.max(...moved.map((_, at) => sum(moved.slice(at, at + 3)))),
  };
}

describe('a step in load, and back', () => {
  let all: ReturnType<typeof measured>[] = [];
  beforeAll(async () => {
    all = [];
    for (const seed of SEEDS) {
      const { town, high, low } = townOf(seed);
      const change = (now: Town, second: number): void => {
        if (second === UP) now.demand['a'] = high;
        if (second === DOWN) now.demand['a'] = low;
      };
      all.push(measured(await live(town, END, seed, change)));
    }
  }, 120_000);
  const most = (of: (one: (typeof all)[number]) => number): number => Math.max(...all.map(of));

  test('is noticed, and the overload over, within a minute; most towns are never overloaded again', () => {
    expect(most(one => one.first)).toBeLessThan(60);
    expect(middle(all.map(one => one.later))).toBe(0);
    expect(most(one => one.later)).toBeLessThan(90);
  });

  test('does not send everybody to one site at once', () => {
    expect(most(one => one.rush)).toBeLessThan(0.2);
    expect(most(one => one.overshoot)).toBeLessThan(0.3);
    expect(most(one => one.undershoot)).toBeLessThan(0.45);
  });

  test('moves nobody without need: not before, about once after it, and then hardly any', () => {
    expect(most(one => one.moves.before)).toBeLessThan(0.5);
    expect(most(one => one.moves.up)).toBeLessThan(2);
    expect(middle(all.map(one => one.moves.settled))).toBeLessThan(0.35);
    expect(most(one => one.moves.settled)).toBeLessThan(0.9);
    expect(most(one => one.moves.down)).toBeLessThan(1.2);
    expect(middle(all.map(one => one.moves.end))).toBeLessThan(0.1);
  });

  test('settles: the loads swing little', () => {
    expect(middle(all.map(one => one.span.settled))).toBeLessThan(0.25);
    expect(most(one => one.span.settled)).toBeLessThan(0.35);
    expect(most(one => one.span.end)).toBeLessThan(0.25);
  });
});
