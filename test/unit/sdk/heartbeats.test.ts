import { expect, it } from 'vitest';
import { scene } from './scene.ts';

it('sends a heartbeat only when it has sent nothing else for an interval', async () => {
  const { world, manager, registration, up } = await scene();
  registration.start();
  await up();
  await world.clock.advance(1000);
  const quiet = manager.of('heartbeat').length;
  expect(quiet).toBeGreaterThanOrEqual(9);
  expect(quiet).toBeLessThanOrEqual(10);
  for (let count = 0; count < 20; count++) {
    registration.report({ service: 1, state: 'up', connections: count, load: 1 });
    await world.clock.advance(50);
  }
  expect(manager.of('heartbeat').length - quiet).toBeLessThanOrEqual(1);
  expect(manager.of('report').length).toBe(20);
});

it('goes by the interval that the manager gives anew, says so, and counts silence by it', async () => {
  const { world, manager, registration, up } = await scene();
  registration.start();
  await up();
  manager.say({ type: 'pace', heartbeat: 400 });
  manager.heartbeat = 400;
  await world.clock.advance(1);
  expect(manager.of('pace')).toEqual([{ type: 'pace', heartbeat: 400 }]);
  const before = manager.of('heartbeat').length;
  await world.clock.advance(4000);
  expect(manager.of('heartbeat').length - before).toBeGreaterThanOrEqual(9);
  expect(manager.of('heartbeat').length - before).toBeLessThanOrEqual(10);
  manager.fallSilent();
  await world.clock.advance(800);
  expect(manager.connections).toBe(1);
  await world.clock.advance(800);
  expect(manager.connections).toBe(2);
});

it('looks for a manager after three silent intervals, and is never without one if that takes it', async () => {
  const { world, manager, registration, log, up } = await scene();
  registration.start();
  await up();
  const since = world.clock.now();
  manager.fallSilent();
  await world.clock.runUntil(() => manager.of('register').length === 2);
  expect(world.clock.now() - since).toBeGreaterThan(200);
  expect(world.clock.now() - since).toBeLessThanOrEqual(400);
  expect(manager.of('register')[1]!.epoch).toBe(1);
  manager.fallSilent(false);
  await world.clock.advance(5000);
  expect(registration.state).toBe('registered');
  expect(manager.connections).toBe(2);
  expect(log).not.toContain('waiting');
});

it('counts the manager as lost after ten silent intervals, and comes back', async () => {
  const { world, manager, registration, log, up } = await scene();
  registration.start();
  await up();
  const since = world.clock.now();
  manager.fallSilent();
  manager.override = () => [];
  await world.clock.runUntil(() => registration.manager === undefined);
  expect(world.clock.now() - since).toBeGreaterThan(900);
  expect(world.clock.now() - since).toBeLessThanOrEqual(1100);
  manager.fallSilent(false);
  manager.override = () => undefined;
  await world.clock.runUntil(() => registration.state === 'registered');
  expect(log.filter(entry => entry === 'registered')).toHaveLength(2);
});

it('stays with a manager that only stood still: its connection is not closed, nor another one asked for', async () => {
  const { world, manager, registration, log, up } = await scene();
  registration.start();
  await up();
  manager.fallSilent();
  world.network.partition(world.client, world.manager, true);
  await world.clock.advance(700);
  world.network.partition(world.client, world.manager, false);
  manager.fallSilent(false);
  await world.clock.advance(5000);
  expect(manager.connected).toBe(true);
  expect(manager.of('register')).toHaveLength(1);
  expect(log).not.toContain('waiting');
});
