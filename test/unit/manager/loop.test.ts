/** When the loop hands out what follows from its events. */
import { expect, test } from 'vitest';
import type { Derived } from '../../../appliance/desired/derive.ts';
import { createLoop } from '../../../appliance/loop.ts';
import { toInteger } from '../../../appliance/registry/pool.ts';
import { Table } from '../../../appliance/registry/table.ts';
import { address } from '../../../sdk/wire/address.ts';
import type { ServerMessage } from '../../../sdk/wire/messages.ts';
import { ANYTHING, check, registryConfig, serverId, service, sessionOf } from '../../support/registry.ts';
import { VirtualClock } from '../../support/virtual.ts';

const registerOf = (number: number): ServerMessage => ({
  type: 'register',
  transaction: 1,
  versions: [1, 1],
  server: serverId(number),
  name: `server${number}`,
  addresses: [address('10.1.0.1')],
  epoch: 1,
  heartbeat: 0,
  leases: [],
  certificates: [],
  software: 'test',
});

function rig(during: () => void = () => {}) {
  const clock = new VirtualClock();
  const handedOut: Derived[] = [];
  const decided: string[] = [];
  let told = 0;
  const loop = createLoop({
    rules: {
      registry: registryConfig({
        limits: { servers: 1000, servicesPerServer: 64, leasesPerServer: 64 },
        pools: [
          { family: 4, first: toInteger(address('10.255.0.0')), last: toInteger(address('10.255.15.255')) },
        ],
      }),
      desired: { metric: () => 20 },
    },
    clock,
    onDecision({ kind, reason }) {
      decided.push(kind);
      if (reason.code === 'told-up') told++;
    },
    onDerived(derived) {
      handedOut.push(derived);
      during();
    },
  });
  const register = (number: number): void =>
    loop.dispatch({
      type: 'message',
      session: sessionOf(number),
      claims: ANYTHING,
      peer: address('10.1.0.1'),
      message: registerOf(number),
    });
  const crowd = (first: number): void => {
    for (let number = first; number < first + 10; number++) register(number);
  };
  /** Brings up so many services, each at a VIP of its own, and has the drivers reach them. */
  const serve = (first: number, count: number): void => {
    const session = sessionOf(1000 + first);
    const say = (message: object): void =>
      loop.dispatch({
        ...{ type: 'message', session, claims: ANYTHING, peer: address('10.1.0.1') },
        message: { transaction: 1, ...message } as never,
      });
    say(registerOf(1000 + first));
    for (let at = first; at < first + count; at++) {
      const vip = address(`10.255.${at >> 8}.${at & 255}`);
      say({ type: 'lease-request', vip, family: 4, shared: false, service: '' });
      say({
        type: 'register-service',
        service: service(vip, { id: at + 1, check: check({ kind: 'none' }) }),
      });
    }
    loop.settle();
    const wanted = [...loop.derived.wanted.dataplane.farms.entries()];
    const farms = Table.from(wanted.map(([key, { members }]) => [key, members.length] as const));
    loop.dispatch({ type: 'reached', farms });
    loop.settle();
    loop.dispatch({ type: 'reached', routes: loop.derived.wanted.routing.routes });
    loop.settle();
  };
  const lose = (number: number): void =>
    loop.dispatch({
      type: 'session-ended',
      session: sessionOf(number),
      reason: { code: 'closed', sentence: 'closed' },
    });
  return { clock, loop, handedOut, decided, register, crowd, serve, lose, told: () => told };
}

test('an event is decided at once and handed out in its turn', () => {
  const { clock, loop, handedOut, decided, register } = rig();
  register(1);
  expect([decided, handedOut.length, loop.state.servers.size]).toEqual([['server-registered'], 0, 1]);
  clock.advanceSync(0);
  expect(handedOut.map(({ state }) => state)).toEqual([loop.state]);
  register(2);
  clock.advanceSync(0);
  expect(handedOut.length).toBe(2);
});

test('all of one turn is handed out once', () => {
  const { clock, loop, handedOut, crowd } = rig();
  crowd(1);
  clock.advanceSync(0);
  expect(handedOut.map(({ state }) => state)).toEqual([loop.state]);
  expect(clock.pending).toEqual([]);
});

test('a crowd is handed out every 12 ms, and its last as soon as no more come', () => {
  const { clock, loop, handedOut, crowd } = rig();
  for (let turn = 0; turn < 60; turn++) {
    crowd(1 + turn * 10);
    clock.advanceSync(0.5);
  }
  expect(handedOut.length).toBe(3);
  clock.advanceSync(2);
  expect(handedOut.length).toBe(4);
  expect(handedOut.at(-1)!.state).toBe(loop.state);
  expect(clock.pending).toEqual([]);
});

