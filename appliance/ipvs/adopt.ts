/** What an earlier daemon left in IPVS: the services of the VIPs whose local routes are the driver's. Others are somebody else's. */
import type { Address } from '../../sdk/wire/address.ts';
import type { Destination, ServiceName, VirtualService } from './layout.ts';
import { listRoutes, readLocalRoute } from './local-routes.ts';
import { type Counted, listDestinations, listServices, readDestination, readService } from './messages.ts';
import type { IpvsSocket } from './socket.ts';

export interface Found {
  readonly vips: readonly Address[];
  readonly services: Map<ServiceName, VirtualService>;
}

/** `family`: the number of IPVS in generic netlink. Rejects with the kernel's error. */
export async function adopt(ipvs: IpvsSocket, routes: IpvsSocket, family: number): Promise<Found> {
  const vips = new Set<Address>();
  for (const each of [4, 6] as const)
    await routes.request(listRoutes(each), (_, payload) => {
      const vip = readLocalRoute(payload);
      if (vip !== undefined) vips.add(vip);
    });
  const services = new Map<ServiceName, VirtualService>();
  if (vips.size === 0) return { vips: [], services };
  for (const service of await readServices(ipvs, family)) {
    if (!vips.has(service.vip)) continue;
    const destinations = new Map<string, Destination>();
    for (const [name, { destination }] of await readDestinations(ipvs, family, service))
      destinations.set(name, destination);
    services.set(service.name, { ...service, destinations });
  }
  return { vips: [...vips], services };
}

async function readServices(ipvs: IpvsSocket, family: number): Promise<readonly VirtualService[]> {
  const services: VirtualService[] = [];
  await ipvs.request(listServices(family), (_, payload) => {
    const service = readService(payload);
    if (service !== undefined) services.push(service);
  });
  return services;
}

/** The destinations of a service, and what the kernel counts of each. */
export async function readDestinations(
  ipvs: IpvsSocket,
  family: number,
  service: VirtualService,
): Promise<ReadonlyMap<string, { readonly destination: Destination; readonly counted: Counted }>> {
  const found = new Map<string, { readonly destination: Destination; readonly counted: Counted }>();
  await ipvs.request(listDestinations(family, service), (_, payload) => {
    const row = readDestination(payload, service.vip);
    if (row !== undefined) found.set(row.name, row);
  });
  return found;
}
