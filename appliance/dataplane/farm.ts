/**
 * What one farm is in nf_tables: elements of the shared maps, one rule chain that takes a slot in turn or by hash, and with affinity a
 * map of its own. Pure: the same farm, number and indices always give the same text.
 *
 *     farms4     vip . tcp . 80 : jump f7     which farm           ─▶ chain f7: mark = base + slot
 *     slots      slot mark : member mark      whose slot
 *     servers4   member mark : address        where to (mapped4: address . port)
 *     live       member mark                  flows may go on
 */
import { familyOf } from '../../sdk/wire/address.ts';
import type { Farm, Member } from '../desired/wanted.ts';
import { baseOf, hash32 } from './mark.ts';
import { hashed, turns } from './slots.ts';

/** Names of the maps and sets whose elements come and go with the farms (layout.ts declares them). */
export type FarmSet =
  | `farms${4 | 6}`
  | `ranges${4 | 6}`
  | 'direct4'
  | 'direct_ranges4'
  | `servers${4 | 6}`
  | `mapped${4 | 6}`
  | 'restore4'
  | 'slots'
  | 'live'
  | 'accepting'
  | 'touch'
  | 'tags';

/** Elements by `set key`, both in nft's own spelling (marks as decimal numbers); the value is the data, '' in a set. */
export type Elements = ReadonlyMap<string, string>;

/** The rules of a farm. Replaced as a whole when `tag` differs. */
export interface Body {
  /** The rules of chain f<id>. */
  readonly rules: readonly string[];
  /** Seconds of affinity; 0 = no map a<id> and no chain t<id>. */
  readonly affinity: number;
  readonly family: 4 | 6;
  readonly mode: 'nat' | 'direct';
  /** A fingerprint of all this, kept in the map `tags` so that it can be adopted without reading the rules. */
  readonly tag: number;
  /** The same rules in parts, where they are simple enough to be compiled here (batch.ts). */
  readonly simple: SimpleBody | undefined;
}

/** Rules of a farm without affinity: perhaps the strict one, then one that takes a slot (or refuses, with no slots). */
export interface SimpleBody {
  readonly strict: boolean;
  readonly hash: boolean;
  readonly slots: number;
  readonly base: number;
}

export interface FarmLayout {
  readonly elements: Elements;
  readonly body: Body;
}

/** Every manager hashes alike, so a client that comes by another one meets the same server. */
export const HASH_SEED = 0x42697661;

/** A member by what the kernel knows of it. */
export const memberName = (farm: Farm, member: Member): string => `${member.address}|${portAt(farm, member)}`;

/** The port that packets are to go to; 0 = the one that the client chose. */
function portAt(farm: Farm, member: Member): number {
  return member.port === farm.ports.first && farm.ports.first === farm.ports.last ? 0 : member.port;
}

/** One member for each address and port: a server that is in twice counts once, with the weight of both. */
export function distinct(farm: Farm): readonly (Member & { readonly name: string })[] {
  const byName = new Map<string, Member & { name: string }>();
  for (const member of farm.members) {
    const name = memberName(farm, member);
    const twin = byName.get(name);
    if (twin === undefined) byName.set(name, { ...member, name });
    else
      byName.set(name, {
        ...twin,
        weight: twin.weight + member.weight,
        accepts: twin.accepts || member.accepts,
      });
  }
  return [...byName.values()];
}

/** The farm in nf_tables, given its number and the index of each of its members. */
export function layFarm(farm: Farm, id: number, indices: ReadonlyMap<string, number>): FarmLayout {
  const family = familyOf(farm.vip);
  const mode = farm.mode === 'direct' ? 'direct' : 'nat';
  const members = distinct(farm);
  const base = baseOf(id);
  const markOf = (name: string): number => base + (indices.get(name) ?? 0);
  const shares = members
    .filter(member => member.accepts)
    .map(({ name, weight }) => ({ name, weight, index: markOf(name) }));
  const slots = shares.length === 0 ? [] : farm.scheduler === 'source-hash' ? hashed(shares) : turns(shares);
  const body = layBody(farm, id, slots.length);

  const elements = new Map<string, string>();
  const range = farm.ports.first !== farm.ports.last;
  const entry = mode === 'direct' ? (range ? 'direct_ranges' : 'direct') : range ? 'ranges' : 'farms';
  const ports = range ? `${farm.ports.first}-${farm.ports.last}` : `${farm.ports.first}`;
  const put = (set: FarmSet, key: string | number, data: string | number = ''): void =>
    void elements.set(`${set} ${key}`, String(data));
  put(`${entry}${family}` as FarmSet, `${farm.vip} . ${farm.transport} . ${ports}`, `jump f${id}`);
  put('tags', base, body.tag);
  if (mode === 'direct') put('restore4', base, farm.vip);
  for (const [slot, mark] of slots.entries()) put('slots', base + slot, mark);
  for (const member of members) {
    const mark = markOf(member.name);
    const port = portAt(farm, member);
    if (port === 0) put(`servers${family}`, mark, member.address);
    else put(`mapped${family}`, mark, `${member.address} . ${port}`);
    put('live', mark);
    if (farm.affinity > 0 && member.accepts) put('accepting', mark);
  }
  if (farm.affinity > 0) put('touch', base, `jump t${id}`);
  return { elements, body };
}

function layBody(farm: Farm, id: number, slots: number): Body {
  const family = familyOf(farm.vip);
  const mode = farm.mode === 'direct' ? 'direct' : 'nat';
  const client = family === 4 ? 'ip saddr' : 'ip6 saddr';
  const base = baseOf(id);
  const take = mode === 'nat' ? 'nat_take' : 'direct_take';
  const pick =
    farm.scheduler === 'source-hash'
      ? `meta mark set jhash ${client} mod ${slots} seed 0x${HASH_SEED.toString(16)} offset ${base}`
      : `meta mark set numgen inc mod ${slots} offset ${base}`;
  // A direct flow that nothing remembers cannot be joined in the middle unless its client's hash leads back to its server.
  const strict = mode === 'direct' && (farm.scheduler === 'wrr' || farm.affinity > 0);
  const rules = [
    ...(strict ? ['tcp flags & (fin | syn | rst | ack) != syn goto refuse'] : []),
    ...(slots === 0
      ? ['goto refuse']
      : farm.affinity === 0
        ? [pick]
        : [
            `meta mark set ${client} map @a${id}`,
            `meta mark @accepting update @a${id} { ${client} timeout ${farm.affinity}s : meta mark } goto ${take}`,
            // What is remembered does not accept any more (or nothing is): an update would keep the old server.
            `delete @a${id} { ${client} : meta mark }`,
            pick,
            `meta mark set meta mark map @slots add @a${id} { ${client} timeout ${farm.affinity}s : meta mark } goto ${take}`,
            'drop',
          ]),
  ];
  return {
    rules,
    affinity: farm.affinity,
    family,
    mode,
    simple: farm.affinity > 0 ? undefined : { strict, hash: farm.scheduler === 'source-hash', slots, base },
    tag: hash32(`${family} ${mode} ${farm.affinity}\n${rules.join('\n')}`),
  };
}
