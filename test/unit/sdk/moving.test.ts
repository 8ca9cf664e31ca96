/** A registration that moves between managers, in virtual time. */
import { describe, expect, it } from 'vitest';
import { type RegisterOptions, Registration } from '../../../sdk/server/register.ts';
import type { Environment } from '../../../sdk/transport/environment.ts';
import { address } from '../../../sdk/wire/address.ts';
import type { ManagerMessage } from '../../../sdk/wire/messages.ts';
import type { ManagerId, ServerId } from '../../../sdk/wire/model.ts';
import { leaseOf, ScriptedManager, VIP, World } from './world.ts';

const web = { name: 'www.example.org', protocol: 'http', ports: 80 };
const at = (text: string) => ({ address: address(text), port: 9746 });
const A = at('10.0.0.1');
const B = at('10.0.0.2');

/** Two managers; the server is registered at A, and finds those in `reachable`. */
async function scene(options: Partial<RegisterOptions> = {}, more: Partial<Environment> = {}) {
  const world = new World();
  const a = new ScriptedManager(world.manager);
  const there = world.network.host('other', '10.0.0.2');
  const b = new ScriptedManager(there);
  b.id = 'ba'.repeat(32) as ManagerId;
  await a.listen();
  await b.listen();
  const log: string[] = [];
  const place = { managers: [A] };
  const registration = new Registration({
    environment: { ...world.environment(), ...more },
    name: 'one',
    services: [web],
    manager: () => Promise.resolve(place.managers),
    server: 'cd'.repeat(32) as ServerId,
    ...options,
  });
  registration.on('state', ({ state, manager }) => log.push(`${state} ${manager?.address ?? ''}`.trim()));
  registration.on('lease', ({ change, lease }) => log.push(`lease ${change} ${lease.vip}`));
  registration.on('service', ({ id, state }) => log.push(`service ${id} ${state}`));
  registration.on('refused', ({ what, code }) => log.push(`refused ${what} ${code}`));
  registration.on('moved', event => log.push(`moved ${event.to.address} ${event.madeBeforeBroken}`));
  registration.start();
  await world.clock.runUntil(() => log.includes('service 1 up'));
  const since = log.length;
  const news = () => log.slice(since);
  const go = (to: typeof A): void => {
    place.managers = [to];
    registration.relocate();
  };
  const cut = (one: 'a' | 'b', how = true): void =>
    world.network.partition(world.client, one === 'a' ? world.manager : there, how);
  const { clock } = world;
  return { world, clock, a, b, there, log, news, registration, place, go, cut };
}

/** Registers services, but says nothing of them until `open` is called. */
function holdingUp(manager: ScriptedManager): () => void {
  const done: (() => void)[] = [];
  manager.override = message => {
    if (message.type !== 'register-service') return undefined;
    const service = message.service.id;
    done.push(() => manager.say({ type: 'service-state', service, state: 'up', score: 1, reason: '' }));
    return [
      { type: 'done', transaction: message.transaction },
      { type: 'service-state', service, state: 'pending', score: 0, reason: 'to be checked' },
    ];
  };
  return () => {
    for (const one of done.splice(0)) one();
  };
}

const epochs = (manager: ScriptedManager) => manager.of('register').map(({ epoch }) => epoch);

