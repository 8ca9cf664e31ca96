import { describe, expect, it } from 'vitest';
import { createClock } from '../../../appliance/host/clock.ts';
import { createRandom } from '../../../appliance/host/random.ts';
import { seededRandom, VirtualClock } from '../../support/virtual.ts';

const real = createClock();

describe('the clock', () => {
  it('never fires a timer early', async () => {
    const delays = Array.from({ length: 40 }, (_, index) => index / 4);
    const early = await Promise.all(
      delays.map(
        delay =>
          new Promise<number>(resolve => {
            const due = real.now() + delay;
            real.after('test', delay, () => resolve(due - real.now()));
          }),
      ),
    );
    for (const rest of early) expect(rest).toBeLessThanOrEqual(0);
  });

  it('does not fire what was cancelled, nor at once what is far away', async () => {
    const fired: string[] = [];
    const timers = [0, 1, 2 ** 40].map(delay =>
      real.after('test', delay, () => fired.push(`cancelled ${delay}`)),
    );
    timers[0]!.cancel();
    timers[1]!.cancel();
    await new Promise<void>(resolve => void real.after('test', 5, resolve));
    timers[2]!.cancel();
    expect(fired).toEqual([]);
    expect(() => real.after('odd', Number.NaN, () => {})).toThrow("timer 'odd'");
    expect(real.wall()).toMatch(/^\d{4}-\d\d-\d\dT/);
  });
});

describe('chance', () => {
  it('is uniform, and of the length asked', () => {
    for (const random of [createRandom(), seededRandom(1)]) {
      const draws = Array.from({ length: 10_000 }, () => random.uniform());
      expect(Math.min(...draws)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...draws)).toBeLessThan(1);
      expect(draws.reduce((sum, draw) => sum + draw) / draws.length).toBeCloseTo(0.5, 1);
      expect(random.bytes(33)).toHaveLength(33);
      expect(random.bytes(33)).not.toEqual(random.bytes(33));
    }
  });

  it('is the same again from the same seed', () => {
    expect(seededRandom(7).bytes(8)).toEqual(seededRandom(7).bytes(8));
    expect(seededRandom(7).bytes(8)).not.toEqual(seededRandom(8).bytes(8));
  });
});

describe('the virtual clock', () => {
  it('runs timers by time, then by the order in which they were set, with promises in between', async () => {
    const clock = new VirtualClock();
    const order: string[] = [];
    clock.after('b', 10, () => {
      order.push(`b ${clock.now()}`);
      void Promise.resolve().then(() => order.push('promise of b'));
    });
    clock.after('c', 10, () => order.push('c'));
    clock.after('a', 5, () => void clock.after('nested', 5, () => order.push('nested')));
    clock.after('cancelled', 6, () => order.push('never')).cancel();
    expect(clock.timers).toBe(3);
    await clock.advance(10);
    expect(order).toEqual(['b 10', 'promise of b', 'c', 'nested']);
    expect([clock.now(), clock.timers]).toEqual([10, 0]);
  });

  it('says what was still to come when a condition is not reached', async () => {
    const clock = new VirtualClock();
    clock.after('lease', 100_000, () => {});
    await expect(clock.runUntil(() => false, 1_000)).rejects.toThrow('timers still set: lease');
    let done = false;
    clock.after('x', 7, () => {
      done = true;
    });
    expect(await clock.runUntil(() => done)).toBe(7);
  });
});
