/**
 * The nftables driver: farms as elements of one table, changed by one transaction a call, at a cost that goes by what differs.
 */
import type { Address } from '../../sdk/wire/address.ts';
import { sameFarm } from '../desired/alike.ts';
import type { Driver } from '../desired/driver.ts';
import type { Farm, FarmKey, WantedDataplane } from '../desired/wanted.ts';
import type { Log } from '../host/ports.ts';
import { bindingKey } from '../registry/elsewhere.ts';
import type { Reached as ReachedState } from '../registry/state.ts';
import { Table } from '../registry/table.ts';
import { adopt } from './adopt.ts';
import { encode } from './batch.ts';
import { countConnections } from './connections.ts';
import type { Cutter, Flows } from './cut.ts';
import { memberName } from './farm.ts';
import { renderFarmPart, renderVipPart, TABLE } from './layout.ts';
import { farmOfMark, indexOfMark } from './mark.ts';
import type { Nft, NftBatches } from './nft.ts';
import { type Death, type FarmPlan, planFarms, planVips, type Reached, type Step } from './plan.ts';
import { render } from './render.ts';
import type { Routes } from './routes.ts';
import { applySysctls, type Before, earliest, noteBefore, restoreSysctls, type Sysctl } from './sysctl.ts';

export interface NftablesOptions {
  readonly nft: Nft;
  /** Without it every change goes through nft's language. */
  readonly batches?: NftBatches;
  readonly sysctl: Sysctl;
  /** Host routes of direct servers. */
  readonly routes: Routes;
  /** Cuts the flows of dead members; without one they end when their next packet meets the rules. */
  readonly cutter?: Cutter;
  /** The kernel's flows, for connections(); without them it tells of none. */
  readonly flows?: Flows;
  readonly log: Log;
  /** UDP port of anycast ARP. */
  readonly anycastPort?: number;
  /** The part of the table that farms want waits for the first of them: where IPVS is to have all, there may never be one. */
  readonly farmsLater?: boolean;
}

/**
 * Most farms in one transaction; more are parted evenly. While the kernel carries one out the next is planned, and routes to what is there
 * already go out.
 */
const BATCH = 400;

/** Bytes of a transaction that one send can carry within a socket's buffer. */
const FAST = 4 << 20;

const NOTHING: Reached = { farms: Table.empty(), ids: Table.empty(), directs: Table.empty() };

export interface NftablesDriver extends Driver<WantedDataplane, ReachedState['farms']> {
  /** Established TCP connections of each farm's members now, by `address|port` (port 0: the client's own); a listing of the kernel. */
  connections(): Promise<ReadonlyMap<FarmKey, ReadonlyMap<string, number>>>;
}

export function createNftables(options: NftablesOptions): NftablesDriver {
  return new Nftables(options);
}

interface Unit {
  readonly key: FarmKey;
  readonly farm: Farm | undefined;
}

/** Units to be carried out together, planned on what will be there then. */
interface Transaction {
  readonly units: readonly Unit[];
  readonly plans: readonly FarmPlan[];
  /** What the plans begin with, and what there is when all is done. */
  readonly from: Reached;
  readonly to: Reached;
}

class Nftables implements NftablesDriver {
  private readonly nft: Nft;
  private readonly options: NftablesOptions;
  private readonly port: number;
  /** Undefined until the kernel was looked at. */
  private reached: Reached | undefined;
  private vips: Table<Address, true> = Table.empty();
  private partings: WantedDataplane['partings'] = Table.empty();
  /** The farms of the last apply, refused ones included, to compare the next with. */
  private last: Table<FarmKey, Farm> = Table.empty();
  private counts: ReachedState['farms'] = Table.empty();
  private readonly problems = new Map<FarmKey, string>();
  /** Farms that the last apply could not bring about: tried again by the next. */
  private readonly failed = new Set<FarmKey>();
  /** Commands that go ahead of the next transaction, in it: the table itself, so that it is never there without its farms. */
  private lead = '';
  /** The table lacks its part for farms. */
  private isBare = true;
  /** Steps of the VIPs that go with the next transaction. */
  private due: readonly Step[] = [];
  private before: Before = [];
  private standing: readonly string[] = [];

  constructor(options: NftablesOptions) {
    this.options = options;
    this.nft = options.nft;
    this.port = options.anycastPort ?? 9747;
  }

