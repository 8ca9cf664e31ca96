import { expect, test } from 'vitest';
import type { HeardEvent } from '../../../appliance/registry/events.ts';
import { type Address, address } from '../../../sdk/wire/address.ts';
import type { Binding, ManagerId } from '../../../sdk/wire/model.ts';
import { Registry, serverId, sessionOf } from '../../support/registry.ts';

const B = 'b'.repeat(64) as ManagerId;
const C = 'c'.repeat(64) as ManagerId;

const binding = (vip: Address, server: number, epoch: number, shared = false): Binding => ({
  ...{ vip, server: serverId(server), epoch, shared },
  hosts: [],
});

const heard = (bindings: readonly Binding[], more: Partial<HeardEvent> = {}): HeardEvent =>
  ({
    ...{ type: 'heard', manager: B, name: 'cell-b', addresses: [address('10.2.0.1')] },
    ...{ bindings, gone: [], complete: false },
    ...more,
  }) as HeardEvent;

/** A manager with one server that has a VIP of its own, up and routed. */
function serving(
  epoch = 1,
  config: ConstructorParameters<typeof Registry>[0] = {},
): { registry: Registry; vip: Address } {
  const registry = new Registry(config);
  registry.register(1, epoch);
  const ask = { type: 'lease-request', family: 4, shared: false, service: 'mcu' } as const;
  const vip = registry.say(1, ask)[0]!.vip!;
  registry.offer(1, vip);
  registry.verdict(1, 'pass');
  registry.settle();
  expect(registry.state.reached.routes.has(vip)).toBe(true);
  return { registry, vip };
}

test('a server that is heard of elsewhere with a greater epoch leaves at once: the route first, then its farm', () => {
  const { registry, vip } = serving();
  const decisions = registry.feed(heard([binding(vip, 1, 2)]));
  expect(decisions.find(({ kind }) => kind === 'server-moved')).toMatchObject({
    end: sessionOf(1),
    reason: { sentence: expect.stringContaining('cell-b') },
  });
  const { routing, dataplane } = registry.derived.wanted;
  expect(routing.routes.has(vip)).toBe(false);
  expect(dataplane.farms.size).toBe(1);
  registry.reachRoutes();
  expect(registry.derived.wanted.dataplane.farms.size).toBe(0);
  expect(registry.state.servers.size).toBe(0);
  expect([...registry.derived.wanted.dataplane.partings.values()]).toMatchObject([{ why: 'moved' }]);
});

test('an older binding elsewhere moves nothing; of equal epochs the greater manager has it', () => {
  const { registry, vip } = serving(5);
  expect(registry.feed(heard([binding(vip, 1, 4)])).map(({ kind }) => kind)).toEqual(['peer-heard']);
  // This manager is ffff…
  expect(registry.feed(heard([binding(vip, 1, 5)])).map(({ kind }) => kind)).toEqual([]);
  expect(registry.derived.wanted.routing.routes.has(vip)).toBe(true);
});

test('a binding is announced once its route is out, and no longer than that', () => {
  const registry = new Registry();
  registry.serve(1);
  registry.verdict(1, 'pass');
  const announced = () => registry.derived.wanted.notices.bindings.size;
  registry.reachFarms();
  expect([registry.derived.wanted.routing.routes.size, announced()]).toEqual([1, 0]);
  registry.reachRoutes();
  expect(announced()).toBe(1);
  expect([...registry.derived.wanted.notices.offers.values()]).toMatchObject([
    { name: 'www.mission', score: 500, servers: 1, mode: 'nat' },
  ]);
  registry.verdict(1, 'fail');
  expect(announced()).toBe(0);
});

test('a server that joins others takes none of their bindings away while the data plane puts it in', () => {
  const registry = new Registry();
  registry.serve(1);
  registry.verdict(1, 'pass');
  registry.settle();
  registry.serve(2);
  const announced = () => registry.derived.wanted.notices.bindings.size;
  registry.verdict(2, 'pass');
  expect(announced()).toBe(1);
  registry.reachFarms();
  expect(announced()).toBe(2);
});

test('a server that is awaited after a restart serves on, and is announced once it is back', () => {
  const before = serving(2);
  const registry = new Registry();
  registry.feed({
    type: 'restored',
    leases: [...before.registry.state.leases.values()].flatMap(holders => [...holders.values()]),
    servers: [...before.registry.state.servers.values()],
  });
  registry.verdict(1, 'pass');
  registry.settle();
  expect(registry.state.reached.routes.has(before.vip)).toBe(true);
  expect(registry.derived.wanted.notices.bindings.size).toBe(0);
  registry.register(1, 2);
  expect(registry.derived.wanted.notices.bindings.size).toBe(1);
});

