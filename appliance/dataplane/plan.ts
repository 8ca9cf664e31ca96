/**
 * What must change in nf_tables, as values: the difference between what farms are and what they shall be. Pure.
 */
import type { Address } from '../../sdk/wire/address.ts';
import { familyOf } from '../../sdk/wire/address.ts';
import type { Transport } from '../../sdk/wire/model.ts';
import type { Farm, FarmKey } from '../desired/wanted.ts';
import type { Draft, Table } from '../registry/table.ts';
import { refusal } from './capabilities.ts';
import {
  type Body,
  differing,
  distinct,
  type Elements,
  elementsOf,
  type FarmLayout,
  layFarm,
  type Named,
} from './farm.ts';
import { baseOf, chooseFarm, chooseIndex } from './mark.ts';

/** A farm as it is in the kernel. */
export interface ReachedFarm {
  readonly id: number;
  /** Index of each member, by memberName. */
  readonly indices: ReadonlyMap<string, number>;
  /** What it was made as; or, found in the kernel, its elements and the tag of its rules. */
  readonly from:
    | FarmLayout
    | { readonly elements: Elements; readonly affinity: boolean; readonly tag: number };
}

/** All that is in the kernel, as far as is known. */
export interface Reached {
  readonly farms: Table<FarmKey, ReachedFarm>;
  /** Number → key, so that none is given twice. */
  readonly ids: Table<`${number}`, FarmKey>;
  /** Direct farms of each VIP (`vip 10.50.0.1`) and of each server (`via 10.1.0.11`); one with none is absent. */
  readonly directs: Table<string, number>;
}

/** A step; steps are carried out in order, all in one transaction. `set` may also be vips4, vips6, direct_vips4. */
export type Step =
  /** A farm comes, or goes, with all that it has. */
  | { readonly do: 'put-farm' | 'take-farm'; readonly layout: FarmLayout }
  | { readonly do: 'delete' | 'add'; readonly element: string; readonly data: string }
  /** Takes out an element that has a time to live, and may be gone by itself. */
  | { readonly do: 'forget'; readonly element: string }
  | { readonly do: 'replace-chains'; readonly id: number; readonly body: Body }
  | { readonly do: 'make-affinity'; readonly id: number; readonly body: Body }
  | { readonly do: 'drop-chains'; readonly id: number; readonly affinity: boolean }
  | { readonly do: 'drop-affinity'; readonly id: number };

/** A member that is gone, and its flows with it: those with this mark are to be cut. */
export interface Death {
  readonly mark: number;
  readonly transport: Transport;
  readonly mode: 'nat' | 'direct';
}

export interface FarmPlan {
  readonly steps: readonly Step[];
  /** Servers of direct farms that need a host route before the steps, and those that need none after them. */
  readonly routes: { readonly add: readonly Address[]; readonly remove: readonly Address[] };
  readonly deaths: readonly Death[];
  /** Why the farm is left as it was, or left out. */
  readonly problem: string | undefined;
}

/** What one farm is to become: undefined = out. `parted`: members, by name, that leave with their flows. */
export interface Task {
  readonly key: FarmKey;
  readonly farm: Farm | undefined;
  readonly parted?: ReadonlySet<string> | undefined;
}

/** The plans of many farms, in turn, and what is in the kernel once all of their steps are done. */
export function planFarms(
  tasks: readonly Task[],
  reached: Reached,
): { readonly plans: readonly FarmPlan[]; readonly reached: Reached } {
  const drafts: Drafts = {
    farms: reached.farms.draft(),
    ids: reached.ids.draft(),
    directs: reached.directs.draft(),
  };
  const plans = tasks.map(task => planIn(drafts, task));
  return {
    plans,
    reached: { farms: drafts.farms.done(), ids: drafts.ids.done(), directs: drafts.directs.done() },
  };
}

/** The steps that bring one farm from what was reached to `farm` (undefined: out). */
export function planFarm(
  key: FarmKey,
  farm: Farm | undefined,
  reached: Reached,
  parted?: ReadonlySet<string>,
): FarmPlan & { readonly reached: Reached } {
  const all = planFarms([{ key, farm, parted }], reached);
  return { ...all.plans[0]!, reached: all.reached };
}

/** What is in the kernel, while it is planned: each part is copied once, however many farms it changes for. */
interface Drafts {
  readonly farms: Draft<FarmKey, ReachedFarm>;
  readonly ids: Draft<`${number}`, FarmKey>;
  readonly directs: Draft<string, number>;
}

function planIn({ farms, ids, directs }: Drafts, { key, farm, parted = NONE_PARTED }: Task): FarmPlan {
  const before = farms.get(key);
  const problem = farm && refusal(farm);
  const wanted = problem === undefined ? farm : undefined;
  const id = before?.id ?? chooseFarm(key, id => ids.get(`${id}`) !== undefined);
  if (id === undefined)
    return { steps: [], routes: NO_ROUTES, deaths: [], problem: `farm ${key}: no number is free for it` };

  const members = wanted ? distinct(wanted) : [];
  const indices = chooseIndices(members, before?.indices ?? NOBODY);
  const next = wanted && layFarm(wanted, id, indices, members);
  const transport = key.split('|')[1] as Transport;
  const mode = before ? modeOf(before) : 'nat';
  const deaths: Death[] = [];
  let roamed = false;
  for (const [name, index] of before?.indices ?? NOBODY) {
    if (indices.has(name)) continue;
    if (mode === 'direct' && parted.has(name)) roamed = true;
    else deaths.push({ mark: baseOf(id) + index, transport, mode });
  }

  const steps: Step[] = [];
  const from = before?.from;
  if (from !== undefined) putChange(steps, id, from, next);
  else if (next) steps.push({ do: 'put-farm', layout: next });
  const late = deaths.length > 0 ? 'add' : roamed ? 'forget' : undefined;
  const direct = mode === 'direct' || next?.body.mode === 'direct';
  const routes = direct ? countDirect(directs, steps, usesOf(from), usesOf(next), late) : NO_ROUTES;

  if (next) farms.set(key, { id, indices, from: next });
  else farms.delete(key);
  if (wanted) ids.set(`${id}`, key);
  else ids.delete(`${id}`);
  return { steps, routes, deaths, problem };
}

