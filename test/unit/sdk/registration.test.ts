import { describe, expect, it } from 'vitest';
import { type RegisterOptions, Registration, register } from '../../../sdk/server/register.ts';
import { address } from '../../../sdk/wire/address.ts';
import type { ServerMessage } from '../../../sdk/wire/messages.ts';
import type { Lease, ServerId } from '../../../sdk/wire/model.ts';
import { scene, web } from './scene.ts';
import { leaseOf, MANAGER_ID, ScriptedManager, VIP, World } from './world.ts';

const tls = { name: 'www.example.org', protocol: 'https', ports: 443 };
const mcu = { name: 'mcu.example.org', protocol: 'h323', ports: 1720, vip: '10.99.0.7' };

const refusing =
  (
    type: ServerMessage['type'],
    code: 'vip-taken' | 'no-lease' | 'shutting-down' | 'epoch-stale',
    times = 1,
  ) =>
  (message: ServerMessage) => {
    if (message.type !== type || !('transaction' in message) || times-- <= 0) return undefined;
    return [{ type: 'refused' as const, transaction: message.transaction, code, sentence: '' }];
  };

describe('a registration', () => {
  it('registers, is leased a VIP, installs it, and only then registers its services', async () => {
    const installed: Lease[] = [];
    const { world, manager, registration, log } = await scene({
      services: [web, tls, mcu],
      install: async lease => {
        await new Promise<void>(resolve => void world.clock.after('install', 5, resolve));
        installed.push(lease);
      },
    });
    registration.start();
    await world.clock.runUntil(() => log.includes('service 3 up'));
    expect(manager.heard[0]).toMatchObject({
      type: 'register',
      name: 'one',
      epoch: 1,
      addresses: ['10.0.0.9'],
      versions: [1, 1],
      leases: [],
    });
    // The two services of one name share a lease; the named VIP is asked for, and shared.
    expect(manager.of('lease-request').map(({ vip, shared, service }) => [vip, shared, service])).toEqual([
      [undefined, false, 'www.example.org'],
      ['10.99.0.7', true, 'mcu.example.org'],
    ]);
    expect(installed.map(lease => lease.vip)).toEqual([VIP, '10.99.0.7']);
    expect(manager.of('register-service').map(({ service }) => [service.id, service.vip])).toEqual([
      [1, VIP],
      [2, VIP],
      [3, '10.99.0.7'],
    ]);
    const first = manager.heard.findIndex(message => message.type === 'register-service');
    expect(manager.times[first]! - manager.times[first - 1]!).toBeGreaterThanOrEqual(5);
    expect(log.slice(0, 4)).toEqual(['searching', 'connecting', 'registering', 'registered']);
  });

  it('renews at half of the lease', async () => {
    const { world, manager, registration, log, up } = await scene();
    registration.start();
    await up();
    await world.clock.advance(29_000);
    expect(manager.of('lease-renew').length).toBe(0);
    await world.clock.advance(92_000);
    expect(manager.of('lease-renew').length).toBe(4);
    expect(manager.of('register-service').length).toBe(1);
    expect(log.filter(entry => entry === `lease renewed ${VIP}`).length).toBe(4);
  });

  it('after the manager restarts, is back at once with the same leases, services and last reports', async () => {
    const { world, manager, registration, log, up } = await scene();
    registration.start();
    await up();
    registration.report({ service: 1, state: 'up', connections: 42, load: 10 });
    await world.clock.advance(10_000);
    const lost = world.clock.now();
    manager.drop();
    await world.clock.runUntil(() => manager.of('report').length === 2);
    expect(world.clock.now() - lost).toBeLessThan(60);
    expect(manager.of('register')[1]!.leases).toMatchObject([{ vip: VIP }]);
    expect(manager.of('lease-renew')).toMatchObject([{ vip: VIP }]);
    expect(manager.of('lease-request').length).toBe(1);
    expect(manager.of('register-service').length).toBe(2);
    expect(manager.of('report')[1]!.reports).toEqual([
      { service: 1, state: 'up', connections: 42, load: 10 },
    ]);
    expect(log).not.toContain(`lease lost ${VIP}`);
  });

  it('keeps what it holds however long the manager is away, and backs off', async () => {
    const { world, manager, registration, log, up } = await scene();
    registration.start();
    await up();
    await world.clock.advance(10_000);
    world.manager.kill();
    const pauses: number[] = [];
    registration.on('lost', ({ retryIn }) => pauses.push(retryIn));
    await world.clock.advance(600_000);
    expect(log).not.toContain(`lease lost ${VIP}`);
    expect(pauses[0]).toBeLessThan(50);
    expect(pauses[3]).toBeGreaterThan(200);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(2000);
    expect(pauses.at(-1)).toBeGreaterThanOrEqual(1000);
    await manager.listen();
    await world.clock.runUntil(() => registration.state === 'registered', 2100);
    expect(manager.of('register')[1]!.leases).toMatchObject([{ vip: VIP }]);
  });

  it('does not storm a manager that takes registrations and drops them', async () => {
    const { world, manager, registration } = await scene();
    manager.override = message => {
      if (message.type === 'lease-request') manager.drop();
      return undefined;
    };
    registration.start();
    await world.clock.advance(60_000);
    expect(manager.connections).toBeGreaterThan(5);
    expect(manager.connections).toBeLessThan(65);
  });

  it('gives its VIP up when the manager says that it is another one’s, and takes a new one', async () => {
    const { world, manager, registration, log, up } = await scene();
    registration.start();
    await up();
    const other = address('10.99.0.2');
    manager.override = message => {
      if (message.type === 'lease-renew') return refusing('lease-renew', 'no-lease')(message);
      if (message.type !== 'lease-request') return undefined;
      if (message.vip === VIP) return refusing('lease-request', 'vip-taken')(message);
      const lease = leaseOf(other, { server: registration.server });
      return [{ type: 'lease', transaction: message.transaction, lease }];
    };
    manager.drop();
    await world.clock.runUntil(() => log.filter(entry => entry === 'service 1 up').length === 2);
    expect(log.slice(log.indexOf(`lease lost ${VIP}`)).filter(entry => entry.startsWith('lease'))).toEqual([
      `lease lost ${VIP}`,
      `lease granted ${other}`,
    ]);
    expect(manager.of('register-service').at(-1)!.service.vip).toBe(other);
  });

  it('keeps its VIP when a manager that shuts down refuses to renew it', async () => {
    const { world, manager, registration, log, up } = await scene();
    registration.start();
    await up();
    manager.override = message =>
      refusing('lease-renew', 'shutting-down')(message) ??
      refusing('lease-request', 'shutting-down')(message);
    await world.clock.advance(40_000);
    expect(log).toContain('refused lease of 10.99.0.1 for www.example.org shutting-down');
    expect(log).not.toContain(`lease lost ${VIP}`);
    manager.override = () => undefined;
    await world.clock.advance(61_000);
    expect(log).toContain(`lease renewed ${VIP}`);
  });

  it('raises its epoch until the manager takes it', async () => {
    const { world, manager, registration, up } = await scene();
    manager.override = message =>
      message.type === 'register' && message.epoch < 1000
        ? refusing('register', 'epoch-stale')(message)
        : undefined;
    registration.start();
    await up();
    expect(manager.of('register').at(-1)!.epoch).toBe(1024);
    expect(manager.of('register').length).toBe(11);
    expect(world.clock.now()).toBeLessThan(60_000);
  });

  it('claims again what an earlier run held, by its memory', async () => {
    const first = await scene();
    first.registration.start();
    await first.up();
    const second = await scene({ memory: first.registration.memory() });
    second.registration.start();
    await second.up();
    expect(second.manager.of('register')[0]).toMatchObject({ epoch: 1, leases: [{ vip: VIP }] });
    expect(second.manager.of('lease-renew')).toMatchObject([{ vip: VIP }]);
  });

  it('raises its epoch when it registers at another manager', async () => {
    const { world, registration, up } = await scene({ manager: ['10.0.0.1', '10.0.0.2'] });
    const other = new ScriptedManager(world.network.host('other', '10.0.0.2'));
    await other.listen();
    registration.start();
    await up();
    world.manager.kill();
    await world.clock.runUntil(() => other.of('register-service').length === 1);
    expect(other.of('register')[0]).toMatchObject({ epoch: 2, leases: [{ vip: VIP }] });
  });

  it('drains, and drains again after a reconnection', async () => {
    const { world, manager, registration, log, up } = await scene();
    registration.start();
    await up();
    await world.clock.runToEnd(registration.drain());
    expect(manager.of('drain-service')).toMatchObject([{ service: 1 }]);
    manager.drop();
    await world.clock.runUntil(() => log.filter(entry => entry === 'service 1 up').length === 2);
    await world.clock.advance(10);
    expect(manager.of('drain-service').length).toBe(2);
  });

  it('deregisters when it stops, and leaves no timer', async () => {
    const { world, manager, registration, up } = await scene();
    registration.start();
    await up();
    await world.clock.runToEnd(registration.stop());
    expect(manager.heard.at(-1)!.type).toBe('deregister');
    expect(registration.state).toBe('stopped');
    await world.clock.advance(20_000);
    expect(manager.connected).toBe(false);
    expect(world.clock.timers).toBe(0);
  });

  it('stops within two seconds when the manager does not answer, and at once when there is none', async () => {
    const { world, manager, registration, up } = await scene();
    registration.start();
    await up();
    manager.override = () => [];
    const since = world.clock.now();
    await world.clock.runToEnd(registration.stop());
    expect(world.clock.now() - since).toBeLessThanOrEqual(2000);
    const lonely = await scene({ manager: '10.0.0.77' });
    lonely.registration.start();
    await lonely.world.clock.advance(100);
    await lonely.registration.stop();
    await lonely.world.clock.advance(10_000);
    expect(lonely.registration.state).toBe('stopped');
    expect(lonely.world.clock.pending.filter(name => name !== 'syn-retry')).toEqual([]);
  });

  it('asks again later for what was refused, and says why', async () => {
    const { world, manager, registration, log, up } = await scene({ services: [mcu] });
    manager.override = refusing('lease-request', 'vip-taken', 3);
    registration.start();
    await up();
    expect(
      log.filter(entry => entry === 'refused lease of 10.99.0.7 for mcu.example.org vip-taken').length,
    ).toBe(3);
    expect(world.clock.now()).toBeGreaterThan(2000 + 4000 + 8000);
  });

  it('tries again when the VIP cannot be installed', async () => {
    let faults = 2;
    const { manager, registration, log, up } = await scene({
      install: () => (faults-- > 0 ? Promise.reject(new Error('no permission')) : Promise.resolve()),
    });
    registration.start();
    await up();
    expect(log.filter(entry => entry.startsWith('refused lease')).length).toBe(2);
    expect(manager.of('register-service').length).toBe(1);
  });
});

