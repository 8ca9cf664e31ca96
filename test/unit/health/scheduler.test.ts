import { describe, expect, it } from 'vitest';
import type { CheckTarget } from '../../../appliance/desired/wanted.ts';
import { failed, type Probe, type ProbeResult, passed } from '../../../appliance/health/probe.ts';
import type { Probes } from '../../../appliance/health/probes.ts';
import { createHealth, FAST_INTERVAL, type Verdict } from '../../../appliance/health/scheduler.ts';
import type { ServiceKey } from '../../../appliance/registry/state.ts';
import { Table } from '../../../appliance/registry/table.ts';
import { address } from '../../../sdk/wire/address.ts';
import type { Check, CheckKind } from '../../../sdk/wire/model.ts';
import { seededRandom, VirtualClock } from '../../support/virtual.ts';
import { service } from './support.ts';

const PASS = passed('tcp/1720 passed');
const FAIL = failed('check-refused', 'tcp/1720 refused the connection');
const KEY = 's/1' as ServiceKey;

interface Call {
  readonly at: number;
  readonly address: string;
}

/** A scheduler whose checks take `takes` ms and find what `find` says; 'hang' never settles. */
function setup(find: (call: Call) => ProbeResult | 'hang' | Error, takes = 1, limit = 2_048) {
  const clock = new VirtualClock();
  const calls: Call[] = [];
  const verdicts: (Verdict & { at: number })[] = [];
  const aborted: number[] = [];
  const running = { now: 0, most: 0 };
  const probe: Probe = (target, { signal }) =>
    new Promise((resolve, reject) => {
      const call = { at: clock.now(), address: target.address };
      calls.push(call);
      running.most = Math.max(running.most, ++running.now);
      signal.addEventListener('abort', () => {
        running.now--;
        aborted.push(clock.now());
      });
      const found = find(call);
      if (found === 'hang') return;
      clock.after('probe', takes, () => {
        if (signal.aborted) return;
        running.now--;
        if (found instanceof Error) reject(found);
        else resolve(found);
      });
    });
  const kinds: CheckKind[] = [
    'none',
    'tcp',
    'http',
    'https',
    'icmp',
    'dns',
    'udp',
    'tls',
    'h323',
    'sip',
    'exec',
  ];
  const probes = Object.fromEntries(kinds.map(kind => [kind, probe])) as Probes;
  const random = seededRandom(1);
  const emit = (verdict: Verdict): void => void verdicts.push({ ...verdict, at: clock.now() });
  const health = createHealth({ clock, random, probes, emit, limit });
  return { clock, calls, verdicts, aborted, running, health };
}

const target = (check: Partial<Check> = {}, at = '10.0.0.2'): CheckTarget => ({
  address: address(at),
  service: service(check),
  round: 1,
});
const one = (check?: Partial<Check>): Table<ServiceKey, CheckTarget> => Table.from([[KEY, target(check)]]);
const many = (count: number, check?: Partial<Check>, perHost = 1): Table<ServiceKey, CheckTarget> =>
  Table.from(
    Array.from({ length: count }, (_, index): [ServiceKey, CheckTarget] => {
      const host = Math.floor(index / perHost);
      return [`s${index}/1` as ServiceKey, target(check, `10.1.${host >> 8}.${host & 255}`)];
    }),
  );

