/**
 * What an earlier daemon left in the kernel, read as JSON (libnftables-json(5)) into the very form that plan.ts compares with. Pure, but
 * for the listing itself.
 */
import type { Address } from '../../sdk/wire/address.ts';
import { parseAddress } from '../../sdk/wire/address.ts';
import { TRANSPORT } from '../../sdk/wire/model.ts';
import type { FarmKey } from '../desired/wanted.ts';
import { Table } from '../registry/table.ts';
import { FARM_PART, LAYOUT, TABLE } from './layout.ts';
import { farmOfMark, indexOfMark } from './mark.ts';
import type { Nft } from './nft.ts';
import { directUses, type Reached, type ReachedFarm } from './plan.ts';
import { type Before, readNote } from './sysctl.ts';

export type Found =
  /** No table at all. */
  | { readonly what: 'nothing' }
  /** A table of another layout, or one that makes no sense: to be replaced. */
  | { readonly what: 'foreign'; readonly reason: string; readonly before: Before }
  | {
      readonly what: 'ours';
      /** Undefined when the table has no part for farms. */
      readonly reached: Reached | undefined;
      readonly vips: Table<Address, true>;
      readonly before: Before;
    };

const MAPS = {
  entries: ['farms4', 'farms6', 'ranges4', 'ranges6', 'direct4', 'direct_ranges4'],
  members: ['servers4', 'servers6', 'mapped4', 'mapped6'],
  marked: ['restore4', 'slots', 'touch', 'tags'],
  sets: ['live', 'accepting'],
} as const;

/** Reads the table. `port` is that of anycast ARP over UDP: a table made for another one is foreign. */
export async function adopt(nft: Nft, port: number): Promise<Found> {
  const chains = objects(await nft.json('list chains inet'), 'chain')
    .filter(chain => `inet ${chain['table']}` === TABLE)
    .map(chain => String(chain['name']));
  if (chains.length === 0) return { what: 'nothing' };
  const layout = `layout-${LAYOUT}-${port}`;
  const before = await readBefore(nft);
  if (!chains.includes(layout)) return { what: 'foreign', reason: `it holds no chain '${layout}'`, before };
  try {
    const reached = chains.includes(FARM_PART)
      ? assemble(await readElements(nft), new Set(chains))
      : undefined;
    return { what: 'ours', reached, vips: await readVips(nft), before };
  } catch (error) {
    return { what: 'foreign', reason: (error as Error).message, before };
  }
}

/** One element: its set, its key and its data in nft's own spelling. */
interface Row {
  readonly set: string;
  readonly key: string;
  readonly data: string;
}

async function readElements(nft: Nft): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const set of [...MAPS.entries, ...MAPS.members, ...MAPS.marked])
    rows.push(...(await list(nft, 'map', set)));
  for (const set of MAPS.sets) rows.push(...(await list(nft, 'set', set)));
  return rows;
}

async function readVips(nft: Nft): Promise<Table<Address, true>> {
  const rows = [...(await list(nft, 'set', 'vips4')), ...(await list(nft, 'set', 'vips6'))];
  return Table.from(rows.map(row => [row.key as Address, true] as const));
}

/** What the kernel's settings were before an earlier daemon's time: comments in a set. */
async function readBefore(nft: Nft): Promise<Before> {
  const [object] = objects(await nft.json(`list set ${TABLE} sysctls`), 'set');
  const elements = (object?.['elem'] ?? []) as readonly { readonly elem?: { readonly comment?: string } }[];
  return elements.flatMap(({ elem }) => readNote(elem?.comment ?? ''));
}

async function list(nft: Nft, kind: 'map' | 'set', set: string): Promise<readonly Row[]> {
  const [object] = objects(await nft.json(`list ${kind} ${TABLE} ${set}`), kind);
  if (object === undefined) throw new Error(`it holds no ${kind} '${set}'`);
  const elements = (object['elem'] ?? []) as readonly unknown[];
  return elements.map(element =>
    kind === 'map'
      ? { set, key: text((element as unknown[])[0]), data: text((element as unknown[])[1]) }
      : { set, key: text(element), data: '' },
  );
}