  async apply(
    wanted: WantedDataplane,
    onPart?: (reached: ReachedState['farms']) => Promise<void>,
  ): Promise<{ readonly reached: ReachedState['farms']; readonly problems: readonly string[] }> {
    const first = this.reached === undefined;
    if (first) await this.start();
    if (this.isBare && (wanted.farms.size > 0 || !this.options.farmsLater)) {
      this.lead += renderFarmPart(this.port);
      this.isBare = false;
    }
    this.due = [...this.due, ...planVips(this.vips, wanted.vips)];
    this.vips = wanted.vips;
    this.partings = wanted.partings;
    const units = this.differing(wanted.farms);
    this.failed.clear();
    // The first time nothing is known until all is known: routes of farms that are there all along must not go.
    await this.carryOutAll(units, first ? undefined : onPart);
    const leading = await this.runLead();
    this.last = wanted.farms;
    if (this.failed.size > 0 || leading.length > 0) await this.doubt();
    return {
      reached: this.counts,
      problems: [...this.standing, ...leading, ...this.options.routes.problems(), ...this.problems.values()],
    };
  }

  async release(): Promise<void> {
    if (this.reached === undefined) await this.start();
    this.options.cutter?.close();
    await this.options.routes.release();
    await this.nft.run(`delete table ${TABLE}\n`);
    restoreSysctls(this.options.sysctl, this.before);
    this.nft.close();
    this.options.batches?.close();
  }

  detach(): void {
    this.options.routes.close();
    this.options.cutter?.close();
    this.nft.close();
    this.options.batches?.close();
  }

  async connections(): Promise<ReadonlyMap<FarmKey, ReadonlyMap<string, number>>> {
    const { flows } = this.options;
    if (flows === undefined || this.reached === undefined) return new Map();
    const direct = this.reached.directs.size > 0 ? await flows.remembered() : [];
    return countConnections([...(await flows.tracked()), ...direct], this.reached);
  }

  /** Takes up what the kernel holds, or has the table put in. */
  private async start(): Promise<void> {
    const { before, problems } = applySysctls(this.options.sysctl);
    this.standing = problems;
    const notes = (list: Before): string =>
      render(noteBefore(list).map(element => ({ do: 'add', element, data: '' })));
    const found = await adopt(this.nft, this.port);
    const noted = found.what === 'nothing' ? [] : found.before;
    this.before = earliest(noted, this.before, before);
    this.isBare = found.what !== 'ours' || found.reached === undefined;
    if (found.what === 'ours') {
      this.reached = found.reached ?? NOTHING;
      this.vips = found.vips;
      this.lead = notes(this.before.filter(entry => !noted.includes(entry)));
      const servers = [...this.reached.directs.keys()].filter(use => use.startsWith('via '));
      await this.options.routes.start(servers.map(use => use.slice(4) as Address));
      this.options.log('info', 'dataplane-adopted', { farms: this.reached.farms.size });
      return;
    }
    await this.options.routes.start([]);
    const old = found.what === 'foreign' ? `delete table ${TABLE}\n` : '';
    if (found.what === 'foreign')
      this.options.log('notice', 'dataplane-replaced', { table: TABLE, reason: found.reason });
    this.lead = `${old}${renderVipPart(this.port)}${notes(this.before)}`;
    this.reached = NOTHING;
  }

  /** What may differ from what was reached; the first time, farms found in the kernel that nobody wants too. */
  private differing(farms: Table<FarmKey, Farm>): Unit[] {
    const keys = new Set<FarmKey>(this.failed);
    for (const { key, before, after } of farms.changesSince(this.last))
      if (before === undefined || after === undefined || !sameFarm(before, after)) keys.add(key);
    if (this.last.size === 0) for (const key of this.reached?.farms.keys() ?? []) keys.add(key);
    return [...keys].map(key => ({ key, farm: farms.get(key) }));
  }

  /** After a failure: if somebody took the table away, nothing that is remembered holds, and the next apply starts anew. */
  private async doubt(): Promise<void> {
    if ((await adopt(this.nft, this.port)).what === 'ours') return;
    this.reached = undefined;
    this.last = Table.empty();
    this.vips = Table.empty();
    this.lead = '';
    this.due = [];
  }

  /** Runs what is to go ahead alone, when no farm takes it along; gives the reason when it cannot be done. */
  private async runLead(): Promise<readonly string[]> {
    const { ok, error } = await this.transact([]);
    return ok ? [] : [`the table '${TABLE}' could not be set up: ${error}`];
  }