describe('make before break', () => {
  it('leaves the former manager once the new one serves, and tells the app nothing but that', async () => {
    const { clock, a, b, news, go, registration } = await scene();
    const open = holdingUp(b);
    go(B);
    await clock.runUntil(() => b.of('register-service').length === 1);
    expect(b.of('register')[0]).toMatchObject({ epoch: 2, leases: [{ vip: VIP }] });
    await clock.advance(3000);
    expect([a.connected, a.of('deregister').length]).toEqual([true, 0]);
    registration.report({ service: 1, state: 'up', connections: 7, load: 0 });
    await clock.advance(10);
    expect([a, b].map(one => one.of('report').at(-1)?.reports[0]?.connections)).toEqual([7, 7]);
    open();
    await clock.runUntil(() => a.of('deregister').length === 1 && !a.connected);
    expect([a.of('lease-release'), a.of('deregister')[0]]).toMatchObject([[], { elsewhere: true }]);
    expect(news()).toEqual([
      'registered 10.0.0.2',
      `lease renewed ${VIP}`,
      'service 1 up',
      'moved 10.0.0.2 true',
    ]);
    await clock.advance(20_000);
    expect([registration.state, b.connections, b.connected]).toEqual(['registered', 1, true]);
  });

  it('stays where it is served when the new manager takes its VIP not up, and keeps it', async () => {
    const { clock, a, b, news, go, registration } = await scene({ services: [{ ...web, vip: VIP }] });
    b.override = message =>
      'transaction' in message && /^lease-re/.test(message.type)
        ? [{ type: 'refused', transaction: message.transaction, code: 'not-permitted', sentence: '' }]
        : undefined;
    go(B);
    await clock.runUntil(() => b.of('deregister').length === 1);
    await clock.advance(1000);
    expect([registration.state, registration.manager, a.connected]).toEqual(['registered', A, true]);
    expect(a.of('deregister')).toEqual([]);
    expect(news().filter(entry => /lease lost|service 1 (?!up)/.test(entry))).toEqual([]);
  });

  it('stays where it is served when the new manager brings nothing up', async () => {
    const { clock, a, b, news, go, registration } = await scene();
    holdingUp(b);
    go(B);
    await clock.runUntil(() => b.of('deregister').length === 1);
    expect([registration.manager, a.connected, a.of('deregister').length]).toEqual([A, true, 0]);
    expect(news()).not.toContain('service 1 pending');
  });

  it('takes another VIP, where any will do, once it is clear that the new manager does not take up the one it has', async () => {
    const { clock, a, b, news, go, registration } = await scene();
    const other = address('10.99.0.8');
    b.override = message =>
      message.type === 'lease-renew' || (message.type === 'lease-request' && message.vip === VIP)
        ? [{ type: 'refused', transaction: message.transaction, code: 'not-permitted', sentence: '' }]
        : message.type === 'lease-request'
          ? [
              {
                type: 'lease',
                transaction: message.transaction,
                lease: leaseOf(other, { server: registration.server }),
              },
            ]
          : undefined;
    go(B);
    await clock.advance(9900);
    expect([a.connected, news().some(entry => entry.includes('lost'))]).toEqual([true, false]);
    await clock.runUntil(() => news().includes('service 1 up'));
    expect(news()).toContain(`lease granted ${other}`);
    expect(a.of('deregister').length).toBe(1);
  });

  it('is back with the former manager when the new one is lost before it serves', async () => {
    const { clock, a, b, go, there, registration } = await scene();
    holdingUp(b);
    go(B);
    await clock.runUntil(() => b.of('register-service').length === 1);
    there.kill();
    await clock.advance(100);
    expect([registration.state, registration.manager]).toEqual(['registered', A]);
    expect([a.connections, a.of('register-service').length]).toEqual([1, 2]);
  });

  it('goes on at the new manager when the former is lost meanwhile', async () => {
    const { clock, a, b, news, go } = await scene();
    const open = holdingUp(b);
    go(B);
    await clock.runUntil(() => b.of('register-service').length === 1);
    a.drop();
    await clock.advance(50);
    expect(news()).toContain('moved 10.0.0.2 false');
    expect(news()).toContain('service 1 pending');
    open();
    await clock.runUntil(() => news().includes('service 1 up'));
  });

  it('deregisters at both when it is stopped on the way', async () => {
    const { clock, a, b, go, registration } = await scene();
    holdingUp(b);
    go(B);
    await clock.runUntil(() => b.of('register-service').length === 1);
    await clock.runToEnd(registration.stop());
    await clock.advance(5000);
    expect([a, b].map(one => one.of('deregister').map(({ elsewhere }) => elsewhere))).toEqual([
      [undefined],
      [undefined],
    ]);
    expect(clock.pending.filter(name => name !== 'manager-beat')).toEqual([]);
  });
});