test('a loss waits for no crowd', () => {
  const { clock, loop, handedOut, crowd, lose } = rig();
  crowd(1);
  clock.advanceSync(0);
  crowd(11);
  clock.advanceSync(0.5);
  expect(handedOut.length).toBe(1);
  lose(1);
  clock.advanceSync(0);
  expect(handedOut.length).toBe(2);
  expect(handedOut.at(-1)!.state).toBe(loop.state);
  clock.advanceSync(100);
  expect(handedOut.length).toBe(2);
});

test('settle hands out at once and only once; what changes nothing is not handed out', () => {
  const { clock, loop, handedOut, register } = rig();
  register(1);
  loop.settle();
  loop.settle();
  loop.dispatch({ type: 'tick' });
  clock.advanceSync(100);
  expect(handedOut.length).toBe(1);
});

test('an event that changes much is handed out at once; what comes of it, not from within', () => {
  let within: (() => void) | undefined;
  const { clock, loop, handedOut, register } = rig(() => within?.());
  register(1);
  const [session, claims, peer, vip] = [sessionOf(1), ANYTHING, address('10.1.0.1'), address('10.255.0.1')];
  const say = (message: ServerMessage): void =>
    loop.dispatch({ type: 'message', session, claims, peer, message });
  say({ type: 'lease-request', transaction: 2, vip, family: 4, shared: false, service: 's.test' });
  const ids = Array.from({ length: 60 }, (_, index) => index + 1);
  for (const id of ids) {
    const ports = [{ first: 1000 + id, last: 1000 + id }];
    const spec = service(vip, { id, ports, check: check({ kind: 'none' }) });
    say({ type: 'register-service', transaction: 3, service: spec });
  }
  clock.advanceSync(100);
  const report = (state: 'up' | 'down', services: readonly number[]): void =>
    say({
      type: 'report',
      reports: services.map(id => ({ service: id, state, connections: 0, load: 0 })),
    });
  const before = handedOut.length;
  report('down', ids.slice(0, 10));
  expect(handedOut.length).toBe(before);
  within = () => {
    within = undefined;
    report('up', ids);
  };
  report('down', ids);
  expect(handedOut.length).toBe(before + 1);
  expect(loop.derived.state).not.toBe(loop.state);
  clock.advanceSync(100);
  expect(handedOut.length).toBe(before + 2);
  expect(loop.derived.state).toBe(loop.state);
});

test('in a crowd of VIPs directory and ARP follow when servers are told, unless somebody has gone', () => {
  const { clock, loop, serve, lose } = rig();
  const shown = (first: number): readonly boolean[] => {
    const { directory, arp } = loop.derived.wanted;
    const vip = address(`10.255.0.${first}`);
    return [directory.byVip.has(vip), arp.vips.has(vip)];
  };
  serve(0, 60);
  expect(loop.derived.wanted.routing.routes.size).toBe(60);
  clock.advanceSync(24);
  expect(shown(0)).toEqual([false, false]);
  clock.advanceSync(1);
  expect(shown(0)).toEqual([true, true]);
  serve(60, 60);
  expect(shown(60)).toEqual([false, false]);
  lose(1000);
  clock.advanceSync(0);
  expect(shown(0)).toEqual([false, false]);
  expect(shown(60)).toEqual([true, true]);
  expect(loop.derived.rest).toBe(loop.derived.state);
});

test('that a crowd has lost its routes is handed out in its turn, that it has them when servers are told, that one has it at once', () => {
  const { clock, loop, handedOut, serve } = rig();
  serve(0, 60);
  clock.advanceSync(100);
  const { routes } = loop.state.reached;
  const before = handedOut.length;
  loop.dispatch({ type: 'reached', routes: Table.empty() });
  expect(handedOut.length).toBe(before);
  clock.advanceSync(12);
  expect(handedOut.length).toBeGreaterThan(before);
  const lost = handedOut.length;
  loop.dispatch({ type: 'reached', routes });
  clock.advanceSync(24);
  expect(handedOut.length).toBe(lost);
  clock.advanceSync(1);
  expect(handedOut.length).toBe(lost + 1);
  clock.advanceSync(100);
  const then = handedOut.length;
  loop.dispatch({ type: 'reached', routes: routes.without(address('10.255.0.1')) });
  expect(handedOut.length).toBe(then + 1);
});

test('servers of a crowd of VIPs are told together, when no more have come for a while or after 120 ms; a few at once', () => {
  const { clock, loop, told, serve } = rig();
  serve(0, 60);
  expect(told()).toBe(0);
  clock.advanceSync(25);
  expect(told()).toBe(60);
  let waited = 0;
  for (let next = 60; told() === 60; next += 60, waited += 15) {
    serve(next, 60);
    clock.advanceSync(15);
  }
  expect(waited).toBe(120);
  clock.advanceSync(120);
  const before = told();
  serve(900, 1);
  expect(told()).toBe(before + 1);
  expect(loop.state).toBe(loop.derived.state);
});
