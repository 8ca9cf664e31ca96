import { describe, expect, test } from 'vitest';
import type { Decision } from '../../../appliance/registry/decision.ts';
import { Table } from '../../../appliance/registry/table.ts';
import type { Address } from '../../../sdk/wire/address.ts';
import { Registry, serverId, service } from '../../support/registry.ts';

const told = (decisions: readonly Decision[]): string[] =>
  decisions.flatMap(({ reply }) => (reply?.message.type === 'service-state' ? [reply.message.state] : []));

describe('order, up', () => {
  test('check, then farm, then route, then the server is told', () => {
    const registry = new Registry();
    const vip = registry.serve(1);
    expect(registry.derived.wanted.dataplane.farms.size).toBe(0);
    registry.verdict(1, 'pass');
    expect([...registry.derived.wanted.dataplane.farms.values()].map(farm => farm.members.length)).toEqual([
      1,
    ]);
    expect(registry.derived.wanted.routing.routes.size).toBe(0);
    expect(told(registry.reachFarms())).toEqual([]);
    expect(registry.derived.wanted.routing.routes.get(vip)).toBe(20);
    expect(told(registry.reachRoutes())).toEqual(['up']);
  });

  test('a second server is told only when the farm has it, though the route is out already', () => {
    const registry = new Registry();
    registry.serve(1);
    registry.verdict(1, 'pass');
    registry.settle();
    registry.serve(2);
    expect(told(registry.verdict(2, 'pass'))).toEqual([]);
    expect(told(registry.reachFarms())).toEqual(['up']);
  });

  /** Two services of one VIP, of a server with that epoch; the first one passes its check. */
  const half = (epoch: number): { readonly registry: Registry; readonly vip: Address } => {
    const registry = new Registry();
    registry.register(1, epoch);
    const lease = { type: 'lease-request', family: 4, shared: true, service: 'www.mission' } as const;
    const vip = registry.say(1, lease)[0]!.vip!;
    registry.offer(1, vip);
    registry.offer(1, vip, { id: 2, ports: [{ first: 7, last: 7 }], protocol: 'echo' });
    registry.verdict(1, 'pass');
    registry.reachFarms();
    return { registry, vip };
  };

  test('a server that came from elsewhere has flows to all of its ports: no route before each is carried', () => {
    const { registry, vip } = half(2);
    const routed = (): boolean => registry.derived.wanted.routing.routes.has(vip);
    expect(routed()).toBe(false);
    registry.verdict(1, 'pass', 2);
    expect(routed()).toBe(false);
    registry.reachFarms();
    expect(routed()).toBe(true);
  });

  test('so has one that was lost a moment ago, and is back', () => {
    const { registry, vip } = half(1);
    registry.verdict(1, 'pass', 2);
    registry.settle();
    registry.end(1);
    registry.settle();
    registry.register(1);
    for (const id of [1, 2] as const) {
      expect(registry.derived.wanted.routing.routes.has(vip)).toBe(false);
      registry.verdict(1, 'pass', id);
      registry.reachFarms();
    }
    expect(registry.derived.wanted.routing.routes.has(vip)).toBe(true);
  });

  test('neither does one of them that is down hold it up, nor is a server that only boots held up', () => {
    const { registry, vip } = half(2);
    registry.verdict(1, 'fail', 2);
    expect(registry.derived.wanted.routing.routes.has(vip)).toBe(true);
    const booted = half(1);
    expect(booted.registry.derived.wanted.routing.routes.has(booted.vip)).toBe(true);
  });

  test('nothing is told of a service before its first check', () => {
    const registry = new Registry();
    const vip = registry.serve(1);
    registry.settle();
    expect(registry.derived.wanted.directory.byVip.has(vip)).toBe(false);
    registry.verdict(1, 'pass');
    expect(
      registry.derived.wanted.directory.byVip.get(vip)?.map(server => server.services[0]!.score),
    ).toEqual([1000]);
    expect(registry.derived.wanted.directory.byName.get('www.mission')).toEqual([vip]);
  });
});