test('a server that comes back at another session with a greater epoch is announced with it', () => {
  const { registry } = serving();
  registry.register(1, 3);
  expect([...registry.derived.wanted.notices.bindings.values()]).toMatchObject([{ epoch: 3 }]);
});

test('of two servers with one VIP the greater epoch has it: the loser is told, and asks again in vain', () => {
  const { registry, vip } = serving();
  const decisions = registry.feed(heard([binding(vip, 2, 7)]));
  expect(decisions.map(({ kind }) => kind)).toEqual([
    ...['peer-heard', 'vip-conflict', 'service-state', 'lease-revoked', 'service-state'],
  ]);
  expect(decisions[3]?.reply?.message).toMatchObject({ type: 'lease-revoked', vip, code: 'vip-taken' });
  expect(registry.derived.wanted.routing.routes.has(vip)).toBe(false);
  registry.settle();
  expect(registry.derived.wanted.dataplane.farms.size).toBe(0);
  const ask = { type: 'lease-request', family: 4, shared: false, service: 'mcu' } as const;
  expect(registry.say(1, { ...ask, vip })[0]?.reason.code).toBe('vip-taken');
  expect(registry.say(1, ask)[0]?.vip).not.toBe(vip);
});

test('the winner of a conflict stays, and says so', () => {
  const { registry, vip } = serving(9);
  const decisions = registry.feed(heard([binding(vip, 2, 7)]));
  expect(decisions.map(({ kind, reason }) => `${kind} ${reason.code}`)).toEqual([
    ...['peer-heard new', 'vip-conflict kept'],
  ]);
  expect(registry.derived.wanted.routing.routes.has(vip)).toBe(true);
  // It may ask for what it has while the other has not yet given way.
  const ask = { type: 'lease-request', family: 4, shared: false, service: 'mcu' } as const;
  expect(registry.say(1, { ...ask, vip })[0]?.kind).toBe('lease-granted');
});

test('of equal epochs the greater server has the VIP', () => {
  const first = serving(7);
  first.registry.feed(heard([binding(first.vip, 2, 7)]));
  expect(first.registry.derived.wanted.routing.routes.size).toBe(0);
  const second = serving(7);
  second.registry.feed(heard([{ ...binding(second.vip, 2, 7), server: serverId(0) }]));
  expect(second.registry.derived.wanted.routing.routes.size).toBe(1);
});

test('a shared VIP is nobody’s alone: nothing leaves but a server that moved', () => {
  const registry = new Registry();
  const vip = registry.serve(1);
  registry.serve(2);
  for (const number of [1, 2]) registry.verdict(number, 'pass');
  registry.settle();
  registry.feed(heard([binding(vip, 3, 9, true), binding(vip, 2, 2, true)]));
  expect([...registry.state.servers.keys()]).toEqual([serverId(1)]);
  expect(registry.derived.wanted.routing.routes.has(vip)).toBe(true);
  expect(registry.state.partings.size).toBe(0);
});

test('who registers with an epoch that is not above the one elsewhere is refused, with the greater one', () => {
  const registry = new Registry();
  registry.feed(heard([binding(address('10.255.0.9'), 1, 4)]));
  for (const epoch of [3, 4])
    expect(registry.register(1, epoch)[0]?.reason).toMatchObject({
      code: 'epoch-stale',
      sentence: expect.stringContaining('cell-b with 4'),
    });
  expect(registry.register(1, 5)[0]?.kind).toBe('server-registered');
});

const present = (registry: Registry, number: number, vip: Address, holder = number, epoch = 1) =>
  registry.say(number, {
    ...{ type: 'register', versions: [1, 1], name: `s${number}`, server: serverId(number) },
    ...{ addresses: [address('10.1.0.9')], epoch, heartbeat: 0, software: '' },
    leases: [
      {
        ...{ vip, server: serverId(holder), issuer: B, epoch: 1, duration: 60, shared: false },
        signature: new Uint8Array(0),
      },
    ],
  });

test('a lease of another manager is taken up, also of a VIP outside the pools, and given again under this one’s name', () => {
  const registry = new Registry();
  const vip = address('10.77.0.1');
  present(registry, 1, vip, 1, 4);
  const ask = { type: 'lease-request', vip, family: 4, shared: false, service: 'mcu' } as const;
  expect(registry.say(1, ask)[0]?.reply?.message).toMatchObject({
    lease: { vip, issuer: registry.config.manager, epoch: 4 },
  });
});

test('VIPs that may be brought along are those of the configuration, where it says which', () => {
  const range = { family: 4, first: 0x0a4d0000n, last: 0x0a4d00ffn } as const;
  const registry = new Registry({ roaming: { vips: [range], peers: 9, bindings: 9 } });
  for (const text of ['10.77.0.1', '10.78.0.1', '10.255.0.3']) present(registry, 1, address(text));
  expect([...registry.state.leases.keys()].sort()).toEqual(['10.255.0.3', '10.77.0.1']);
});