describe('the times of checks', () => {
  it('checks a lone service at once, again soon while undecided, then at its interval ±10 %', async () => {
    const { clock, calls, verdicts, health } = setup(() => PASS);
    health.set(one());
    await clock.advance(1);
    expect(calls).toEqual([{ at: 0, address: '10.0.0.2' }]);
    await clock.advance(30_000);
    const gaps = calls.slice(1).map((call, index) => call.at - calls[index]!.at);
    expect(gaps[0]).toBeGreaterThanOrEqual(FAST_INTERVAL * 0.9);
    expect(gaps[0]).toBeLessThanOrEqual(FAST_INTERVAL * 1.1);
    for (const gap of gaps.slice(1)) {
      expect(gap).toBeGreaterThanOrEqual(900);
      expect(gap).toBeLessThanOrEqual(1_100);
    }
    expect(new Set(gaps).size).toBe(gaps.length);
    expect(verdicts).toHaveLength(1);
    expect(verdicts[0]).toMatchObject({ service: KEY, outcome: 'pass', reason: { code: 'check-passed' } });
    expect(verdicts[0]!.at).toBeLessThan(FAST_INTERVAL * 1.1 + 2);
  });

  it('finds a failure within interval + fall × fast interval, and says so once', async () => {
    const died = 10_000;
    const { clock, verdicts, health } = setup(({ at }) => (at < died ? PASS : FAIL));
    health.set(one());
    await clock.advance(20_000);
    expect(verdicts.map(({ outcome }) => outcome)).toEqual(['pass', 'fail']);
    expect(verdicts[1]!.at - died).toBeLessThan(1_100 + 2 * FAST_INTERVAL * 1.1 + 5);
    expect(verdicts[1]!.reason).toEqual({
      code: 'check-refused',
      sentence: 'check tcp/1720 refused the connection 3×',
    });
  });

  it('spreads a burst over the interval, and starts the first ones at once', async () => {
    const { clock, calls, health } = setup(() => PASS);
    health.set(many(5_000, { interval: 5_000, rise: 1 }));
    await clock.advance(5_000);
    const starts = new Set<number>();
    const bySecond = [0, 0, 0, 0, 0];
    for (const { at, address } of calls) {
      if (starts.size < 5_000 && !starts.has(address as never))
        bySecond[Math.min(4, Math.floor(at / 1_000))]!++;
      starts.add(address as never);
    }
    expect(starts.size).toBe(5_000);
    expect(calls.filter(({ at }) => at < 1).length).toBeGreaterThanOrEqual(64);
    for (const count of bySecond) expect(count).toBeGreaterThan(800);
  });

  it('rechecks at once when asked, also while a check is under way', async () => {
    const { clock, calls, health } = setup(() => PASS, 50);
    health.set(one({ rise: 1, interval: 60_000 }));
    await clock.advance(1_000);
    health.recheck(KEY);
    await clock.advance(1);
    expect(calls.map(({ at }) => at)).toEqual([0, 1_000]);
    health.recheck(KEY);
    await clock.advance(100);
    expect(calls.map(({ at }) => at)).toEqual([0, 1_000, 1_050]);
  });

  it('does a check of kind none once', async () => {
    const { clock, calls, verdicts, health } = setup(() => PASS);
    health.set(one({ kind: 'none', rise: 5 }));
    await clock.advance(100_000);
    expect(calls).toHaveLength(1);
    expect(verdicts.map(({ outcome }) => outcome)).toEqual(['pass']);
    expect(clock.timers).toBe(0);
  });
});

describe('checks that do not end', () => {
  it('are timed out, aborted, worded, and never two of one service at once', async () => {
    const { clock, calls, verdicts, aborted, running, health } = setup(() => 'hang');
    health.set(one({ timeout: 500 }));
    await clock.advance(1_499);
    expect(verdicts).toEqual([]);
    await clock.advance(1);
    expect(verdicts[0]!.reason).toEqual({
      code: 'check-timeout',
      sentence: 'check tcp/1720 timed out after 500 ms 3×',
    });
    expect(calls.map(({ at }) => at)).toEqual([0, 500, 1_000]);
    expect(aborted).toEqual([0, 500, 1_000].map(at => at + 500));
    expect(running.most).toBe(1);
  });

  it('do not delay those of another host, however many there are', async () => {
    const { clock, calls, health } = setup(call => (call.address === '10.1.0.0' ? 'hang' : PASS), 1, 64);
    const dead = many(1_000, { timeout: 60_000, interval: 50 }, 1_000);
    health.set(dead.with(KEY, target({ rise: 1 })));
    await clock.advance(10_000);
    expect(calls.filter(({ address }) => address === '10.1.0.0')).toHaveLength(32);
    expect(calls.filter(({ address }) => address === '10.0.0.2').length).toBeGreaterThanOrEqual(9);
  });

  it('never exceed the limit in all', async () => {
    const { clock, running, calls, health } = setup(() => 'hang', 1, 100);
    health.set(many(500, { timeout: 200, interval: 100 }));
    await clock.advance(5_000);
    expect(running.most).toBe(100);
    expect(new Set(calls.map(({ address }) => address)).size).toBe(500);
    expect(health.stats().ready).toBeGreaterThan(300);
  });

  it('are ended when the service goes, and nothing is said of it any more', async () => {
    const { clock, verdicts, aborted, health } = setup(() => 'hang');
    health.set(one());
    await clock.advance(100);
    health.set(Table.empty());
    await clock.advance(10_000);
    expect(aborted).toEqual([100]);
    expect(verdicts).toEqual([]);
    expect(clock.timers).toBe(0);
    expect(health.stats()).toMatchObject({ checks: 0, running: 0, ready: 0 });
  });

  it('of a driver that breaks are inconclusive at first', async () => {
    const { clock, verdicts, health } = setup(() => new Error('a defect'));
    health.set(one());
    await clock.advance(300);
    expect(health.statusOf(KEY)?.last?.reason.sentence).toBe('tcp/1720 could not be checked: a defect');
    expect(verdicts).toEqual([]);
    await clock.advance(3_000);
    expect(verdicts.map(({ outcome, reason }) => [outcome, reason.code])).toEqual([
      ['fail', 'check-impossible'],
    ]);
  });
});

