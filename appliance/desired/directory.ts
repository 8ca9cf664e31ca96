/**
 * What the anycast-ARP responder tells of one VIP: its servers that have passed a check, with scores, best first.
 */
import type { ServerId } from '../../sdk/wire/model.ts';
import { serverScore } from '../registry/score.ts';
import type { ServiceRecord } from '../registry/state.ts';
import type { DirectoryServer } from './wanted.ts';

/** Servers by their best score, then by identity. Empty when none may be told of. */
export function directoryOf(services: Iterable<ServiceRecord>): readonly DirectoryServer[] {
  const servers = new Map<
    ServerId,
    { address: DirectoryServer['address']; services: DirectoryServer['services'][number][] }
  >();
  for (const record of services) {
    const score = serverScore(record);
    if (score === 0) continue;
    const { spec } = record;
    const ports = spec.targetPort === 0 ? spec.ports : [{ first: spec.targetPort, last: spec.targetPort }];
    const server = servers.get(record.server) ?? { address: record.address, services: [] };
    server.services.push({
      name: spec.name,
      protocol: spec.protocol,
      transport: spec.transport,
      ports,
      score,
    });
    servers.set(record.server, server);
  }
  const best = (server: DirectoryServer): number =>
    Math.max(...server.services.map(service => service.score));
  return [...servers]
    .map(
      ([server, found]): DirectoryServer => ({
        server,
        address: found.address,
        services: found.services.sort((one, other) => other.score - one.score),
      }),
    )
    .sort((one, other) => best(other) - best(one) || (one.server < other.server ? -1 : 1));
}