describe('a registration, with a hostile manager', () => {
  it('takes no lease that is for another server or another VIP', async () => {
    const { world, manager, registration, log } = await scene({ services: [mcu] });
    let strangers = true;
    manager.override = message =>
      message.type === 'lease-request' && strangers
        ? [
            {
              type: 'lease',
              transaction: message.transaction,
              lease: leaseOf(message.vip ?? VIP, { server: MANAGER_ID as string as ServerId }),
            },
          ]
        : undefined;
    registration.start();
    await world.clock.advance(5000);
    expect(log).toContain('refused lease of 10.99.0.7 lease-invalid');
    strangers = false;
    manager.override = message =>
      message.type === 'lease-request'
        ? [
            {
              type: 'lease',
              transaction: message.transaction,
              lease: leaseOf(VIP, { server: registration.server }),
            },
          ]
        : undefined;
    manager.drop();
    await world.clock.advance(5000);
    expect(log.filter(entry => entry.startsWith('lease granted'))).toEqual([]);
  });

  it('ends a connection on which come messages that only a server sends', async () => {
    const { world, manager, registration, log, up } = await scene();
    registration.start();
    await up();
    manager.say({ type: 'deregister', transaction: 1 } as never);
    await world.clock.runUntil(() => manager.connections === 2);
    expect(log).toContain('waiting');
  });

  it('ends a connection on which come bytes that are no messages', async () => {
    const { world, manager, registration, up } = await scene();
    registration.start();
    await up();
    manager.sayBytes(new Uint8Array(64).fill(7));
    await world.clock.runUntil(() => manager.connections === 2);
    expect(registration.state).not.toBe('stopped');
  });

  it('passes over answers to what it never asked, and states of services that it does not have', async () => {
    const { world, manager, registration, log, up } = await scene();
    registration.start();
    await up();
    manager.say(
      { type: 'done', transaction: 4_000_000 },
      { type: 'service-state', service: 77, state: 'up', score: 1, reason: '' },
    );
    await world.clock.advance(100);
    expect([registration.state, manager.connections]).toEqual(['registered', 1]);
    expect(log).not.toContain('service 77 up');
  });

  it('spins neither by a lease of no duration nor by a heartbeat of none', async () => {
    const { world, manager, registration, up } = await scene();
    manager.leaseDuration = 1;
    manager.heartbeat = 10;
    registration.start();
    await up();
    await world.clock.advance(10_000);
    expect(manager.of('lease-renew').length).toBeLessThanOrEqual(10);
    expect(manager.of('heartbeat').length).toBeLessThanOrEqual(1001);
  });

  it('does not wait for an answer for ever', async () => {
    const { world, manager, registration } = await scene();
    manager.override = message => (message.type === 'lease-request' ? [] : undefined);
    registration.start();
    await world.clock.advance(11_000);
    expect(manager.connections).toBe(2);
  });
});

