/**
 * What `bivouac show` shows, as rows: pure functions of what the manager knows.
 */
import type { Derived } from '../desired/derive.ts';
import type { Millis } from '../host/ports.ts';
import { farmKey } from '../registry/carried.ts';
import { penaltyAt } from '../registry/damping.ts';
import { farmScore, serverScore } from '../registry/score.ts';
import type { ServiceRecord } from '../registry/state.ts';
import type { Entry } from './journal.ts';
import { farmProblems } from './problems.ts';
import { type HostSight, hostRows, type PeerSight, peerRows, vipsElsewhere, whereIs } from './whereabouts.ts';

/** One row: its columns in the order in which they are shown. */
export type Row = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** All that the views look at. */
export interface Sight {
  readonly derived: Derived;
  readonly now: Millis;
  readonly entries: readonly Entry[];
  /** Rows of `show health`, from the checks themselves. */
  readonly health: readonly Row[];
  /** What the drivers could not reach, in sentences. */
  readonly problems: readonly string[];
  /** VIPs that another station on an access link claims. */
  readonly conflicts: readonly { readonly vip: string; readonly mac: string; readonly link: string }[];
  /** What the notices know of other managers. */
  readonly peers: readonly PeerSight[];
  /** What DHCP shows on the access links. */
  readonly hosts: readonly HostSight[];
  /** What the GSLB knows and decides, as rows; undefined where this is none, or nobody asked. */
  readonly gslb?: GslbSight | undefined;
  /** What the routing driver knows of the network; undefined where nothing routes, or nobody asked. */
  readonly routing: RoutingSight | undefined;
}

/** The role of a GSLB, as rows. */
export interface GslbSight {
  readonly sites: readonly Row[];
  readonly decisions: readonly Row[];
  readonly links: readonly Row[];
  readonly rtt: readonly Row[];
  /** Names that an operator has sent elsewhere by a command. */
  readonly overrides: readonly Row[];
  /** Of the name and client that were asked for. */
  readonly explain: readonly Row[];
}

/** The network as routing sees it. */
export interface RoutingSight {
  readonly neighbours: readonly {
    readonly router: string;
    readonly address: string;
    readonly interface: string;
    readonly state: string;
    readonly sinceMs: Millis;
    readonly bfd?: string;
  }[];
  readonly routes: readonly { readonly vip: string; readonly advertised: boolean | undefined }[];
  readonly conflicts: readonly { readonly vip: string; readonly reason: string }[];
  readonly problems: readonly string[];
}

