/**
 * Where VIPs live, and who the other managers are, as rows.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { ServerId } from '../../sdk/wire/model.ts';
import type { Millis } from '../host/ports.ts';
import { type Claim, nameOf } from '../registry/elsewhere.ts';
import type { ServerRecord, State } from '../registry/state.ts';
import { age, type Row } from './views.ts';

/** What the notices know of a peer besides. */
export interface PeerSight {
  readonly manager: string;
  readonly boot: number;
  /** Changes that are known completely, and the newest that is known of. */
  readonly known: number;
  readonly newest: number;
  readonly offers: number;
  readonly heardAgo: Millis;
}

/** `here (epoch 3)`, `cell-b (epoch 4)`, `here (2 servers), cell-b (5 servers, silent)`: for a person to see at a glance. */
export function whereIs(state: State, vip: Address): string {
  const here = placeHere(state, vip);
  const claims = state.elsewhere.byVip.get(vip) ?? [];
  const managers = new Set(claims.map(claim => claim.manager));
  const others = [...managers].map(manager =>
    placeAt(
      state,
      claims.filter(claim => claim.manager === manager),
    ),
  );
  return [...here, ...others].join(', ');
}

/** VIPs of which nothing is registered here. */
export const vipsElsewhere = (state: State): readonly Row[] =>
  [...state.elsewhere.byVip.entries()]
    .filter(([vip]) => !state.vips.has(vip))
    .map(([vip, claims]) => ({
      ...{ vip, where: whereIs(state, vip), score: '', servers: claims.length, up: '' },
      ...{ route: '', names: '', alarm: '' },
    }));

/** A host as DHCP showed it. */
export interface HostSight {
  readonly address?: Address | undefined;
  readonly link: string;
  readonly name?: string | undefined;
  readonly key: string;
  readonly state: string;
  readonly knownAs: ServerId | undefined;
  readonly hint: string;
}

/** One row a host. */
export const hostRows = (state: State, hosts: readonly HostSight[]): readonly Row[] =>
  hosts.map(({ key, link, address, name, state: lease, knownAs, hint }) => ({
    ...{ host: key, link, address: address ?? '', name: name ?? '', lease },
    server: knownAs === undefined ? '' : (state.servers.get(knownAs)?.name ?? knownAs.slice(0, 12)),
    hint,
  }));

/** One row a manager; `status`: from the notices, where there are any. */
export function peerRows(state: State, status: readonly PeerSight[], now: Millis): readonly Row[] {
  return [...state.elsewhere.peers.values()].map(peer => {
    const seen = status.find(({ manager }) => manager === peer.id);
    return {
      peer: peer.name,
      address: peer.addresses.join(','),
      state: peer.silent ? 'silent' : 'heard',
      for: age(now - peer.since),
      heard: seen === undefined ? '' : `${age(seen.heardAgo)} ago`,
      bindings: peer.claims.size,
      offers: seen?.offers ?? '',
      boot: seen?.boot ?? '',
      behind: seen === undefined ? '' : Math.max(0, seen.newest - seen.known),
      id: peer.id,
    };
  });
}

function placeHere(state: State, vip: Address): readonly string[] {
  const records = [...(state.vips.get(vip)?.values() ?? [])];
  const servers = new Set(
    records.map(record => state.servers.get(record.server)).filter(server => server !== undefined),
  );
  const staying = [...servers].filter(server => server.moved === undefined);
  if (staying.length === 0) return servers.size === 0 ? [] : ['leaving'];
  const shared = isShared(state, vip, staying[0]!);
  return [`here (${shared ? count(staying.length) : `epoch ${staying[0]!.epoch}`})`];
}

const isShared = (state: State, vip: Address, server: ServerRecord): boolean =>
  state.leases.get(vip)?.get(server.id)?.lease.shared === true;

function placeAt(state: State, claims: readonly Claim[]): string {
  const [first] = claims;
  const { elsewhere } = state;
  const what = first!.shared ? count(claims.length) : `epoch ${first!.epoch}`;
  const silent = elsewhere.peers.get(first!.manager)?.silent === true ? ', silent' : '';
  return `${nameOf(elsewhere, first!.manager)} (${what}${silent})`;
}

const count = (servers: number): string => (servers === 1 ? '1 server' : `${servers} servers`);
