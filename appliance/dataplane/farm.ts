/**
 * What one farm is in nf_tables: elements of the shared maps, one rule chain that takes a slot in turn or by hash, and with affinity a
 * map of its own. Pure: the same farm, number and indices always give the same text.
 *
 *     farms4     vip . tcp . 80 : jump f7     which farm           ─▶ chain f7: mark = base + slot
 *     slots      slot mark : member mark      whose slot
 *     servers4   member mark : address        where to (mapped4: address . port)
 *     live       member mark                  flows may go on
 */
import type { Address } from '../../sdk/wire/address.ts';
import { familyOf } from '../../sdk/wire/address.ts';
import type { Farm, Member } from '../desired/wanted.ts';
import { baseOf, hash32 } from './mark.ts';
import { hashed, type Share, turns } from './slots.ts';

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

/** Takes one element as `Elements` has it, but with marks and tags as numbers. */
export type TakeElement = (set: FarmSet, key: string | number, data: string | number) => void;

/** A farm in parts, from which its elements are told, or what differs between two of them without any being made. */
export interface FarmLayout {
  readonly id: number;
  readonly vip: Address;
  /** What leads to the farm's chain: the element of this set with this key. */
  readonly entry: { readonly set: FarmSet; readonly key: string };
  /** Slot 0 has the mark `base`; whose mark each slot holds. */
  readonly base: number;
  readonly slots: readonly number[];
  /** Members by their marks. */
  readonly members: ReadonlyMap<number, MemberLayout>;
  readonly body: Body;
}

/** Where packets of a member go: an element of the set, with this data. */
interface MemberLayout {
  readonly set: FarmSet;
  readonly data: string;
  /** Whether it is in `accepting`. */
  readonly accepting: boolean;
}

/** Every manager hashes alike, so a client that comes by another one meets the same server. */
export const HASH_SEED = 0x42697661;

/** A member by what the kernel knows of it. */
export const memberName = (farm: Farm, member: Member): string => `${member.address}|${portAt(farm, member)}`;

/** The port that packets are to go to; 0 = the one that the client chose. */
function portAt(farm: Farm, member: Pick<Member, 'port'>): number {
  return member.port === farm.ports.first && farm.ports.first === farm.ports.last ? 0 : member.port;
}

/** A member by its name, and what it takes. */
export type Named = Pick<Member, 'address' | 'port' | 'weight' | 'accepts'> & { readonly name: string };

/** One member for each address and port: a server that is in twice counts once, with the weight of both. */
export function distinct(farm: Farm): readonly Named[] {
  const byName = new Map<string, Named>();
  for (const member of farm.members) {
    const name = memberName(farm, member);
    const twin = byName.get(name);
    byName.set(name, {
      name,
      address: member.address,
      port: member.port,
      weight: member.weight + (twin?.weight ?? 0),
      accepts: member.accepts || twin?.accepts === true,
    });
  }
  return [...byName.values()];
}

/** The farm in nf_tables, given its number and the index of each of its members. */
export function layFarm(
  farm: Farm,
  id: number,
  indices: ReadonlyMap<string, number>,
  named: readonly Named[] = distinct(farm),
): FarmLayout {
  const family = familyOf(farm.vip);
  const direct = farm.mode === 'direct';
  const base = baseOf(id);
  const shares: Share[] = [];
  const members = new Map<number, MemberLayout>();
  for (const member of named) {
    const { name, address, weight, accepts } = member;
    const mark = base + (indices.get(name) ?? 0);
    const port = portAt(farm, member);
    const accepting = farm.affinity > 0 && accepts;
    if (port === 0) members.set(mark, { set: `servers${family}`, data: address, accepting });
    else members.set(mark, { set: `mapped${family}`, data: `${address} . ${port}`, accepting });
    if (accepts) shares.push({ name, weight, index: mark });
  }
  const slots = shares.length === 0 ? [] : farm.scheduler === 'source-hash' ? hashed(shares) : turns(shares);
  const body = layBody(farm, id, slots.length, named.length);

  const range = farm.ports.first !== farm.ports.last;
  const entry = direct ? (range ? 'direct_ranges' : 'direct') : range ? 'ranges' : 'farms';
  const ports = range ? `${farm.ports.first}-${farm.ports.last}` : `${farm.ports.first}`;
  const key = `${farm.vip} . ${farm.transport} . ${ports}`;
  const { vip } = farm;
  return { id, vip, entry: { set: `${entry}${family}` as FarmSet, key }, base, slots, members, body };
}

