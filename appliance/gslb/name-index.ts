/** Which names a view has for DNS, of which types, and what they stand for. Pure; made anew only when names or offers come or go. */
import { type Address, familyOf } from '../../sdk/wire/address.ts';
import type { Transport } from '../../sdk/wire/model.ts';
import type { RecordType } from '../dns/numbers.ts';
import { srvOwners } from './srv.ts';
import type { View } from './view.ts';

/** What an SRV name leads to. */
export interface SrvSource {
  readonly name: string;
  readonly protocol: string;
  readonly transport: Transport;
}

export interface NameIndex {
  readonly types: ReadonlyMap<string, readonly RecordType[]>;
  readonly srv: ReadonlyMap<string, readonly SrvSource[]>;
  /** The SRV names that a name's offers are told under. */
  readonly owners: ReadonlyMap<string, readonly string[]>;
}

/** Services that one SRV name leads to. */
const MOST_SOURCES = 32;

/** `fixed`: names that have addresses of their own besides. */
export function indexOf(view: View, fixed: ReadonlyMap<string, readonly Address[]> = new Map()): NameIndex {
  const types = new Map<string, readonly RecordType[]>();
  const srv = new Map<string, SrvSource[]>();
  const owners = new Map<string, readonly string[]>();
  for (const [name, { held, lapsed }] of view.names.entries()) {
    const offers = (held.length > 0 ? held : lapsed).map(one => one.offer);
    types.set(name, typesOf(offers.map(({ vip }) => vip)));
    const own = new Set<string>();
    const seen = new Set<string>();
    for (const { protocol, transport } of offers) {
      if (seen.has(`${protocol} ${transport}`)) continue;
      seen.add(`${protocol} ${transport}`);
      for (const owner of srvOwners(name, protocol, transport)) {
        const sources = srv.get(owner) ?? [];
        if (sources.length < MOST_SOURCES) sources.push({ name, protocol, transport });
        srv.set(owner, sources);
        own.add(owner);
      }
    }
    owners.set(name, [...own]);
  }
  for (const [name, list] of fixed) types.set(name, typesOf(list));
  for (const owner of srv.keys()) types.set(owner, [...(types.get(owner) ?? []), 'SRV']);
  return { types, srv, owners };
}

const typesOf = (addresses: readonly Address[]): readonly RecordType[] => {
  const families = new Set(addresses.map(familyOf));
  return [...(families.has(4) ? ['A' as const] : []), ...(families.has(6) ? ['AAAA' as const] : [])];
};
