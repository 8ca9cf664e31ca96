import { describe, expect, test } from 'vitest';
import { wantsCounts } from '../../../appliance/registry/counts.ts';
import { serverScore } from '../../../appliance/registry/score.ts';
import type { ServiceRecord } from '../../../appliance/registry/state.ts';
import { Registry, serverId } from '../../support/registry.ts';

const only = (registry: Registry): ServiceRecord =>
  [...registry.state.servers.get(serverId(1))!.services.values()][0]!;

/** A server with a capacity of 100 that is up, and the key of its farm. */
function serving(capacity = 100): {
  readonly registry: Registry;
  readonly key: string;
  readonly member: string;
} {
  const registry = new Registry();
  registry.serve(1, { capacity });
  registry.verdict(1, 'pass');
  const { spec, address } = only(registry);
  return { registry, key: `${spec.vip}|tcp|80-80`, member: `${address}|0` };
}

describe('connections that the data plane counts', () => {
  test('stand for the reports of a server that gives none', () => {
    const { registry, key, member } = serving();
    expect(wantsCounts(registry.state)).toBe(true);
    registry.feed({ type: 'counted', connections: new Map([[key, new Map([[member, 50]])]]) });
    expect(serverScore(only(registry))).toBe(500);
    // An average of 30 s: 50 counted for so long, then for half a minute whatever comes after.
    registry.feed({ type: 'counted', connections: new Map() }, 30_000);
    expect(serverScore(only(registry))).toBe(500);
    registry.feed({ type: 'counted', connections: new Map() }, 30_000);
    expect(only(registry).report?.average).toBeCloseTo(50 / Math.E, 5);
  });

  test('say nothing of one that reports itself, nor without a capacity', () => {
    const { registry, key, member } = serving();
    registry.say(1, { type: 'report', reports: [{ service: 1, state: 'up', connections: 10, load: 0 }] });
    expect(wantsCounts(registry.state)).toBe(false);
    const before = registry.state;
    registry.feed({ type: 'counted', connections: new Map([[key, new Map([[member, 90]])]]) });
    expect(registry.state).toBe(before);
    expect(wantsCounts(serving(0).registry.state)).toBe(false);
  });

  test('are forgotten for its own word', () => {
    const { registry, key, member } = serving();
    registry.feed({ type: 'counted', connections: new Map([[key, new Map([[member, 80]])]]) });
    registry.say(1, { type: 'report', reports: [{ service: 1, state: 'up', connections: 10, load: 0 }] });
    expect(only(registry).report?.counted).toBeUndefined();
    expect(wantsCounts(registry.state)).toBe(false);
  });
});