/** Tells of all elements of a farm. */
export function eachElement(layout: FarmLayout, take: TakeElement): void {
  const { base, slots, members } = layout;
  eachOwn(layout, take);
  for (let slot = 0; slot < slots.length; slot++) take('slots', base + slot, slots[slot]!);
  for (const [mark, member] of members) eachOfMember(mark, member, take);
}

/** Those of the farm itself. */
function eachOwn({ id, vip, entry, base, body }: FarmLayout, take: TakeElement): void {
  take(entry.set, entry.key, `jump f${id}`);
  take('tags', base, body.tag);
  if (body.mode === 'direct') take('restore4', base, vip);
  if (body.affinity > 0) take('touch', base, `jump t${id}`);
}

function eachOfMember(mark: number, { set, data, accepting }: MemberLayout, take: TakeElement): void {
  take(set, mark, data);
  take('live', mark, '');
  if (accepting) take('accepting', mark, '');
}

/** All elements of a farm, to be compared. */
export function elementsOf(layout: FarmLayout): Elements {
  const elements = new Map<string, string>();
  eachElement(layout, into(elements));
  return elements;
}

const into =
  (elements: Map<string, string>): TakeElement =>
  (set, key, data) =>
    void elements.set(`${set} ${key}`, `${data}`);

/** The elements in which two layouts of one farm, by the same number, differ: those of `before` and those of `after`. */
export function differing(
  before: FarmLayout,
  after: FarmLayout,
): { readonly before: Elements; readonly after: Elements } {
  const [old, now] = [new Map<string, string>(), new Map<string, string>()];
  const [putOld, putNow] = [into(old), into(now)];
  eachOwn(before, putOld);
  eachOwn(after, putNow);
  for (let slot = 0; slot < Math.max(before.slots.length, after.slots.length); slot++) {
    const [was, is] = [before.slots[slot], after.slots[slot]];
    if (was === is) continue;
    if (was !== undefined) putOld('slots', before.base + slot, was);
    if (is !== undefined) putNow('slots', after.base + slot, is);
  }
  for (const [mark, member] of before.members)
    if (!sameMember(member, after.members.get(mark))) eachOfMember(mark, member, putOld);
  for (const [mark, member] of after.members)
    if (!sameMember(member, before.members.get(mark))) eachOfMember(mark, member, putNow);
  return { before: old, after: now };
}

const sameMember = (one: MemberLayout, other: MemberLayout | undefined): boolean =>
  one.set === other?.set && one.data === other.data && one.accepting === other.accepting;

function layBody(farm: Farm, id: number, slots: number, members: number): Body {
  const family = familyOf(farm.vip);
  const mode = farm.mode === 'direct' ? 'direct' : 'nat';
  const client = family === 4 ? 'ip saddr' : 'ip6 saddr';
  const base = baseOf(id);
  const take = mode === 'nat' ? 'nat_take' : 'direct_take';
  const pick =
    farm.scheduler === 'source-hash'
      ? `meta mark set jhash ${client} mod ${slots} seed 0x${HASH_SEED.toString(16)} offset ${base}`
      : `meta mark set numgen inc mod ${slots} offset ${base}`;
  // A direct flow that nothing remembers can be joined in the middle only where there is no choice: its client's hash leads back to its
  // server, or there is but one, which may have roamed here with the flow (and itself resets one that is not its own).
  const strict = mode === 'direct' && members > 1 && (farm.scheduler === 'wrr' || farm.affinity > 0);
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