test('a lease that another key presents is refused, and told of', () => {
  const registry = new Registry();
  const [decision] = present(registry, 2, address('10.255.0.9'), 1);
  expect(decision).toMatchObject({ kind: 'lease-misused', reply: { message: { code: 'lease-foreign' } } });
  expect(registry.state.servers.size).toBe(0);
});

test('what is bound elsewhere is not granted, and not for the length of a lease after that', () => {
  const pool = { family: 4, first: 0x0aff0000n, last: 0x0aff0001n } as const;
  const registry = new Registry({ pools: [pool], leaseDuration: 10 });
  const [one, two] = [address('10.255.0.0'), address('10.255.0.1')];
  registry.feed(heard([binding(one, 8, 1), binding(two, 9, 1)]));
  registry.register(1);
  const ask = { type: 'lease-request', family: 4, shared: false, service: 'mcu' } as const;
  expect(registry.say(1, ask)[0]?.reason.code).toBe('pool-exhausted');
  registry.feed(heard([binding(two, 9, 1)], { complete: true } as never));
  expect(registry.say(1, ask)[0]?.reason.code).toBe('pool-exhausted');
  // Its last holder may have it back.
  present(registry, 8, one, 8, 2);
  expect(registry.state.leases.has(one)).toBe(true);
  registry.say(8, { type: 'lease-release', vip: one });
  registry.feed({ type: 'tick' }, 11_000);
  expect(registry.say(1, ask)[0]?.vip).toBe(one);
});

test('what was elsewhere before a restart is not granted after it, and its holder may have it back', () => {
  const pool = { family: 4, first: 0x0aff0000n, last: 0x0aff0000n } as const;
  const [vip, foreign] = [address('10.255.0.0'), address('10.254.0.1')];
  const before = new Registry({ pools: [pool], leaseDuration: 10 });
  before.feed(heard([binding(vip, 8, 1), binding(foreign, 9, 1)]));
  const { kept } = before.state.elsewhere;
  // Of what is not this manager's to grant nothing need be written down.
  expect([...kept.keys()]).toEqual([vip]);
  const list = [...kept.entries()].map(([at, { server, shared }]) => ({ vip: at, server, shared }));
  const restarted = (): Registry => {
    const registry = new Registry({ pools: [pool], leaseDuration: 10 });
    registry.feed({ type: 'restored', leases: [], servers: [], kept: list });
    return registry;
  };
  const registry = restarted();
  const ask = { type: 'lease-request', family: 4, shared: false, service: 'mcu' } as const;
  registry.register(1);
  expect(registry.say(1, ask)[0]?.reason.code).toBe('pool-exhausted');
  registry.feed({ type: 'tick' }, 10_001);
  expect(registry.say(1, ask)[0]?.vip).toBe(vip);
  const other = restarted();
  present(other, 8, vip, 8, 2);
  expect(other.state.leases.has(vip)).toBe(true);
});

test('a lease is taken up against a manager that is silent, not against one that is heard', () => {
  const vip = address('10.255.0.9');
  const registry = new Registry();
  registry.feed(heard([binding(vip, 2, 4)]));
  present(registry, 1, vip);
  expect(registry.state.leases.size).toBe(0);
  expect(registry.feed({ type: 'peer-silent', manager: B }).map(({ kind }) => kind)).toEqual(['peer-silent']);
  present(registry, 1, vip);
  expect(registry.state.leases.size).toBe(1);
});

test('who took a VIP up while its manager was silent gives it back once that is heard again, with nothing new', () => {
  const vip = address('10.255.0.9');
  const registry = new Registry();
  registry.feed(heard([binding(vip, 2, 4)]));
  registry.feed({ type: 'peer-silent', manager: B });
  present(registry, 1, vip);
  expect(registry.state.leases.size).toBe(1);
  expect(registry.feed(heard([])).map(({ kind }) => kind)).toEqual([
    'peer-heard',
    'vip-conflict',
    'lease-revoked',
  ]);
  expect(registry.state.leases.size).toBe(0);
});

test('a peer that is gone takes its bindings along; its servers may come with their epochs', () => {
  const registry = new Registry();
  const vip = address('10.255.0.9');
  registry.feed(heard([binding(vip, 1, 4)]));
  registry.feed(heard([binding(vip, 1, 3)], { manager: C, name: 'cell-c' } as never));
  registry.feed({ type: 'peer-gone', manager: B });
  expect(registry.register(1, 3)[0]?.reason.sentence).toContain('cell-c');
  expect(registry.register(1, 4)[0]?.kind).toBe('server-registered');
  const { elsewhere } = registry.state;
  expect([elsewhere.count, elsewhere.peers.size, elsewhere.byVip.get(vip)?.length]).toEqual([1, 1, 1]);
});

