/** The simulation behind the GSLB's figures: its parts do what they say, and a seed gives the same figures each time. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { amplificationFigure } from '../../../labs/bench/dns-amplification.ts';
import { byDns, hindsight, nearestOnly, roundRobin } from '../../../labs/bench/gslb/choosers.ts';
import { Events } from '../../../labs/bench/gslb/events.ts';
import { Farm, Pipe } from '../../../labs/bench/gslb/farm.ts';
import { type Chooser, Network } from '../../../labs/bench/gslb/network.ts';
import { periodic } from '../../../labs/bench/gslb/news.ts';
import { planFor, waitOf } from '../../../labs/bench/gslb/oracle.ts';
import { byGslb } from '../../../labs/bench/gslb/ours.ts';
import { addressesOf, queryOf } from '../../../labs/bench/gslb/questions.ts';
import { drawRequests } from '../../../labs/bench/gslb/requests.ts';
import {
  ANSWER,
  BUFFER,
  CLIENTS,
  capacityOf,
  makeWorld,
  PLACES,
  SERVICE,
  story,
  type World,
} from '../../../labs/bench/gslb/world.ts';
import { seededRandom, VirtualClock } from '../../support/virtual.ts';

test('events come soonest first, and those of one moment as they were put in', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 50 }), { maxLength: 3000 }), times => {
      const events = new Events();
      for (const [what, time] of times.entries()) events.push(time, what);
      const expected = times
        .map((time, what) => [time, what] as const)
        .sort(([one, a], [other, b]) => one - other || a - b);
      for (const wanted of expected) {
        events.pop();
        expect([events.time, events.what]).toEqual(wanted);
      }
      expect(events.next).toBe(Number.POSITIVE_INFINITY);
    }),
    { numRuns: 30 },
  );
});

test('a farm serves first come, first served, by whichever place is free first', () => {
  const random = seededRandom(1);
  const farm = new Farm(3);
  const free = new Array<number>(3 * PLACES).fill(0);
  let now = 0;
  for (let count = 0; count < 500; count++) {
    now += random.uniform() * 5;
    const service = random.uniform() * 100;
    const first = free.indexOf(Math.min(...free));
    free[first] = Math.max(now, free[first]!) + service;
    expect(farm.take(now, service)).toBe(free[first]);
  }
});

test('a pipe takes one after the other, through what other traffic leaves of it', () => {
  const pipe = new Pipe(ANSWER * 100);
  expect(pipe.take(0, ANSWER)).toBeCloseTo(10);
  expect(pipe.take(5, ANSWER)).toBeCloseTo(20);
  pipe.share(0.5, 1000);
  expect(pipe.take(1000, ANSWER)).toBeCloseTo(1020);
  while (!pipe.full(1000)) pipe.take(1000, ANSWER);
  expect(pipe.wait(1000)).toBeGreaterThan(BUFFER);
  const before = pipe.carried;
  pipe.share(0.5, 2000);
  expect(pipe.carried - before).toBeCloseTo(ANSWER * 50);
});

describe('a world', () => {
  test('has load that is uneven, never more than it can carry, and is the same for the same seed', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = makeWorld(seededRandom(seed));
      const capacity = world.sites.map(capacityOf);
      const all = capacity.reduce((sum, one) => sum + one, 0);
      for (const second of [150, 400, 850]) {
        const demand = world.demand(second);
        expect(demand.reduce((sum, one) => sum + one, 0)).toBeLessThan(0.66 * all);
        expect(demand.some((one, at) => one > capacity[at]!)).toBe(true);
      }
      expect(makeWorld(seededRandom(seed)).demand(400)).toEqual(world.demand(400));
    }
  });

  test('changes between two frames by and by', () => {
    const frame = (second: number, value: number) => ({ second, demand: [value], background: [value / 100] });
    const world = story([], [frame(0, 10), frame(10, 20), frame(20, 20)]);
    expect([0, 5, 10, 15, 19].map(second => world.demand(second)[0])).toEqual([10, 15, 20, 20, 20]);
    expect(world.background(5)[0]).toBeCloseTo(0.15);
  });
});

/** Two sites 20 ms apart (one way), for three minutes, of which the first asks for more than it has. */
const SMALL: World = story(
  [
    { name: 'a', servers: 1, delay: 10, rate: 50e6 },
    { name: 'b', servers: 2, delay: 10, rate: 50e6 },
  ],
  [
    { second: 0, demand: [20, 20], background: [0, 0] },
    { second: 60, demand: [120, 40], background: [0, 0] },
    { second: 180, demand: [120, 40], background: [0, 0] },
  ],
);
const REQUESTS = drawRequests(SMALL, seededRandom(7));
const run = (make: (network: Network) => Chooser) => {
  const network = new Network(SMALL, new VirtualClock());
  return network.run(REQUESTS, make(network));
};