/** The farms that these elements make up. Throws when they do not fit together. */
function assemble(rows: readonly Row[], chains: ReadonlySet<string>): Reached {
  interface Draft {
    key: FarmKey | undefined;
    tag: number;
    affinity: boolean;
    readonly indices: Map<string, number>;
    readonly elements: Map<string, string>;
  }
  const drafts = new Map<number, Draft>();
  for (const { set, key, data } of rows) {
    const entry = MAPS.entries.includes(set as never);
    const id = entry ? Number(data.replace('jump f', '')) : farmOfMark(Number(key));
    let draft = drafts.get(id);
    if (draft === undefined) {
      draft = {
        key: undefined,
        tag: 0,
        affinity: false,
        indices: new Map(),
        elements: new Map(),
      };
      drafts.set(id, draft);
    }
    draft.elements.set(`${set} ${key}`, data);
    if (entry) draft.key = farmKey(key);
    else if (MAPS.members.includes(set as never)) draft.indices.set(member(data), indexOfMark(Number(key)));
    else if (set === 'tags') draft.tag = Number(data);
    else if (set === 'touch') draft.affinity = true;
  }
  const farms: [FarmKey, ReachedFarm][] = [];
  const ids: [`${number}`, FarmKey][] = [];
  const directs = new Map<string, number>();
  for (const [id, { key, tag, affinity, indices, elements }] of drafts) {
    if (key === undefined || !chains.has(`f${id}`)) throw new Error(`farm number ${id} is not whole`);
    farms.push([key, { id, indices, from: { elements, affinity, tag } }]);
    ids.push([`${id}`, key]);
    for (const use of directUses(elements)) directs.set(use, (directs.get(use) ?? 0) + 1);
  }
  const numbered = [...chains].filter(name => /^f\d+$/.test(name)).length;
  if (numbered !== farms.length) throw new Error(`it holds ${numbered} farms, but names ${farms.length}`);
  return { farms: Table.from(farms), ids: Table.from(ids), directs: Table.from(directs) };
}

/** `10.0.0.1 . tcp . 80` → `10.0.0.1|tcp|80-80`. */
function farmKey(text: string): FarmKey {
  const [vip, transport, ports = ''] = text.split(' . ');
  const [first, last = first] = ports.split('-');
  return `${vip}|${transport}|${first}-${last}` as FarmKey;
}

/** `10.1.0.1 . 8080` → `10.1.0.1|8080`; without a port, `|0` (as memberName spells it). */
function member(text: string): string {
  const [address, port = '0'] = text.split(' . ');
  return `${address}|${port}`;
}

/** A part of `vip . transport . ports`. Without /etc/protocols (Debian's netbase) nft gives the transport as a number. */
const farmPart = (value: unknown, index: number): string =>
  (index === 1 && TRANSPORTS.get(String(value))) || text(value);
const TRANSPORTS = new Map(Object.entries(TRANSPORT).map(([name, number]) => [String(number), name]));

/** An expression of libnftables-json as nft's text. Throws for what the driver never puts in. */
function text(value: unknown): string {
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return parseAddress(value) ?? value;
  const { concat, range, goto, jump, elem } = value as Record<string, unknown>;
  if (Array.isArray(concat)) return concat.map(concat.length === 3 ? farmPart : text).join(' . ');
  if (Array.isArray(range)) return range.map(text).join('-');
  if (goto) return `goto ${(goto as { target: string }).target}`;
  if (jump) return `jump ${(jump as { target: string }).target}`;
  if (elem) return text((elem as { val: unknown }).val);
  throw new Error(`an element that is not of its making: ${JSON.stringify(value)}`);
}

function objects(listing: unknown, kind: string): readonly Record<string, unknown>[] {
  const all =
    (listing as { nftables?: Record<string, Record<string, unknown>>[] } | undefined)?.nftables ?? [];
  return all.flatMap(object => (object[kind] ? [object[kind]] : []));
}
