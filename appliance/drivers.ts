/**
 * Which drivers the configuration asks for.
 */
import type { Prefix } from '../sdk/wire/address.ts';
import type { Config } from './config/config.ts';
import { poolPrefixes } from './config/pools.ts';
import type { Capabilities } from './dataplane/capabilities.ts';
import type { Driver } from './desired/driver.ts';
import { metricsOf } from './desired/metric.ts';
import type { WantedRoutes } from './desired/wanted.ts';
import { capabilitiesOf } from './ipvs/choose.ts';
import type { CountingDriver, ManagerHost, Secrets } from './manager-host.ts';
import { createPassive, createPassiveDataplane } from './reconciler/passive.ts';
import type { Reached } from './registry/state.ts';
import { createChangeMemory } from './routing/change-file.ts';
import { createFrr, type Frr } from './routing/frr.ts';

export function dataplaneDriver(config: Config, host: ManagerHost): CountingDriver {
  const { driver } = config.dataplane;
  if (driver === 'none') return createPassiveDataplane();
  if (driver === 'ipvs' && !host.hasIpvs)
    throw new Error(
      "dataplane.driver is 'ipvs', but this kernel has no IPVS (module ip_vs): load it, or use 'auto'",
    );
  return host.openDataplane({ anycastPort: config.anycast.port, driver });
}

/** What servers can ask of that driver. Where none is, something else forwards: what nftables could. */
export const dataplaneCapabilities = (
  { dataplane }: Config,
  { hasIpvs = false }: ManagerHost,
): Capabilities => capabilitiesOf(dataplane.driver === 'none' ? 'nftables' : dataplane.driver, hasIpvs);

/** `frr` tells of the network, where FRR routes. */
export function routingDriver(
  config: Config,
  host: ManagerHost,
  { ospfKey }: Secrets,
): { readonly driver: Driver<WantedRoutes, Reached['routes']>; readonly frr?: Frr } {
  if (config.routing.driver === 'none')
    return { driver: createPassive(({ routes }: WantedRoutes) => routes) };
  const { kind, sockets, tune, interfaces, area } = config.routing;
  const frr = createFrr(
    {
      kind,
      sockets,
      tune,
      metrics: metricsOf(config.routing),
      prefixes: vipPrefixes(config),
      ...(interfaces.length > 0 && {
        ospf: {
          area,
          interfaces,
          network: config.routing.network,
          ...(config.routing.hello !== undefined && { hello: config.routing.hello }),
          ...(config.routing.bfd && { bfd: config.routing.bfd }),
          ...(ospfKey !== undefined && { authentication: { keyId: 1, key: ospfKey } }),
        },
      }),
    },
    { ...host, changes: createChangeMemory(host.files, `${config.state}/frr-changes.json`) },
  );
  return { driver: frr, frr };
}

/** All that the routing driver is made of, to see whether a reload changes any of it. */
export const routeSettings = (config: Config, { ospfKey }: Secrets): string =>
  JSON.stringify([config.routing, vipPrefixes(config), ospfKey]);

/** Where VIPs may be: this manager's own, and those that servers bring along. */
const vipPrefixes = ({ pools, static: singles, roaming }: Config): readonly Prefix[] =>
  poolPrefixes(
    [...pools, ...(roaming.vips ?? [])],
    singles.map(entry => entry.vip),
  );