test('requests follow the demand', () => {
  const late = REQUESTS.at.filter(at => at >= 60_000).length;
  expect(late / 120).toBeGreaterThan(150);
  expect(late / 120).toBeLessThan(170);
  const mine = REQUESTS.client.filter((client, at) => client < CLIENTS && REQUESTS.at[at]! >= 60_000).length;
  expect(mine / late).toBeCloseTo(0.75, 1);
  expect(REQUESTS.service.reduce((sum, one) => sum + one, 0) / REQUESTS.count).toBeCloseTo(SERVICE, -1);
});

test('at home nothing but service and waiting counts; elsewhere two round trips, and the links', () => {
  const quiet = story(SMALL.sites, [
    { second: 0, demand: [1, 1], background: [0, 0] },
    { second: 600, demand: [1, 1], background: [0, 0] },
  ]);
  const requests = drawRequests(quiet, seededRandom(3));
  const mean = (pick: (from: number) => number): number => {
    const network = new Network(quiet, new VirtualClock());
    return network.run(requests, { choose: client => pick(Math.floor(client / CLIENTS)) }).mean;
  };
  const home = mean(from => from);
  expect(home).toBeGreaterThan(30);
  expect(home).toBeLessThan(50);
  expect(mean(from => 1 - from) - home).toBeCloseTo(80 + (2 * ANSWER) / 50e3, 0);
});

test('a client keeps an answer for its TTL', () => {
  const asked: number[] = [];
  const chooser = byDns(1, (_client, at) => {
    asked.push(at);
    return { site: asked.length, ttl: 5 };
  });
  expect([0, 1000, 4999, 5000, 9999, 12_000].map(at => chooser.choose(0, at, 0))).toEqual([1, 1, 1, 2, 2, 3]);
  expect(asked).toEqual([0, 5000, 12_000]);
});

test('the GSLB does better than nearest and round robin, hindsight better than it; and the same again', () => {
  const ours = run(network => byGslb(network, seededRandom(5)));
  expect(run(network => byGslb(network, seededRandom(5)))).toEqual(ours);
  const [best] = [2, 3, 5].map(regard => run(hindsight(regard)).mean).sort((one, other) => one - other);
  expect(best).toBeLessThan(ours.mean);
  expect(ours.mean).toBeLessThan(1.4 * best!);
  expect(run(nearestOnly).mean).toBeGreaterThan(2 * ours.mean);
  expect(run(roundRobin).mean).toBeGreaterThan(1.2 * ours.mean);
});

test('the plan of who knows the demand keeps clients at home until that is full', () => {
  const [mine, theirs] = planFor(SMALL, 100);
  expect(new Set(theirs)).toEqual(new Set([1]));
  const stays = mine!.filter(site => site === 0).length / mine!.length;
  expect(stays).toBeGreaterThan(0.4);
  expect(stays).toBeLessThan(0.8);
  const waits = [0, 0.3, 0.6, 0.9, 0.97, 1, 1.5].map(use => waitOf(use, 8));
  expect([...waits].sort((one, other) => one - other)).toEqual(waits);
});

test('a query asks for one name, and of an answer its addresses are read, wherever its names point', () => {
  const query = queryOf(7, 'www.example');
  expect(query.toString('latin1', 12)).toBe('\x03www\x07example\0\0\x01\0\x01');
  const record = Buffer.from('c00c00010001000000050004c0000201', 'hex');
  const alias = Buffer.from('c00c00050001000000050002c00c', 'hex');
  const answer = Buffer.concat([query, alias, record]);
  answer.writeUInt16BE(2, 6);
  expect(addressesOf(answer)).toEqual(['192.0.2.1']);
  expect(addressesOf(query)).toEqual([]);
});

test('the most that comes back for what was sent is what counts', () => {
  const asked = [
    { kind: 'small', in: 72, out: 72, datagrams: 1 },
    { kind: 'large', in: 72, out: 172, datagrams: 1 },
    { kind: 'none', in: 72, out: 0, datagrams: 0 },
  ];
  const figure = amplificationFigure([
    { name: 'ours', asked },
    { name: 'theirs', asked: [{ kind: 'large', in: 72, out: 372, datagrams: 1 }] },
  ]);
  expect(figure).toMatchObject({ ours: { min: 0, median: 1, max: 2 }, met: false });
  expect(figure.beside.map(({ sample }) => sample.max)).toEqual([172 / 72, 4]);
  expect(figure.name).toContain('large');
});

test('of refreshes those count that come by the clock, not those that follow a notice', () => {
  const all = [900, 1000, 1025, 1100, 2010, 2030, 2990, 4000];
  expect(periodic(all, 950)).toEqual([1000, 2010, 2990, 4000]);
});
