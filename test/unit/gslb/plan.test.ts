/** How clients are dealt out by what they want: the observer of demand, the plan, and what is remembered of both. */
import { expect, test } from 'vitest';
import type { Knowledge } from '../../../appliance/gslb/candidates.ts';
import { candidatesOf } from '../../../appliance/gslb/candidates.ts';
import { placesOf } from '../../../appliance/gslb/cost.ts';
import { type Flows, firstFlows, followedFlows, type Serving } from '../../../appliance/gslb/demand.ts';
import { plannedShares, servicePrice } from '../../../appliance/gslb/plan.ts';
import { Planner } from '../../../appliance/gslb/planner.ts';
import { emptyTopology, SLOTS } from '../../../appliance/gslb/topology.ts';
import type { View } from '../../../appliance/gslb/view.ts';
import { heard, manager, offer, polled, viewAfter } from './world.ts';

const HOME = [
  [1, 0],
  [0, 1],
] as const;
/** Two sites 60 ms apart. */
const WAYS = [
  [0, 60],
  [60, 0],
] as const;
const WEIGHTS = [400, 400] as const;

/** Two servers' farms whose use is `load`, as an average. */
const serving = (load: readonly number[]): readonly Serving[] =>
  load.map((used, at) => ({ weight: WEIGHTS[at]!, least: used - 1, most: used + 1 }));

/** So many seconds of clients who want `demand`, and come as they are told; `flows`: what is known of them. */
function live(flows: Flows, demand: readonly number[], seconds: number, average = [...flows.load]): Flows {
  let known = flows;
  for (let second = 0; second < seconds; second++) {
    for (const [at, weight] of WEIGHTS.entries()) {
      const load = demand.reduce((sum, wanted, place) => sum + wanted * known.come[place]![at]!, 0);
      average[at]! += (Math.min(weight, load) - average[at]!) / 30;
    }
    known = followedFlows(known, serving(average), known.at + 1000);
  }
  return known;
}

test('demand is seen long before the average of 30 s tells of it', () => {
  const begun = live(firstFlows(serving([100, 100]), HOME, 0), [100, 100], 60);
  expect(begun.demand.map(Math.round)).toEqual([100, 100]);
  const after = live(begun, [300, 100], 20);
  expect(after.demand[0]).toBeGreaterThan(270);
  expect(after.demand[0]).toBeLessThan(340);
  expect(after.load[0]).toBeLessThan(220);
  expect(after.demand[1]).toBeCloseTo(100, 0);
});

test('clients that were sent elsewhere are no other demand', () => {
  const begun = live(firstFlows(serving([300, 100]), HOME, 0), [300, 100], 60);
  const sent: Flows = {
    ...begun,
    told: [
      [0.5, 0.5],
      [0, 1],
    ],
  };
  for (const seconds of [3, 10, 30]) {
    const { demand } = live(sent, [300, 100], seconds);
    expect(Math.abs(demand[0]! - 300)).toBeLessThan(15);
    expect(Math.abs(demand[1]! - 100)).toBeLessThan(15);
  }
});

test('of what is full nobody knows how much more is wanted: it is more each second', () => {
  const begun = live(firstFlows(serving([390, 100]), HOME, 0), [390, 100], 60);
  const after = live(begun, [700, 100], 30);
  expect(after.demand[0]).toBeGreaterThan(450);
});

test('a long silence is followed as closely as many short ones', () => {
  const begun = firstFlows(serving([100, 100]), HOME, 0);
  const once = followedFlows(begun, serving([150, 100]), 20_000);
  let often = begun;
  for (let at = 1; at <= 10; at++) often = followedFlows(often, serving([150, 100]), at * 2000);
  expect(once.demand).toEqual(often.demand);
});

test('clients stay at home as long as it serves them best; what is too much goes elsewhere', () => {
  expect(plannedShares([200, 100], WAYS, WEIGHTS, HOME)).toEqual(HOME);
  const [mine, theirs] = plannedShares([600, 100], WAYS, WEIGHTS, HOME);
  expect(theirs).toEqual([0, 1]);
  const load = [600 * mine![0]!, 100 + 600 * mine![1]!];
  const costs = load.map((one, at) => WAYS[0][at]! + servicePrice(one, 400));
  // Neither is dearer than the other by more than the margin and what one slot adds.
  expect(Math.abs(costs[0]! - costs[1]!)).toBeLessThan(0.4 * Math.max(...costs));
  expect(load[0]).toBeLessThan(370);
});