export const VIEWS = {
  servers: ({ derived: { state }, now }) =>
    [...state.servers.values()].map(server => ({
      server: server.name,
      address: server.addresses.join(','),
      state: server.session !== undefined ? 'connected' : server.recovering ? 'recovering' : 'lost',
      for: age(now - server.since),
      services: server.services.size,
      epoch: server.epoch,
      reason: server.lost?.sentence ?? '',
      id: server.id,
    })),
  services: ({ derived: { state }, now, problems }) => {
    const refused = farmProblems(problems);
    return records(state.servers.values()).map(([server, record]) => ({
      service: record.spec.name,
      server: server.name,
      vip: record.spec.vip,
      ports: `${record.spec.transport}/${record.spec.ports.map(range => (range.first === range.last ? range.first : `${range.first}-${range.last}`)).join(',')}`,
      mode: record.spec.forward.mode,
      state: record.state,
      for: age(now - record.since),
      score: serverScore(record),
      connections: record.report?.connections ?? 0,
      penalty: Math.round(penaltyAt(record.flap, now)),
      reason: farmsOfService(record, refused) ?? record.reason.sentence,
    }));
  },
  vips: ({ derived: { state, wanted }, conflicts }) => {
    const alarms = new Map(conflicts.map(({ vip, mac, link }) => [vip, `${mac} on ${link} claims it`]));
    const here = [...state.vips.entries()].map(([vip, services]) => ({
      vip,
      where: whereIs(state, vip),
      score: farmScore(services.values()),
      servers: new Set([...services.values()].map(record => record.server)).size,
      up: [...services.values()].filter(record => record.state === 'up').length,
      route: state.reached.routes.has(vip) ? 'out' : wanted.routing.routes.has(vip) ? 'wanted' : 'none',
      names: [...new Set([...services.values()].map(record => record.spec.name))].join(','),
      alarm: alarms.get(vip) ?? '',
    }));
    return [...here, ...vipsElsewhere(state)];
  },
  hosts: ({ derived: { state }, hosts }) => hostRows(state, hosts),
  peers: ({ derived: { state }, peers, now }) => peerRows(state, peers, now),
  leases: ({ derived: { state }, now }) =>
    [...state.leases.values()].flatMap(holders =>
      [...holders.values()].map(record => ({
        vip: record.lease.vip,
        holder: state.servers.get(record.lease.server)?.name ?? record.lease.server.slice(0, 12),
        shared: record.lease.shared,
        service: record.service,
        epoch: record.lease.epoch,
        expires: `in ${age(record.expires - now)}`,
      })),
    ),
  routes: ({ derived: { state, wanted }, routing }) => {
    const advertised = new Map(routing?.routes.map(route => [route.vip, route.advertised]));
    const conflicts = new Map(routing?.conflicts.map(conflict => [conflict.vip, conflict.reason]));
    return [...new Set([...wanted.routing.routes.keys(), ...state.reached.routes.keys()])].map(vip => ({
      vip,
      metric: state.reached.routes.get(vip) ?? wanted.routing.routes.get(vip) ?? 0,
      state: state.reached.routes.has(vip) ? (wanted.routing.routes.has(vip) ? 'out' : 'leaving') : 'wanted',
      advertised: { true: 'yes', false: 'no', undefined: '' }[`${advertised.get(vip)}`],
      reason: conflicts.get(vip) ?? '',
    }));
  },
  neighbours: ({ routing }) =>
    (routing?.neighbours ?? []).map(({ router, address, interface: link, state, sinceMs, bfd }) => ({
      ...{ router, address, interface: link, state, for: age(sinceMs), bfd: bfd ?? '' },
    })),
  problems: ({ problems, routing }) =>
    [...new Set([...problems, ...(routing?.problems ?? [])])].map(problem => ({ problem })),
  sites: ({ gslb }) => gslb?.sites ?? [],
  decisions: ({ gslb }) => gslb?.decisions ?? [],
  links: ({ gslb }) => gslb?.links ?? [],
  rtt: ({ gslb }) => gslb?.rtt ?? [],
  overrides: ({ gslb }) => gslb?.overrides ?? [],
  explain: ({ gslb }) => gslb?.explain ?? [],
  health: ({ health }) => health,
  events: ({ entries }) =>
    entries.map(({ at, decision }) => ({
      at,
      event: decision.kind,
      about: decision.name ?? decision.server?.slice(0, 12) ?? '',
      vip: decision.vip ?? '',
      code: decision.reason.code,
      reason: decision.reason.sentence,
    })),
} as const satisfies Record<string, (sight: Sight) => readonly Row[]>;

export type ViewName = keyof typeof VIEWS;

/** Views for which routing has to ask FRR. */
export const ROUTED: ReadonlySet<ViewName> = new Set<ViewName>(['routes', 'neighbours', 'problems']);

/** Why the data plane does not carry a service; undefined when it does, or nobody wants it to. */
function farmsOfService({ spec }: ServiceRecord, refused: ReadonlyMap<string, string>): string | undefined {
  for (const ports of spec.ports) {
    const problem = refused.get(farmKey(spec.vip, spec.transport, ports));
    if (problem !== undefined) return `not forwarded: ${problem}`;
  }
  return undefined;
}

function records(
  servers: Iterable<{ readonly name: string; readonly services: ReadonlyMap<number, ServiceRecord> }>,
): [{ readonly name: string }, ServiceRecord][] {
  return [...servers].flatMap(server =>
    [...server.services.values()].map((record): [typeof server, ServiceRecord] => [server, record]),
  );
}

/** A length of time as people say it: `3 s`, `2 min`, `5 h`, `4 d`. */
export function age(length: Millis): string {
  const seconds = Math.max(0, Math.round(length / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}
