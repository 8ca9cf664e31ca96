/**
 * What the anycast-ARP responder tells of one VIP: its servers that have passed a check, with scores, best first.
 */
import type { ServerId } from '../../sdk/wire/model.ts';
import { serverScore } from '../registry/score.ts';
import type { ServiceRecord } from '../registry/state.ts';
import { order } from './order.ts';
import type { DirectoryServer } from './wanted.ts';

/** Servers by their best score, then by identity. Empty when none may be told of. */
export function directoryOf(services: Iterable<ServiceRecord>): readonly DirectoryServer[] {
  const servers = new Map<ServerId, Found>();
  for (const record of services) {
    const score = serverScore(record);
    if (score === 0) continue;
    const { spec } = record;
    const ports = spec.targetPort === 0 ? spec.ports : [{ first: spec.targetPort, last: spec.targetPort }];
    const service = { name: spec.name, protocol: spec.protocol, transport: spec.transport, ports, score };
    const known = servers.get(record.server);
    if (known !== undefined) known.services.push(service);
    else servers.set(record.server, { server: record.server, address: record.address, services: [service] });
  }
  const list = [...servers.values()];
  for (const { services: its } of list) order(its, byScore);
  return order(list, byBest);
}

/** What was found of a server. */
interface Found extends DirectoryServer {
  readonly services: DirectoryServer['services'][number][];
}

const byScore = (one: DirectoryServer['services'][number], other: typeof one): number =>
  other.score - one.score;

/** The best of a server's services is its first. */
const byBest = (one: Found, other: Found): number =>
  other.services[0]!.score - one.services[0]!.score || (one.server < other.server ? -1 : 1);