describe('a changed set', () => {
  it('begins anew what is the same but of another round, and tells of it again', async () => {
    const { clock, verdicts, health } = setup(() => PASS);
    health.set(one());
    await clock.advance(5_000);
    expect(verdicts).toHaveLength(1);
    health.set(Table.from([[KEY, { ...target(), round: 2 }]]));
    await clock.advance(5_000);
    expect(verdicts).toHaveLength(2);
  });

  it('keeps history and time of a check that is the same, though the service differs elsewhere', async () => {
    const { clock, calls, verdicts, health } = setup(() => PASS);
    health.set(one());
    await clock.advance(5_000);
    const before = health.statusOf(KEY)!;
    const same: CheckTarget = { address: address('10.0.0.2'), service: service({}, { weight: 7 }), round: 1 };
    health.set(Table.from([[KEY, same]]));
    expect(health.statusOf(KEY)).toEqual(before);
    await clock.advance(before.due! - clock.now() - 1);
    expect(calls).toHaveLength(before.checks);
    await clock.advance(2);
    expect(calls).toHaveLength(before.checks + 1);
    expect(verdicts).toHaveLength(1);
  });

  it('starts anew for another address, port or rule', async () => {
    const { clock, verdicts, health } = setup(() => PASS);
    health.set(one());
    await clock.advance(5_000);
    for (const check of [{ port: 99 }, { rise: 1 }, { target: '/x' }, { expect: Uint8Array.of(1) }]) {
      health.set(one(check));
      expect(health.statusOf(KEY)).toMatchObject({ outcome: 'unknown', checks: 0, run: 0 });
      await clock.advance(1_000);
    }
    expect(verdicts).toHaveLength(5);
  });

  it('leaves what is not mentioned in the diff alone', async () => {
    const { clock, calls, health } = setup(() => PASS);
    const table = many(10);
    health.set(table);
    await clock.advance(3_000);
    const counts = health.status().map(({ checks }) => checks);
    health.set(table.with(KEY, target()));
    expect(
      health
        .status()
        .slice(0, 10)
        .map(({ checks }) => checks),
    ).toEqual(counts);
    await clock.advance(1);
    expect(calls.at(-1)!.address).toBe('10.0.0.2');
  });
});

describe('what is shown', () => {
  it('tells the last result, how long it took, how many agreed, and when the next is due', async () => {
    const { clock, health } = setup(({ at }) => (at < 3_000 ? PASS : FAIL), 7);
    health.set(one());
    await clock.advance(6_000);
    const shown = health.statusOf(KEY)!;
    expect(shown).toMatchObject({ check: 'tcp/1720', address: '10.0.0.2', outcome: 'fail', running: false });
    expect(shown.last).toMatchObject({ outcome: 'fail', reason: FAIL.reason });
    expect(shown.last!.took).toBeCloseTo(7);
    expect(shown.run).toBeGreaterThan(3);
    expect(shown.due).toBeGreaterThan(clock.now());
    expect(health.stats()).toMatchObject({ checks: 1, running: 0, inconclusive: 0 });
    health.close();
    await clock.advance(100_000);
    expect(clock.timers).toBe(0);
  });

  it('checks nothing that is set after it was closed: a manager that stops hands out its last state then', async () => {
    const { clock, calls, health } = setup(() => PASS);
    health.set(one());
    await clock.advance(1_000);
    health.close();
    const before = calls.length;
    health.set(one());
    await clock.advance(100_000);
    expect(calls).toHaveLength(before);
    expect(clock.timers).toBe(0);
  });
});

describe('many checks', () => {
  it('30,000 at 10 s: each is done in its time, with one timer for all that wait', async () => {
    const { clock, calls, health } = setup(() => PASS, 1);
    health.set(many(30_000, { interval: 10_000, rise: 1 }));
    expect(clock.timers).toBe(1);
    for (let second = 0; second < 31; second++) await clock.advance(1_000);
    expect(calls.length).toBeGreaterThan(75_000);
    expect(calls.length).toBeLessThan(105_000);
    expect(health.stats().lag).toBeLessThan(1);
    expect(new Set(calls.map(({ address }) => address)).size).toBe(30_000);
  }, 120_000);
});
