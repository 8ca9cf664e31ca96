/**
 * Servers that are carried about, in any order of whatever can happen to them, to managers and to what is between (issue: roaming).
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { faultsAtRest, Watch } from '../support/roaming/watch.ts';
import { World } from '../support/roaming/world.ts';

/** Worlds of each property; BIVOUAC_RUNS asks for more. */
const RUNS = Number(process.env['BIVOUAC_RUNS'] ?? 25);
const CELLS = 3;
const HOSTS = 5;
/** Of which so many share a VIP. */
const SHARING = 2;
/** Few enough that managers that do not hear one another grant the same. */
const POOL = 6;
/** ms until the last lease has run out that nobody has any more. */
const REST = 11_000;

type Action = { readonly pause: number } & (
  | { readonly do: 'move'; readonly host: number; readonly cell: number; readonly soft: boolean }
  | { readonly do: 'bounce'; readonly host: number; readonly cell: number; readonly within: number }
  | { readonly do: 'sleep'; readonly host: number }
  | { readonly do: 'forget'; readonly host: number }
  | { readonly do: 'split'; readonly sides: readonly number[] }
  | { readonly do: 'heal' }
  | { readonly do: 'weather'; readonly loss: number; readonly duplicates: number; readonly delay: number }
  | { readonly do: 'crash'; readonly cell: number; readonly pause: number }
  | { readonly do: 'restart'; readonly cell: number; readonly wiped: boolean }
);

const host = fc.nat({ max: HOSTS - 1 });
const cell = fc.nat({ max: CELLS - 1 });
const pause = fc.oneof(fc.nat({ max: 50 }), fc.nat({ max: 1500 }));
const move = fc.record({ do: fc.constant('move' as const), pause, host, cell, soft: fc.boolean() });
const bounce = fc.record({
  ...{ do: fc.constant('bounce' as const), pause, host, cell },
  within: fc.nat({ max: 1000 }),
});
const sleep = fc.record({ do: fc.constantFrom('sleep' as const, 'forget' as const), pause, host });
/** What servers do by themselves. */
const journey: fc.Arbitrary<Action> = fc.oneof({ weight: 4, arbitrary: move }, bounce, sleep);
const trouble: fc.Arbitrary<Action> = fc.oneof(
  fc.record({
    ...{ do: fc.constant('split' as const), pause },
    sides: fc.array(fc.nat({ max: 2 }), { minLength: CELLS, maxLength: CELLS }),
  }),
  fc.record({ do: fc.constant('heal' as const), pause }),
  fc.record({
    ...{ do: fc.constant('weather' as const), pause },
    ...{ loss: fc.constantFrom(0, 0.1, 0.5), duplicates: fc.constantFrom(0, 0.3) },
    delay: fc.constantFrom(2, 30, 400),
  }),
  fc.record({ do: fc.constant('crash' as const), pause, cell }),
  fc.record({ do: fc.constant('restart' as const), pause, cell, wiped: fc.boolean() }),
);

const ACTS: { readonly [K in Action['do']]: (world: World, step: Extract<Action, { do: K }>) => void } = {
  move: (world, { host, cell, soft }) => world.hosts[host]!.move(world.cells[cell]!, soft),
  bounce(world, { host, cell, within }) {
    const { place } = world.hosts[host]!;
    world.hosts[host]!.move(world.cells[cell]!, false);
    if (place !== undefined) world.after(within, () => world.hosts[host]!.move(place, false));
  },
  sleep: (world, { host }) => world.hosts[host]!.sleep(),
  forget: (world, { host }) => world.hosts[host]!.forget(),
  split: (world, { sides }) => world.split(sides),
  heal: world => world.heal(),
  weather: (world, weather) => world.turn(weather),
  crash: (world, { cell }) => world.cells[cell]!.crash(),
  restart: (world, { cell, wiped }) => world.cells[cell]!.restart(wiped),
};

const perform = (world: World, step: Action): void =>
  (ACTS[step.do] as (world: World, step: Action) => void)(world, step);

/** A world in which all of this happens, and then nothing any more: all that was broken is mended, and everybody is awake. */
function live(seed: number, ...parts: readonly (readonly Action[])[]): { world: World; watch: Watch } {
  const world = new World(seed, { cells: CELLS, hosts: HOSTS, sharing: SHARING, pool: POOL });
  const watch = new Watch(world);
  for (const actions of parts) {
    for (const step of actions) {
      perform(world, step);
      watch.run(step.pause);
    }
    world.heal();
    for (const one of world.cells) one.restart();
    for (const one of world.hosts) if (one.place === undefined) one.move(world.cells[0]!, false);
    watch.run(REST);
  }
  return { world, watch };
}

function expectOrder({ world, watch }: ReturnType<typeof live>): void {
  expect(watch.faults).toEqual([]);
  expect(faultsAtRest(world)).toEqual([]);
}

test('servers that roam while managers hear one another: two have a VIP for no longer than a notice takes', () => {
  fc.assert(
    fc.property(fc.integer(), fc.array(journey, { maxLength: 25 }), (seed, actions) => {
      const { world, watch } = live(seed, [], actions);
      expectOrder({ world, watch });
      expect(world.conflicts).toBe(0);
    }),
    { numRuns: RUNS },
  );
});

test('whatever happens, at rest each VIP has one owner: its server’s manager, with its epoch, and everybody knows', () => {
  fc.assert(
    fc.property(fc.integer(), fc.array(fc.oneof(journey, trouble), { maxLength: 30 }), (seed, actions) =>
      expectOrder(live(seed, actions)),
    ),
    { numRuns: RUNS },
  );
});

test('managers that cannot hear one another grant the same VIPs; once they can, the greatest epoch has each', () => {
  const apart: Action = { do: 'split', sides: [0, 1, 2], pause: 0 };
  let conflicts = 0;
  fc.assert(
    fc.property(fc.integer(), fc.array(journey, { minLength: 8, maxLength: 25 }), (seed, actions) => {
      const { world, watch } = live(seed, [apart, ...actions]);
      expectOrder({ world, watch });
      conflicts += world.conflicts;
    }),
    { numRuns: RUNS },
  );
  expect(conflicts).toBeGreaterThan(0);
});