  /** Carries out the units, so many a transaction; the next is planned as if the one under way went well, which nearly all do. */
  private async carryOutAll(
    units: readonly Unit[],
    onPart?: (reached: ReachedState['farms']) => Promise<void>,
  ): Promise<void> {
    let ahead: Transaction | undefined;
    const size = Math.ceil(units.length / Math.ceil(units.length / BATCH));
    for (let at = 0; at < units.length; at += size) {
      const now =
        ahead !== undefined && ahead.from === this.reached
          ? ahead
          : this.planAll(units.slice(at, at + size), this.reached ?? NOTHING);
      const done = this.carryOut(now);
      // A rejection before it is waited for is still one when it is.
      done.catch(() => {});
      // Also where nothing is to be told, so that the send has begun before the next are planned.
      await (at > 0 ? onPart?.(this.counts) : undefined);
      const next = units.slice(at + size, at + 2 * size);
      ahead = next.length === 0 ? undefined : this.planAll(next, now.to);
      await done;
    }
  }

  private planAll(units: readonly Unit[], from: Reached): Transaction {
    const tasks = units.map(({ key, farm }) => ({ key, farm, parted: this.parted(this.last.get(key)) }));
    const { plans, reached } = planFarms(tasks, from);
    return { units, plans, from, to: reached };
  }

  /** Carries out the units in one transaction; if the kernel refuses it, halves it until what it refuses stands alone. */
  private async carryOut(transaction: Transaction): Promise<void> {
    const { units, plans, to: reached } = transaction;
    const steps: Step[] = [];
    for (const plan of plans) for (const step of plan.steps) steps.push(step);
    for (const { routes } of plans) for (const server of routes.add) await this.options.routes.add(server);
    const { ok, error } = await this.transact(steps);
    if (!ok && (this.lead !== '' || this.due.length > 0)) {
      if ((await this.runLead()).length === 0) return this.carryOut(transaction);
      for (const { key } of units) this.failed.add(key);
      return;
    }
    if (!ok && units.length > 1) {
      for (const half of [units.slice(0, units.length >> 1), units.slice(units.length >> 1)])
        await this.carryOut(this.planAll(half, this.reached ?? NOTHING));
      return;
    }
    if (ok) {
      this.reached = reached;
      for (const { routes } of plans)
        for (const server of routes.remove)
          if (!reached.directs.has(`via ${server}`)) await this.options.routes.remove(server);
    }
    const deaths: Death[] = [];
    const last: Death[] = [];
    const counts = this.counts.draft();
    for (const [at, { key, farm }] of units.entries()) {
      const problem = ok ? plans[at]!.problem : `farm ${key}: ${error}`;
      if (problem === undefined) this.problems.delete(key);
      else this.problems.set(key, problem);
      if (ok) (farm === undefined ? last : deaths).push(...plans[at]!.deaths);
      else this.failed.add(key);
      const there = this.reached?.farms.get(key);
      if (!there) counts.delete(key);
      else counts.set(key, there.indices.size);
      if (farm === undefined && problem === undefined) this.problems.delete(key);
    }
    this.counts = counts.done();
    const dead = (mark: number): boolean => !this.alive(mark);
    if (deaths.length > 0) this.options.cutter?.cut(deaths, dead);
    if (last.length > 0) this.options.cutter?.cut(last, dead, true);
  }

  /** One transaction, with what is to go ahead in it. */
  private async transact(steps: readonly Step[]): Promise<{ readonly ok: boolean; readonly error: string }> {
    const result = await this.commit(this.due.length === 0 ? steps : [...this.due, ...steps]);
    if (result.ok) {
      this.lead = '';
      this.due = [];
    }
    return result;
  }

  /** By netlink if it can be said there, else (or to hear why not) by nft. */
  private async commit(steps: readonly Step[]): Promise<{ readonly ok: boolean; readonly error: string }> {
    const { batches } = this.options;
    if (batches !== undefined && this.lead === '') {
      const batch = encode(steps);
      if (batch !== undefined && batch.bytes.length <= FAST && (await batches.commit(batch)) === '')
        return { ok: true, error: '' };
    }
    const text = this.lead + render(steps);
    return text === '' ? { ok: true, error: '' } : this.nft.run(text);
  }

  /** Members of a farm as it was, by name, whose server has left with its flows. */
  private parted(farm: Farm | undefined): ReadonlySet<string> | undefined {
    if (farm === undefined || this.partings.size === 0) return undefined;
    const left = farm.members.filter(({ server }) => this.partings.has(bindingKey(farm.vip, server)));
    return new Set(left.map(member => memberName(farm, member)));
  }

  private alive(mark: number): boolean {
    const key = this.reached?.ids.get(`${farmOfMark(mark)}`);
    const farm = key && this.reached?.farms.get(key);
    if (farm) for (const index of farm.indices.values()) if (index === indexOfMark(mark)) return true;
    return false;
  }
}