test('the limits of peers and bindings hold, and are told of once', () => {
  const registry = new Registry({ roaming: { vips: undefined, peers: 1, bindings: 2 } });
  const bindings = [1, 2, 3].map(number => binding(address(`10.255.0.${number}`), number, 1));
  const codes = (event: HeardEvent) => registry.feed(event).map(({ kind }) => kind);
  expect(codes(heard(bindings))).toEqual(['peer-heard', 'limit-reached']);
  expect(codes(heard(bindings, { manager: C } as never))).toEqual([]);
  expect([registry.state.elsewhere.count, registry.state.elsewhere.peers.size]).toEqual([2, 1]);
});

test('a limit that is reached again, after there was room, is told of again; at the limit it is not', () => {
  const registry = new Registry({ roaming: { vips: undefined, peers: 1, bindings: 10 } });
  const some = (count: number) =>
    Array.from({ length: count }, (_, at) => binding(address(`10.255.0.${at + 1}`), at + 1, 1));
  const codes = (event: HeardEvent) => registry.feed(event).map(({ kind }) => kind);
  const whole = (count: number) => heard(some(count), { complete: true } as never);
  expect(codes(whole(11))).toEqual(['peer-heard', 'limit-reached']);
  expect([codes(whole(10)), codes(whole(11))]).toEqual([[], []]);
  expect([codes(whole(5)), codes(whole(4))]).toEqual([[], []]);
  // There is no room for another manager.
  expect(codes(whole(11))).toEqual([]);
  registry.feed({ type: 'peer-gone', manager: B });
  expect(codes(whole(11))).toEqual(['peer-heard', 'limit-reached']);
});

test('also a binding for which there is no room takes its server away', () => {
  const { registry, vip } = serving(1, { roaming: { vips: undefined, peers: 9, bindings: 1 } });
  registry.feed(heard([binding(address('10.255.0.77'), 7, 1)]));
  expect(registry.feed(heard([binding(vip, 1, 2)])).map(({ kind }) => kind)).toContain('server-moved');
});

test('a manager never hears itself', () => {
  const { registry, vip } = serving();
  expect(registry.feed(heard([binding(vip, 1, 99)], { manager: registry.config.manager } as never))).toEqual(
    [],
  );
});

test('flows of a server that is silent and has its VIP alone may live on; of one whose connection closed they do not', () => {
  for (const [code, partings] of [
    ['heartbeat', ['lost']],
    ['closed', []],
  ] as const) {
    const { registry } = serving();
    registry.feed({ type: 'session-ended', session: sessionOf(1), reason: { code, sentence: '' } });
    const { dataplane, routing } = registry.derived.wanted;
    expect([...dataplane.partings.values()].map(({ why }) => why)).toEqual(partings);
    expect(routing.routes.size).toBe(0);
    // What still comes until the route is gone would be reset, were nothing behind the VIP.
    expect(dataplane.farms.size).toBe(partings.length);
    registry.reachRoutes();
    expect(registry.derived.wanted.dataplane.farms.size).toBe(0);
  }
});

test('who stops ends its flows, also after it was silent a moment ago; its lease is kept', () => {
  const { registry, vip } = serving();
  const silent = { code: 'heartbeat', sentence: '' };
  registry.feed({ type: 'session-ended', session: sessionOf(1), reason: silent });
  expect(registry.derived.wanted.dataplane.partings.size).toBe(1);
  registry.register(1);
  registry.say(1, { type: 'deregister' });
  expect(registry.state.leases.has(vip)).toBe(true);
  expect(registry.derived.wanted.dataplane.partings.size).toBe(0);
});

test('who leaves for another manager keeps its flows, and its lease', () => {
  const { registry, vip } = serving();
  registry.say(1, { type: 'deregister', elsewhere: true });
  expect(registry.state.leases.has(vip)).toBe(true);
  expect([...registry.derived.wanted.dataplane.partings.values()]).toMatchObject([{ why: 'moved' }]);
  registry.feed({ type: 'tick' }, 60_001);
  expect(registry.derived.wanted.dataplane.partings.size).toBe(0);
});

test('a server that returns is served here again', () => {
  const { registry, vip } = serving();
  registry.feed(heard([binding(vip, 1, 2)]));
  registry.settle();
  registry.register(1, 3);
  const ask = { type: 'lease-request', vip, family: 4, shared: false, service: 'mcu' } as const;
  expect(registry.say(1, ask)[0]?.kind).toBe('lease-granted');
  registry.offer(1, vip);
  registry.verdict(1, 'pass');
  registry.settle();
  expect([...registry.derived.wanted.notices.bindings.values()]).toMatchObject([{ epoch: 3 }]);
});
