/**
 * The rules of the registry and of the wanted state, out of the configuration.
 */
import type { ManagerId } from '../sdk/wire/model.ts';
import { hasCarrier } from './config/carriers.ts';
import type { Config } from './config/config.ts';
import type { Rules } from './loop.ts';
import type { RegistryConfig } from './registry/config.ts';

/** What this build calls itself to its peers. */
export const SOFTWARE = 'bivouac/0.1.0';

/** What the drivers and probes that are running can do. */
export type Abilities = Pick<RegistryConfig, 'modes' | 'schedulers' | 'checks' | 'cannotCarry'>;

export const rulesOf = (
  config: Config,
  manager: ManagerId,
  abilities: Abilities,
  metric: Rules['desired']['metric'],
): Rules => ({
  registry: {
    manager,
    name: config.name,
    software: SOFTWARE,
    pools: config.pools,
    statics: config.static,
    leaseDuration: config.lease.duration,
    heartbeat: {
      default: config.sessions.heartbeat,
      least: Math.min(10, config.sessions.heartbeat),
      most: 60_000,
      // At most 20,000 heartbeats a second each way, also when each of 10,000 servers came while there were fewer.
      perServer: 0.2,
    },
    grace: config.sessions.grace,
    forget: config.sessions.forget,
    damping: config.damping,
    limits: config.sessions,
    roaming: { vips: config.roaming.vips, ...config.notices.limits },
    ...abilities,
  },
  desired: { metric, announce: hasCarrier(config.notices) },
});
