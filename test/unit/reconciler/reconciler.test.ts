import { describe, expect, test } from 'vitest';
import type { Driver } from '../../../appliance/desired/driver.ts';
import { createReconciler, type Reconciler } from '../../../appliance/reconciler/reconciler.ts';
import { seededRandom, VirtualClock } from '../../support/virtual.ts';

/** A driver that ends each apply when told to. */
class Held implements Driver<number, number> {
  readonly applied: number[] = [];
  private finish: ((problems: string[]) => void)[] = [];
  released = false;

  apply(wanted: number): Promise<{ reached: number; problems: string[] }> {
    this.applied.push(wanted);
    return new Promise(resolve => this.finish.push(problems => resolve({ reached: wanted, problems })));
  }
  async done(problems: string[] = []): Promise<void> {
    this.finish.shift()!(problems);
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  }
  async release(): Promise<void> {
    this.released = true;
  }
  detach(): void {}
}

function setUp(): {
  driver: Held;
  clock: VirtualClock;
  reached: number[];
  reconciler: Reconciler<number>;
} {
  const driver = new Held();
  const clock = new VirtualClock();
  const reached: number[] = [];
  const reconciler = createReconciler({
    name: 'test',
    driver,
    clock,
    random: seededRandom(1),
    log: () => {},
    onReached: value => reached.push(value),
  });
  return { driver, clock, reached, reconciler };
}

describe('a reconciler', () => {
  test('turns a burst into the first and the last', async () => {
    const { driver, clock, reconciler } = setUp();
    for (const wanted of [1, 2, 3, 4]) reconciler.want(wanted);
    await driver.done();
    await clock.advance(0);
    await driver.done();
    expect(driver.applied).toEqual([1, 4]);
  });

  test('lets what hangs on what was reached go before it takes up what is wanted next', async () => {
    const { driver, clock, reached, reconciler } = setUp();
    reconciler.want(1);
    reconciler.want(2);
    await driver.done();
    expect([reached, driver.applied]).toEqual([[1], [1]]);
    await clock.advance(0);
    expect(driver.applied).toEqual([1, 2]);
  });

  test('skips what is wanted already', async () => {
    const { driver, reconciler } = setUp();
    reconciler.want(1);
    await driver.done();
    reconciler.want(1);
    expect(driver.applied).toEqual([1]);
  });

  test('tries again with growing waits, and stops when it is reached', async () => {
    const { driver, clock, reconciler, reached } = setUp();
    reconciler.want(1);
    await driver.done(['no route']);
    expect(reconciler.problems).toEqual(['no route']);
    await clock.advance(150);
    expect(driver.applied).toEqual([1, 1]);
    await driver.done(['no route']);
    await clock.advance(140);
    expect(driver.applied.length).toBe(2);
    await clock.advance(200);
    expect(driver.applied.length).toBe(3);
    await driver.done();
    await clock.advance(60_000);
    expect(driver.applied.length).toBe(3);
    expect(reached).toEqual([1, 1, 1]);
    expect(reconciler.problems).toEqual([]);
  });

  test('waits for what is under way before it releases', async () => {
    const { driver, reconciler } = setUp();
    reconciler.want(1);
    const released = reconciler.release();
    expect(driver.released).toBe(false);
    await driver.done();
    await released;
    expect(driver.released).toBe(true);
  });
});