describe('register()', () => {
  const options = (world: World): RegisterOptions => ({
    environment: world.environment(),
    name: 'one',
    services: [web],
  });

  it('resolves once every service is up; finds the manager at the default router by itself', async () => {
    const world = new World();
    const manager = new ScriptedManager(world.manager);
    await manager.listen();
    const registration = await world.clock.runToEnd(register(options(world)));
    expect(registration.state).toBe('registered');
    expect(registration.server).toMatch(/^[0-9a-f]{64}$/);
    await world.clock.runToEnd(registration.stop());
  });

  it('rejects when the manager refuses the service', async () => {
    const world = new World();
    const manager = new ScriptedManager(world.manager);
    manager.override = refusing('register-service', 'vip-taken');
    await manager.listen();
    await expect(world.clock.runToEnd(register(options(world)))).rejects.toMatchObject({
      code: 'EREFUSED',
      refusal: 'vip-taken',
    });
  });

  it('rejects when its signal is aborted', async () => {
    const world = new World();
    const controller = new AbortController();
    const pending = register({ ...options(world), signal: controller.signal });
    const outcome = pending.catch((error: unknown) => error);
    await world.clock.advance(1000);
    controller.abort();
    expect(await outcome).toMatchObject({ code: 'ABORT_ERR' });
  });

  it('refuses options that cannot work', () => {
    const environment = new World().environment();
    const make =
      (services: RegisterOptions['services'], more: Partial<RegisterOptions> = {}) =>
      () =>
        new Registration({ environment, services, ...more });
    for (const wrong of [
      make([]),
      make([{ ...web, ports: 0 }]),
      make([{ ...web, vip: '10.0.0.300' }]),
      make([{ ...web, weight: 0 }]),
      make([{ ...web, ports: [80, 90], targetPort: 8080 }]),
      make([{ ...web, targetPort: 8080, forward: { mode: 'direct' } }]),
      make([{ ...web, check: { kind: 'tcp', interval: 100, timeout: 200 } }]),
      make([mcu, { ...mcu, ports: 1721, shared: false }]),
      make([web], { manager: 'cell' }),
      make([web], { manager: '10.0.0.1:0' }),
      make([web], { addresses: ['here'] }),
      make([web], { tls: { ca: '', certificate: 'nothing', key: '' } }),
    ])
      expect(wrong).toThrow(expect.objectContaining({ code: 'EINVAL' }));
  });
});
