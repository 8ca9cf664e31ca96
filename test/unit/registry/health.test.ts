import { describe, expect, test } from 'vitest';
import { check, Registry, serverId, service } from '../../support/registry.ts';

const stateOf = (registry: Registry, number = 1): string | undefined =>
  registry.state.servers.get(serverId(number))?.services.get(1)?.state;

describe('the state of a service', () => {
  test('a report of down beats a check that passes, and a report of up lifts it', () => {
    const registry = new Registry();
    registry.serve(1);
    registry.verdict(1, 'pass');
    registry.say(1, { type: 'report', reports: [{ service: 1, state: 'down', connections: 0, load: 0 }] });
    expect(stateOf(registry)).toBe('down');
    registry.say(1, { type: 'report', reports: [{ service: 1, state: 'up', connections: 0, load: 0 }] });
    expect(stateOf(registry)).toBe('up');
  });

  test('what changes of a service but its check keeps the verdict: the check tells of changes only', () => {
    const registry = new Registry();
    const vip = registry.serve(1);
    registry.verdict(1, 'pass');
    registry.say(1, { type: 'register-service', service: service(vip, { weight: 50 }) });
    expect(stateOf(registry)).toBe('up');
    expect([...registry.derived.wanted.dataplane.farms.values()][0]?.members[0]?.weight).toBe(50);
    const other = service(vip, { weight: 50, check: check({ port: 81 }) });
    registry.say(1, { type: 'register-service', service: other });
    expect(stateOf(registry)).toBe('pending');
  });

  test('connections, weighted over time, lower the score', () => {
    const registry = new Registry();
    const vip = registry.serve(1, { capacity: 100 });
    registry.verdict(1, 'pass');
    const score = (): number | undefined =>
      registry.derived.wanted.directory.byVip.get(vip)?.[0]?.services[0]?.score;
    expect(score()).toBe(1000);
    registry.say(1, { type: 'report', reports: [{ service: 1, state: 'up', connections: 50, load: 0 }] });
    expect(score()).toBe(500);
    registry.now = 30_000;
    registry.say(1, { type: 'report', reports: [{ service: 1, state: 'up', connections: 0, load: 0 }] });
    expect(score()).toBe(500);
    registry.now = 60_000;
    registry.say(1, { type: 'report', reports: [{ service: 1, state: 'up', connections: 0, load: 0 }] });
    expect(score()).toBe(Math.round(1000 * (1 - 0.5 * Math.exp(-1))));
  });

  test('connections beyond the capacity make it no fuller: it has room again as soon as any other', () => {
    const scores = [100, 900].map(connections => {
      const registry = new Registry();
      const vip = registry.serve(1, { capacity: 100 });
      registry.verdict(1, 'pass');
      for (const [now, count] of [
        [0, connections],
        [30_000, connections],
        [60_000, 0],
        [90_000, 0],
      ] as const) {
        registry.now = now;
        registry.say(1, {
          type: 'report',
          reports: [{ service: 1, state: 'up', connections: count, load: 0 }],
        });
      }
      return registry.derived.wanted.directory.byVip.get(vip)?.[0]?.services[0]?.score;
    });
    expect(scores).toEqual([632, 632]);
  });

  test('a flapping service is held back, visibly, until its penalty has decayed', () => {
    const registry = new Registry({
      damping: { suppress: 2500, reuse: 1000, halfLife: 1000, ceiling: 12_000 },
    });
    registry.serve(1);
    for (let flap = 0; flap < 3; flap++) {
      registry.verdict(1, 'pass');
      registry.verdict(1, 'fail');
    }
    registry.verdict(1, 'pass');
    expect(stateOf(registry)).toBe('damped');
    expect(registry.decisions.at(-1)?.reason.sentence).toContain('penalty 3000');
    registry.now = 1500;
    registry.feed({ type: 'tick' });
    expect(stateOf(registry)).toBe('damped');
    registry.now = 1600;
    registry.feed({ type: 'tick' });
    expect(stateOf(registry)).toBe('up');
  });
});
