/** One server and the scripted manager that it registers with. */
import { type RegisterOptions, Registration } from '../../../sdk/server/register.ts';
import type { ServerId } from '../../../sdk/wire/model.ts';
import { ScriptedManager, World } from './world.ts';

export const web = { name: 'www.example.org', protocol: 'http', ports: 80 };

/** `log` has what the registration said, in order; `up` waits until its first service is up. */
export async function scene(options: Partial<RegisterOptions> = {}) {
  const world = new World();
  const manager = new ScriptedManager(world.manager);
  await manager.listen();
  const log: string[] = [];
  const registration = new Registration({
    environment: world.environment(),
    name: 'one',
    services: [web],
    manager: '10.0.0.1',
    server: 'cd'.repeat(32) as ServerId,
    ...options,
  });
  registration.on('state', ({ state }) => log.push(state));
  registration.on('lease', ({ change, lease }) => log.push(`lease ${change} ${lease.vip}`));
  registration.on('service', ({ id, state }) => log.push(`service ${id} ${state}`));
  registration.on('refused', ({ what, code }) => log.push(`refused ${what} ${code}`));
  const up = () => world.clock.runUntil(() => log.includes('service 1 up'));
  return { world, manager, registration, log, up };
}
