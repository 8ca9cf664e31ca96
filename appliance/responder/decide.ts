/**
 * What is answered to an anycast-ARP query, and why. Pure: the carriers only put it into bytes (docs/protocol.md §7).
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { Query } from '../../sdk/wire/answer.ts';
import type { AnsweredServer, AnsweredService } from '../../sdk/wire/model.ts';
import { matches } from '../../sdk/wire/selector.ts';
import type { DirectoryServer, WantedDirectory } from '../desired/wanted.ts';

/** Bounds of one answer, whatever the directory holds. */
export interface AnswerLimits {
  /** Servers in one answer, all its parts together. */
  readonly servers: number;
  /** Servers of the directory that are looked at for one query. */
  readonly looked: number;
}

export const DEFAULT_LIMITS: AnswerLimits = { servers: 1024, looked: 20_000 };

/**
 * answered: at least one server. no-match: what was asked after is known here, but no service of it matches. no-such-vip,
 * no-such-name: this manager knows nothing of it (another one may). nothing-here: asked after everything, and there is nothing.
 */
export type AnswerReason = 'answered' | 'no-match' | 'no-such-vip' | 'no-such-name' | 'nothing-here';

export interface Decision {
  readonly reason: AnswerReason;
  /** The one VIP that the answer is about, if it is one. */
  readonly vip: Address | undefined;
  /** Best score first; equals by address, so that the same directory gives the same answer. */
  readonly servers: readonly AnsweredServer[];
  /** Matching servers left out, because of `want` or a limit. */
  readonly omitted: number;
}

/** Whether the decision says anything about services of this manager: on a link, a manager that knows nothing keeps silent. */
export const knows = (decision: Decision): boolean =>
  decision.reason === 'answered' || decision.reason === 'no-match';

/** Decides. The directory holds only services that passed a first check, so nothing else can be told of. */
export function answer(
  query: Pick<Query, 'vip' | 'name' | 'selector' | 'want'>,
  directory: WantedDirectory,
  limits: AnswerLimits = DEFAULT_LIMITS,
): Decision {
  const vips = vipsOf(query, directory);
  const only = vips.length === 1 ? vips[0] : undefined;
  const nothing = (reason: AnswerReason): Decision => ({ reason, vip: query.vip, servers: [], omitted: 0 });
  if (vips.length === 0) {
    if (query.name !== undefined && !directory.byName.has(query.name)) return nothing('no-such-name');
    return nothing(query.vip !== undefined ? 'no-such-vip' : 'nothing-here');
  }

  const found = new Map<string, AnsweredService[]>();
  let looked = 0;
  let unseen = 0;
  for (const vip of vips) {
    for (const server of directory.byVip.get(vip) ?? []) {
      if (looked++ >= limits.looked) unseen++;
      else collect(found, server, query);
    }
  }
  if (found.size === 0) return { ...nothing('no-match'), vip: only };

  const all = [...found].map(([address, services]) => answered(address as Address, services)).sort(bestFirst);
  const most = Math.min(limits.servers, query.want === 0 ? Number.POSITIVE_INFINITY : query.want);
  const servers = all.slice(0, most);
  return { reason: 'answered', vip: only, servers, omitted: all.length - servers.length + unseen };
}

/** The VIPs that the query is about and that the directory knows. */
function vipsOf(query: Pick<Query, 'vip' | 'name'>, { byVip, byName }: WantedDirectory): readonly Address[] {
  const named = query.name === undefined ? undefined : (byName.get(query.name) ?? []);
  if (query.vip !== undefined) {
    const known = byVip.has(query.vip) && (named === undefined || named.includes(query.vip));
    return known ? [query.vip] : [];
  }
  return named ?? [...byVip.keys()];
}

/** Adds the server's matching services under its unique address: a server with several VIPs is one server. */
function collect(
  found: Map<string, AnsweredService[]>,
  server: DirectoryServer,
  query: Pick<Query, 'name' | 'selector'>,
): void {
  for (const service of server.services) {
    if (query.name !== undefined && service.name !== query.name) continue;
    if (!matches(query.selector, service)) continue;
    const services = found.get(server.address);
    if (services === undefined) found.set(server.address, [service]);
    else services.push(service);
  }
}

function answered(address: Address, services: readonly AnsweredService[]): AnsweredServer {
  let score = 0;
  for (const service of services) if (service.score > score) score = service.score;
  return { address, score, services };
}

const bestFirst = (one: AnsweredServer, other: AnsweredServer): number =>
  other.score - one.score || (one.address < other.address ? -1 : 1);
