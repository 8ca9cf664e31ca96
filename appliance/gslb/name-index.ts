/**
 * Which names there are for DNS, of which types, and what they stand for: kept in step with the offers, at the cost of the names that
 * changed.
 */
import { type Address, addressBytes, familyOf } from '../../sdk/wire/address.ts';
import type { ManagerId, Transport } from '../../sdk/wire/model.ts';
import type { RecordType } from '../dns/numbers.ts';
import { type Draft, Table } from '../registry/table.ts';
import { typesOf } from './fixed.ts';
import { srvOwners } from './srv.ts';
import type { Name } from './view.ts';

/** What an SRV name leads to. */
export interface SrvSource {
  readonly name: string;
  readonly protocol: string;
  readonly transport: Transport;
}

/** Services that one SRV name leads to: the first by their names. */
const MOST_SOURCES = 32;

type Types = readonly RecordType[];

export interface NameIndexOptions {
  /** Names that are configured, and their types. */
  readonly fixed: ReadonlyMap<string, Types>;
  /** The apex of the zone that a name is in, if it is in one. */
  readonly zoneOf: (name: string) => string | undefined;
  /** Whether each VIP of the service wants a name of its own, for SRV records that tell of several. */
  readonly several: (name: string) => boolean;
}

/** What one service's name brings along. */
interface Entry {
  readonly types: Types;
  readonly sources: readonly (readonly [owner: string, source: SrvSource])[];
  readonly hosts: readonly (readonly [host: string, vip: Address])[];
  /** Under what it is found without its name: each VIP, and each application at each manager. */
  readonly keys: readonly string[];
}

export class NameIndex {
  private readonly options: NameIndexOptions;
  private table: Table<string, Types>;
  private readonly entries = new Map<string, Entry>();
  private readonly srv = new Map<string, Map<string, SrvSource>>();
  private readonly hosts = new Map<string, { readonly vip: Address; users: number }>();
  private readonly found = new Map<string, Set<string>>();
  /** How many names each manager has of an application. */
  private readonly managers = new Map<string, Map<ManagerId, number>>();

  constructor(options: NameIndexOptions) {
    this.options = options;
    this.table = Table.from(options.fixed);
  }

  /** Every name, with its types; another table when something in it is another. */
  get types(): Table<string, Types> {
    return this.table;
  }

  /** Takes in names as they are now; undefined: it is no more. */
  update(names: Iterable<readonly [string, Name | undefined]>): void {
    const draft = this.table.draft();
    for (const [name, value] of names) {
      const touched = new Set([name]);
      this.leave(name, touched);
      if (value !== undefined) this.join(name, value, touched);
      for (const one of touched) this.put(draft, one);
    }
    this.table = draft.done();
  }

  /** Other names that tell of a service: its SRV names, and those of its VIPs. */
  othersOf(name: string): readonly string[] {
    const entry = this.entries.get(name);
    return entry === undefined ? [] : [...new Set(entry.sources.map(([owner]) => owner))];
  }

  /** What an SRV name leads to, in the order of the names. */
  sourcesOf(owner: string): readonly SrvSource[] {
    const all = [...(this.srv.get(owner)?.entries() ?? [])];
    return all
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .slice(0, MOST_SOURCES)
      .map(([, source]) => source);
  }

  /** The VIP that has this name. */
  vipOf(host: string): Address | undefined {
    return this.hosts.get(host)?.vip;
  }

  /** Names that are offered at a VIP. */
  namesAt(vip: Address): Iterable<string> {
    return this.found.get(vip) ?? [];
  }

  /** Managers that offer anything of an application. */
  managersOf(protocol: string): Iterable<ManagerId> {
    return this.managers.get(protocol)?.keys() ?? [];
  }

  /** Names of an application that a manager offers. */
  namesOf(protocol: string, manager: ManagerId): Iterable<string> {
    return this.found.get(`${protocol} ${manager}`) ?? [];
  }