/** The steps that bring the set of VIPs with anycast ARP from `before` to `wanted`. */
export function planVips(before: Table<Address, true>, wanted: Table<Address, true>): readonly Step[] {
  return [...wanted.changesSince(before)].map(({ key, after }) => ({
    do: after ? 'add' : 'delete',
    element: `vips${familyOf(key)} ${key}`,
    data: '',
  }));
}

const NONE: Elements = new Map();
const NONE_PARTED: ReadonlySet<string> = new Set();
const NO_ROUTES: FarmPlan['routes'] = { add: [], remove: [] };
const NOBODY: ReadonlyMap<string, number> = new Map();

/** What a farm was made as, or found as. */
type From = ReachedFarm['from'];

function modeOf({ from }: ReachedFarm): Body['mode'] {
  if ('body' in from) return from.body.mode;
  return isDirect(from.elements) ? 'direct' : 'nat';
}

/** What a direct farm uses; nothing for one that is not direct. */
function usesOf(from: From | undefined): ReadonlySet<string> {
  return directUses(from && ('body' in from ? elementsOf(from) : from.elements));
}

/** The steps by which a farm that is there becomes another, or goes. */
function putChange(steps: Step[], id: number, from: From, next: FarmLayout | undefined): void {
  if ('body' in from && next === undefined) {
    steps.push({ do: 'take-farm', layout: from });
    return;
  }
  const { affinity, tag } = 'body' in from ? { affinity: from.body.affinity > 0, tag: from.body.tag } : from;
  if (next && next.body.tag !== tag) {
    const { body } = next;
    if (body.affinity > 0 && !affinity) steps.push({ do: 'make-affinity', id, body });
    steps.push({ do: 'replace-chains', id, body });
  }
  if ('body' in from && next) {
    const { before, after } = differing(from, next);
    putDifference(steps, before, after);
  } else if ('elements' in from) putDifference(steps, from.elements, next ? elementsOf(next) : NONE);
  if (!next) steps.push({ do: 'drop-chains', id, affinity });
  if (affinity && !next?.body.affinity) steps.push({ do: 'drop-affinity', id });
}

/** Members keep the index that they have; a new one gets its own. */
function chooseIndices(
  members: readonly Named[],
  before: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  const indices = new Map<string, number>();
  // An index that a member of before gives up is not for a new one at once: flows still carry it.
  const taken = new Set(before.values());
  for (const { name } of members) {
    const index = before.get(name) ?? chooseIndex(name, index => taken.has(index)) ?? 0;
    indices.set(name, index);
    taken.add(index);
  }
  return indices;
}

/** Deletes first: an element with new data is first taken out, and the transaction makes it one. */
function putDifference(steps: Step[], before: Elements, after: Elements): void {
  for (const [element, data] of before)
    if (after.get(element) !== data) steps.push({ do: 'delete', element, data });
  for (const [element, data] of after)
    if (before.get(element) !== data) steps.push({ do: 'add', element, data });
}

/**
 * Counts the VIPs and servers with at least one direct farm, told from what a farm used before and uses after (`directUses`), and adds what
 * follows to the steps. `late`: a VIP that has none any more is to be met for a while, or not any longer though one of before was.
 */
function countDirect(
  table: Drafts['directs'],
  steps: Step[],
  gone: ReadonlySet<string>,
  come: ReadonlySet<string>,
  late: 'add' | 'forget' | undefined,
): FarmPlan['routes'] {
  const routes = { add: [] as Address[], remove: [] as Address[] };
  const turn = (use: string, there: boolean): void => {
    const [kind, address] = use.split(' ') as [string, Address];
    if (kind === 'via') routes[there ? 'add' : 'remove'].push(address);
    else steps.push({ do: there ? 'add' : 'delete', element: `direct_vips4 ${address}`, data: '' });
    if (kind !== 'vip' || there) return;
    const element = `late_vips4 ${address}`;
    if (late === 'add') steps.push({ do: 'add', element, data: '' });
    else if (late === 'forget') steps.push({ do: 'forget', element });
  };
  for (const use of gone) {
    if (come.has(use)) continue;
    const left = (table.get(use) ?? 1) - 1;
    if (left > 0) table.set(use, left);
    else {
      table.delete(use);
      turn(use, false);
    }
  }
  for (const use of come) {
    if (gone.has(use)) continue;
    const had = table.get(use) ?? 0;
    table.set(use, had + 1);
    if (had === 0) turn(use, true);
  }
  return routes;
}

/** What a direct farm uses; nothing for a farm that is not direct. */
export function directUses(elements: Elements | undefined): ReadonlySet<string> {
  const uses = new Set<string>();
  if (!isDirect(elements)) return uses;
  for (const [element, data] of elements ?? NONE) {
    if (element.startsWith('restore4 ')) uses.add(`vip ${data}`);
    if (element.startsWith('servers4 ')) uses.add(`via ${data}`);
  }
  return uses;
}

function isDirect(elements: Elements | undefined): boolean {
  for (const element of elements?.keys() ?? []) if (element.startsWith('restore4 ')) return true;
  return false;
}