describe('break before make', () => {
  it('registers at the new manager at once, without waiting until the former counts as lost', async () => {
    const { clock, b, news, go, cut } = await scene();
    cut('a');
    const since = clock.now();
    go(B);
    await clock.runUntil(() => news().includes('service 1 up'));
    expect(clock.now() - since).toBeLessThan(5);
    expect(epochs(b)).toEqual([2]);
    expect(news().filter(entry => entry.startsWith('lease'))).toEqual([`lease renewed ${VIP}`]);
  });

  it('returns to the first cell, each time with a higher epoch, and keeps its VIP', async () => {
    const { clock, a, b, news, go, cut } = await scene();
    for (const [to, from, cell] of [
      [B, 'a', 'b'],
      [A, 'b', 'a'],
      [B, 'a', 'b'],
    ] as const) {
      cut(cell, false);
      cut(from);
      const before = news().length;
      go(to);
      await clock.runUntil(() => news().slice(before).includes('service 1 up'));
      await clock.advance(5000);
    }
    expect([epochs(a), epochs(b)]).toEqual([
      [1, 3],
      [2, 4],
    ]);
    expect(news().some(entry => entry.includes('lost'))).toBe(false);
  });

  it('bounces A → B → A within a second, and ends at A whatever was under way', async () => {
    for (const pause of [0, 0.1, 0.3, 0.5, 1, 2, 50, 400, 900]) {
      const { clock, a, b, go, cut, registration } = await scene();
      cut('a');
      go(B);
      await clock.advance(pause);
      cut('a', false);
      cut('b');
      go(A);
      await clock.runUntil(() => a.of('register-service').length >= 2);
      await clock.advance(3000);
      expect(registration.manager, `${pause} ms`).toEqual(A);
      expect(epochs(a).at(-1), `${pause} ms`).toBeGreaterThanOrEqual(epochs(b).at(-1) ?? 1);
      expect(a.connected).toBe(true);
    }
  });

  it('notices within a heartbeat that the host was suspended, and looks for a manager', async () => {
    let asleep = 0;
    const { clock, b, place } = await scene({}, { asleep: () => asleep });
    asleep = 600_000;
    place.managers = [B];
    const since = clock.now();
    await clock.runUntil(() => b.of('register-service').length === 1);
    expect(clock.now() - since).toBeLessThan(100 + 50 + 5);
  });
});

describe('epochs', () => {
  it('is another manager at the same address: the epoch is raised as soon as that is known', async () => {
    const { clock, a, world, registration } = await scene();
    world.manager.kill();
    const next = new ScriptedManager(world.manager);
    next.id = 'ee'.repeat(32) as ManagerId;
    await next.listen();
    await clock.runUntil(() => next.of('register-service').length === 1);
    expect([epochs(a), epochs(next)]).toEqual([[1], [1, 2]]);
    expect(registration.memory()).toMatchObject({ epoch: 2, manager: { id: next.id } });
  });

  it('is raised above the one that the refusal names, on the same connection', async () => {
    const { clock, b, go } = await scene();
    b.override = message =>
      message.type === 'register' && message.epoch < 78
        ? [
            {
              type: 'refused',
              transaction: message.transaction,
              code: 'epoch-stale',
              sentence: `one came with epoch ${message.epoch}, but is at cell with 77: raise it`,
            },
          ]
        : undefined;
    go(B);
    await clock.runUntil(() => b.of('register-service').length === 1);
    expect([epochs(b), b.connections]).toEqual([[2, 78], 1]);
  });
});