describe('order, down', () => {
  test('the route of the last server goes before its withdrawn service leaves the farm', () => {
    const registry = new Registry();
    const vip = registry.serve(1);
    registry.verdict(1, 'pass');
    registry.settle();
    registry.say(1, { type: 'withdraw-service', service: 1 });
    expect(registry.derived.wanted.routing.routes.has(vip)).toBe(false);
    expect([...registry.derived.wanted.dataplane.farms.values()][0]?.members[0]?.accepts).toBe(true);
    expect(told(registry.reachRoutes())).toEqual(['down']);
    expect(registry.derived.wanted.dataplane.farms.size).toBe(0);
  });

  test('a withdrawn service that others serve leaves at once, and the route stays', () => {
    const registry = new Registry();
    const vip = registry.serve(1);
    expect(registry.serve(2)).toBe(vip);
    registry.verdict(1, 'pass');
    registry.verdict(2, 'pass');
    registry.settle();
    registry.say(1, { type: 'withdraw-service', service: 1 });
    expect(registry.derived.wanted.routing.routes.has(vip)).toBe(true);
    const [farm] = [...registry.derived.wanted.dataplane.farms.values()];
    expect(farm?.members.map(member => member.server)).toEqual([serverId(2)]);
  });

  test('a drained service keeps its flows and takes no new ones', () => {
    const registry = new Registry();
    registry.serve(1);
    registry.serve(2);
    registry.verdict(1, 'pass');
    registry.verdict(2, 'pass');
    registry.settle();
    registry.say(1, { type: 'drain-service', service: 1 });
    const [farm] = [...registry.derived.wanted.dataplane.farms.values()];
    expect(farm?.members.map(member => member.accepts)).toEqual([false, true]);
  });

  test('a closed session takes its services out at once', () => {
    const registry = new Registry();
    const vip = registry.serve(1);
    registry.verdict(1, 'pass');
    registry.settle();
    registry.end(1);
    expect(registry.derived.wanted.routing.routes.has(vip)).toBe(false);
    expect(registry.derived.wanted.dataplane.farms.size).toBe(0);
    expect(registry.derived.wanted.directory.byVip.has(vip)).toBe(false);
  });

  test('stopping withdraws the routes first and the farms stay until then', () => {
    const registry = new Registry();
    registry.serve(1);
    registry.verdict(1, 'pass');
    registry.settle();
    registry.feed({ type: 'stop' });
    expect(registry.derived.wanted.routing.routes.size).toBe(0);
    expect(registry.derived.wanted.dataplane.farms.size).toBe(1);
  });
});

test('two services of one server on the same port are one member, and both are told of', () => {
  const registry = new Registry();
  const vip = registry.serve(1);
  registry.say(1, { type: 'register-service', service: service(vip, { id: 2 }) });
  registry.verdict(1, 'pass', 1);
  registry.verdict(1, 'pass', 2);
  const [farm] = registry.derived.wanted.dataplane.farms.keys();
  registry.feed({ type: 'reached', farms: Table.from([[farm as string, 1]]) });
  expect(told(registry.reachRoutes())).toEqual(['up', 'up']);
});

describe('a server that comes back', () => {
  test('its services are down until they are checked again', () => {
    const registry = new Registry();
    const vip = registry.serve(1);
    registry.verdict(1, 'pass');
    registry.settle();
    registry.end(1);
    registry.settle();
    expect(registry.serve(1)).toBe(vip);
    expect(registry.state.servers.get(serverId(1))?.services.get(1)?.state).toBe('pending');
    registry.verdict(1, 'pass');
    registry.settle();
    expect(registry.derived.wanted.routing.routes.has(vip)).toBe(true);
  });

  test('a newer session of the same server ends the older one', () => {
    const registry = new Registry();
    registry.register(1);
    const decisions = registry.feed({
      type: 'message',
      session: 'other' as never,
      claims: { server: undefined, names: undefined, vips: undefined, ports: undefined },
      peer: '10.1.0.1' as never,
      message: {
        type: 'register',
        transaction: 9,
        versions: [1, 1],
        server: serverId(1),
        name: 's1',
        addresses: [],
        epoch: 1,
        heartbeat: 0,
        leases: [],
        software: 't',
      },
    });
    expect(decisions[0]?.end).toBe('session-1');
    expect(registry.end(1)).toEqual([]);
    expect(registry.state.servers.get(serverId(1))?.session).toBe('other');
  });
});

describe('restart', () => {
  test('what was up stays up, unscored, until it is checked or the grace is over', () => {
    const first = new Registry();
    const vip = first.serve(1);
    first.verdict(1, 'pass');
    first.settle();
    const second = new Registry();
    second.now = 5000;
    const leases = [...first.state.leases.values()].flatMap(holders => [...holders.values()]);
    second.feed({ type: 'restored', leases, servers: [...first.state.servers.values()] });
    second.settle();
    expect(second.derived.wanted.routing.routes.has(vip)).toBe(true);
    expect(second.derived.wanted.directory.byVip.has(vip)).toBe(false);
    second.now += second.config.grace;
    second.feed({ type: 'tick' });
    expect(second.derived.wanted.routing.routes.has(vip)).toBe(false);
  });
});