test('shares are whole slots, and move only for more than a margin', () => {
  const shares = plannedShares([310, 290], WAYS, WEIGHTS, [
    [0.7, 0.3],
    [1 / 3, 2 / 3],
  ]);
  for (const row of shares) {
    expect(row.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1);
    for (const share of row) expect(share * SLOTS).toBeCloseTo(Math.round(share * SLOTS));
  }
  expect(plannedShares([312, 290], WAYS, WEIGHTS, shares)).toEqual(shares);
});

test('what is wanted beyond all weight costs the more', () => {
  const prices = [0, 200, 360, 380, 400, 600, 1200].map(load => servicePrice(load, 400));
  expect([...prices].sort((one, other) => one - other)).toEqual(prices);
  expect(prices[5]! / prices[4]!).toBeGreaterThan(2);
});

const know = (view: View): Knowledge => ({
  view,
  topology: emptyTopology,
  places: placesOf(view, emptyTopology),
  here: undefined,
});
const server = (letter: string, score: number) => offer(letter, { servers: 4, weight: 400, score });
const sharesOf = (planner: Planner, view: View) =>
  planner.sharesFor(
    'www.example',
    {},
    'site-a',
    candidatesOf(view.names.get('www.example')!.held, 'site-a', know(view), {}),
  );

test('a planner plans for names that were asked for and that several serve', () => {
  const planner = new Planner();
  const alone = viewAfter([heard('a', [server('a', 900)])]);
  planner.asked('www.example', {}, 'site-a');
  expect(planner.look('www.example', know(alone), 0)).toBe(false);
  expect(sharesOf(planner, alone)).toBeUndefined();
  const two = viewAfter(
    [heard('b', [server('b', 900)]), polled('a', [], { paths: { b: 30 } })],
    viewAfter([heard('a', [server('a', 900)])]),
  );
  expect(planner.turn(know(two), 1000, () => true)).toEqual({ changed: [], done: true });
  planner.wake('www.example');
  expect(planner.turn(know(two), 1000, () => true)).toEqual({ changed: ['www.example'], done: true });
  expect(sharesOf(planner, two)).toEqual([1, 0]);
  expect(planner.look('www.example', know(two), 2000)).toBe(false);
});

test('who is lost leaves its slots to the others at once; who comes gets some at the next look', () => {
  const planner = new Planner();
  planner.asked('www.example', {}, 'site-a');
  const all = viewAfter(
    ['a', 'b', 'c'].map(letter => heard(letter, [server(letter, letter === 'a' ? 60 : 900)])),
  );
  planner.look('www.example', know(all), 0);
  const before = sharesOf(planner, all)!;
  const less = viewAfter([heard('a', [], { offersGone: [server('a', 900)] })], all);
  const left = sharesOf(planner, less)!;
  expect(left).toHaveLength(2);
  expect(left[0]! + left[1]!).toBeCloseTo(1);
  expect(before[0]).toBeGreaterThan(0);
  planner.look('www.example', know(less), 1000);
  expect(sharesOf(planner, less)!.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1);
  const again = viewAfter([heard('a', [server('a', 900)])], less);
  expect(sharesOf(planner, again)![0]).toBe(0);
  planner.look('www.example', know(again), 2000);
  expect(sharesOf(planner, again)![0]).toBeGreaterThan(0.5);
});

test('a name of which nothing moves is not looked at until something does', () => {
  const planner = new Planner();
  planner.asked('www.example', {}, 'site-a');
  planner.asked('www.example', {}, 'site-b');
  const two = viewAfter(['a', 'b'].map(letter => heard(letter, [server(letter, 300)])));
  let second = 0;
  for (; planner.moving > 0 && second < 200; second++) planner.turn(know(two), second * 1000, () => true);
  expect(second).toBeLessThan(100);
  const shares = sharesOf(planner, two);
  const busy = viewAfter([polled('a', [[server('a', 300), 20]])], two, 300_000);
  planner.wake('www.example');
  planner.wake('nobody.example');
  expect(planner.moving).toBe(1);
  for (second = 300; second < 330; second++) planner.turn(know(busy), second * 1000, () => true);
  expect(sharesOf(planner, busy)![0]).toBeLessThan(shares![0]!);
});

test('names are looked at as long as there is time, and then from there on', () => {
  const planner = new Planner();
  for (const name of ['x.example', 'y.example', 'z.example']) planner.asked(name, {}, undefined);
  const view = viewAfter([heard(manager('a')[0]!)]);
  expect(planner.turn(know(view), 0, () => false).done).toBe(false);
  expect(planner.turn(know(view), 0, () => true).done).toBe(true);
});