  private leave(name: string, touched: Set<string>): void {
    const entry = this.entries.get(name);
    if (entry === undefined) return;
    this.entries.delete(name);
    for (const [owner, source] of entry.sources) {
      touched.add(owner);
      const sources = this.srv.get(owner);
      sources?.delete(sourceKey(source));
      if (sources?.size === 0) this.srv.delete(owner);
    }
    for (const key of entry.keys) {
      const names = this.found.get(key);
      names?.delete(name);
      if (names?.size === 0) this.found.delete(key);
      this.tally(key, -1);
    }
    for (const [host] of entry.hosts) {
      touched.add(host);
      const known = this.hosts.get(host);
      if (known !== undefined && --known.users === 0) this.hosts.delete(host);
    }
  }

  private join(name: string, { held, lapsed }: Name, touched: Set<string>): void {
    const offers = (held.length > 0 ? held : lapsed).map(one => one.offer);
    const vips = [...new Set(offers.map(({ vip }) => vip))];
    const sources: Entry['sources'][number][] = [];
    const seen = new Set<string>();
    for (const { protocol, transport } of offers) {
      if (seen.has(`${protocol} ${transport}`)) continue;
      seen.add(`${protocol} ${transport}`);
      for (const owner of srvOwners(name, protocol, transport))
        sources.push([owner, { name, protocol, transport }]);
    }
    const zone = this.options.several(name) ? this.options.zoneOf(name) : undefined;
    const hosts = zone === undefined ? [] : vips.map(vip => [hostOf(vip, zone), vip] as const);
    const keys = [
      ...vips,
      ...new Set(held.map(({ offer: { protocol }, manager }) => `${protocol} ${manager}`)),
    ];
    this.entries.set(name, { types: typesOf(vips), sources, hosts, keys });
    for (const key of keys) {
      const names = this.found.get(key);
      if (names === undefined) this.found.set(key, new Set([name]));
      else names.add(name);
      this.tally(key, 1);
    }
    for (const [owner, source] of sources) {
      touched.add(owner);
      const known = this.srv.get(owner);
      if (known === undefined) this.srv.set(owner, new Map([[sourceKey(source), source]]));
      else known.set(sourceKey(source), source);
    }
    for (const [host, vip] of hosts) {
      touched.add(host);
      const known = this.hosts.get(host);
      if (known === undefined) this.hosts.set(host, { vip, users: 1 });
      else known.users++;
    }
  }

  private tally(key: string, more: 1 | -1): void {
    const at = key.indexOf(' ');
    if (at < 0) return;
    const [protocol, manager] = [key.slice(0, at), key.slice(at + 1) as ManagerId];
    let counts = this.managers.get(protocol);
    if (counts === undefined) {
      counts = new Map();
      this.managers.set(protocol, counts);
    }
    const count = (counts.get(manager) ?? 0) + more;
    if (count > 0) counts.set(manager, count);
    else counts.delete(manager);
    if (counts.size === 0) this.managers.delete(protocol);
  }

  private put(draft: Draft<string, Types>, name: string): void {
    const fixed = this.options.fixed.get(name);
    const own = this.entries.get(name)?.types ?? [];
    const host = this.hosts.get(name);
    const types = new Set([...(fixed ?? []), ...own, ...(host === undefined ? [] : typesOf([host.vip]))]);
    if (this.srv.has(name)) types.add('SRV');
    const list: Types = fixed?.includes('CNAME') ? fixed : [...types];
    if (list.length === 0) draft.delete(name);
    else if (draft.get(name)?.join() !== list.join()) draft.set(name, list);
  }
}

const sourceKey = ({ name, protocol, transport }: SrvSource): string => `${name} ${protocol} ${transport}`;

/** The name of a VIP: `v4-10-9-0-1`, `v6-` and 32 hex digits. It stands for the same address for ever. */
export const hostOf = (vip: Address, zone: string): string =>
  familyOf(vip) === 4
    ? `v4-${vip.replaceAll('.', '-')}.${zone}`
    : `v6-${Array.from(addressBytes(vip), byte => byte.toString(16).padStart(2, '0')).join('')}.${zone}`;