describe('what a manager says unasked', () => {
  const revoked: ManagerMessage = { type: 'lease-revoked', vip: VIP, code: 'vip-taken', sentence: 'by two' };

  it('a lease that is revoked goes, and another is asked for', async () => {
    const { clock, a, news } = await scene();
    const other = address('10.99.0.8');
    a.override = message =>
      message.type === 'lease-request'
        ? [
            {
              type: 'lease',
              transaction: message.transaction,
              lease: leaseOf(other, { server: 'cd'.repeat(32) as ServerId }),
            },
          ]
        : undefined;
    a.say(revoked);
    await clock.runUntil(() => a.of('register-service').length === 2);
    expect(news().filter(entry => !entry.startsWith('service'))).toEqual([
      `refused lease of ${VIP} vip-taken`,
      `lease lost ${VIP}`,
      `lease granted ${other}`,
    ]);
  });

  it('a VIP that the server insists on is asked for again later', async () => {
    const { clock, a, news } = await scene({ services: [{ ...web, vip: VIP }] });
    a.say(revoked);
    await clock.advance(1900);
    expect(news()).toContain(`lease lost ${VIP}`);
    expect(a.of('lease-request').length).toBe(1);
    await clock.advance(200);
    expect(a.of('lease-request')[1]).toMatchObject({ vip: VIP });
  });
});

describe('suggestions', () => {
  it('are nothing new where it is registered already; elsewhere they are followed', async () => {
    const { clock, a, b, registration } = await scene();
    registration.suggest([A]);
    await clock.advance(1000);
    expect(a.connections).toBe(1);
    registration.suggest([B]);
    await clock.runUntil(() => b.of('register-service').length === 1);
  });

  it('end the wait for the next attempt', async () => {
    const { clock, b, world, registration } = await scene();
    world.manager.kill();
    await clock.advance(10_000);
    const since = clock.now();
    registration.suggest([B]);
    await clock.runUntil(() => b.of('register').length === 1);
    expect(clock.now() - since).toBeLessThan(5);
  });

  it('of a manager that is not there change nothing', async () => {
    const { clock, a, registration, news } = await scene();
    registration.suggest([at('10.0.0.77')]);
    await clock.advance(20_000);
    expect([registration.state, a.connections, news()]).toEqual([
      'registered',
      expect.any(Number),
      expect.any(Array),
    ]);
    expect(news().filter(entry => /lost|waiting|service 1 (?!up)/.test(entry))).toEqual([]);
  });
});

it('tries managers one after the other, 250 ms apart, and takes the first that opens', async () => {
  const { clock, a, b, cut, go, place, registration } = await scene();
  cut('a');
  place.managers = [at('10.0.0.66'), B, A];
  const since = clock.now();
  registration.relocate();
  await clock.runUntil(() => b.of('register').length === 1);
  expect(clock.now() - since).toBeGreaterThanOrEqual(250);
  expect(clock.now() - since).toBeLessThan(260);
  expect(a.connections).toBe(1);
  go(B);
});

it('after any sequence of moves, cuts and restarts it is registered where it can be, with one connection there', async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const { clock, a, b, go, cut, world, there, registration, log } = await scene();
    let chance = seed * 7919;
    const pick = (most: number): number => {
      chance = (chance * 1_103_515_245 + 12_345) % 2 ** 31;
      return Math.floor((chance / 2 ** 31) * most);
    };
    for (let step = 0; step < 25; step++) {
      const what = pick(7);
      if (what === 0) go(A);
      else if (what === 1) go(B);
      else if (what === 2) cut('a', pick(2) === 0);
      else if (what === 3) cut('b', pick(2) === 0);
      else if (what === 4) (pick(2) === 0 ? a : b).drop();
      else if (what === 5) registration.suggest([pick(2) === 0 ? A : B]);
      else {
        const [host, one] = pick(2) === 0 ? ([world.manager, a] as const) : ([there, b] as const);
        host.kill();
        await one.listen();
      }
      await clock.advance(pick(400));
    }
    cut('a', false);
    cut('b', false);
    go(pick(2) === 0 ? A : B);
    await clock.advance(60_000);
    const home = registration.manager?.address === A.address ? a : b;
    const away = home === a ? b : a;
    const streams = [...world.client.endpoints].map(one => one.remote.address);
    expect([registration.state, streams], `seed ${seed}`).toEqual([
      'registered',
      [registration.manager?.address],
    ]);
    expect(
      log.filter(entry => entry.startsWith('lease lost')),
      `seed ${seed}`,
    ).toEqual([]);
    expect(epochs(home).at(-1), `seed ${seed}`).toBeGreaterThanOrEqual(Math.max(...epochs(away), 1));
  }
});
