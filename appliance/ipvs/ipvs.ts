/**
 * The IPVS driver: farms as virtual services of the kernel, changed one by one at a cost that goes by what differs. IPVS has no transactions:
 * of all that changes together, what comes is put in first, then what goes is taken out.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { Sysctl } from '../dataplane/sysctl.ts';
import { sameFarm } from '../desired/alike.ts';
import type { Driver } from '../desired/driver.ts';
import type { Farm, FarmKey, WantedDataplane } from '../desired/wanted.ts';
import type { Clock, Log } from '../host/ports.ts';
import { bindingKey } from '../registry/elsewhere.ts';
import type { Reached as ReachedState } from '../registry/state.ts';
import { Table } from '../registry/table.ts';
import { adopt, readDestinations } from './adopt.ts';
import { refusal } from './capabilities.ts';
import { destinationOf, type IpvsConnection } from './connections.ts';
import type { Cutter } from './cutter.ts';
import { layFarm, type ServiceName, serviceName, type VirtualService } from './layout.ts';
import { type Counted, encodeStep } from './messages.ts';
import { afterStep, type Departure, planService, type Step } from './plan.ts';
import { renderStep } from './render.ts';
import { applySettings, type Memory, restoreSettings } from './settings.ts';
import type { IpvsSocket } from './socket.ts';
import {
  askTimeouts,
  KERNEL_TIMEOUTS,
  readTimeouts,
  sameTimeouts,
  setTimeouts,
  TIMEOUTS,
} from './timeouts.ts';
import type { Untracked } from './untracked.ts';
import { LocalVips } from './vips.ts';

export interface IpvsOptions {
  readonly ipvs: IpvsSocket;
  /** The number of IPVS in generic netlink. */
  readonly family: number;
  /** rtnetlink, for the VIPs. */
  readonly routes: IpvsSocket;
  readonly sysctl: Sysctl;
  readonly memory: Memory;
  readonly cutter: Cutter;
  readonly untracked: Untracked;
  readonly clock: Clock;
  readonly log: Log;
}

export interface IpvsDriver extends Driver<WantedDataplane, ReachedState['farms']> {
  /** As of the nftables driver: established TCP connections of each farm's members, by `address|port` (port 0: the client's own). */
  connections(): Promise<ReadonlyMap<FarmKey, ReadonlyMap<string, number>>>;
  /** What the kernel counts of each farm's members, by the same names; of all ports of a range together. */
  counted(): Promise<ReadonlyMap<FarmKey, ReadonlyMap<string, Counted>>>;
}

export const createIpvs = (options: IpvsOptions): IpvsDriver => new Ipvs(options);

/** Farms between two words of what was reached. */
const BATCH = 250;
const [EEXIST, ENOENT] = [17, 2];

/** A farm that changes, and the services that it is to have. */
interface Unit {
  readonly key: FarmKey;
  readonly farm: Farm | undefined;
  readonly services: readonly VirtualService[];
}

class Ipvs implements IpvsDriver {
  private readonly options: IpvsOptions;
  private readonly vips: LocalVips;
  private started = false;
  private isSet = false;
  /** Services have come or gone that conntrack is not yet told of. */
  private isStale = false;
  /** Those that are put back at release(). */
  private timeouts = KERNEL_TIMEOUTS;
  private standing: readonly string[] = [];
  /** All that is in the kernel of ours. */
  private readonly have = new Map<ServiceName, VirtualService>();
  private readonly owners = new Map<ServiceName, FarmKey>();
  private readonly farms = new Map<FarmKey, readonly ServiceName[]>();
  /** Services of each VIP. */
  private readonly uses = new Map<Address, number>();
  private last: Table<FarmKey, Farm> = Table.empty();
  private counts: ReachedState['farms'] = Table.empty();
  private readonly failed = new Set<FarmKey>();
  private readonly problems = new Map<FarmKey, string>();

  constructor(options: IpvsOptions) {
    this.options = options;
    this.vips = new LocalVips(requests => options.routes.send(requests), options.clock);
  }

  async apply(
    wanted: WantedDataplane,
    onPart?: (reached: ReachedState['farms']) => Promise<void>,
  ): Promise<{ readonly reached: ReachedState['farms']; readonly problems: readonly string[] }> {
    const first = !this.started;
    if (first) await this.start();
    const units = this.differing(wanted.farms);
    // A host that forwards by other means is left as it is.
    if (!this.isSet && units.some(unit => unit.services.length > 0)) {
      await this.prepare();
    }
    this.failed.clear();
    for (let at = 0; at < units.length; at += BATCH) {
      await this.carryOut(units.slice(at, at + BATCH), wanted.partings);
      if (!first && at + BATCH < units.length) await onPart?.(this.counts);
    }
    if (first) await this.sweep();
    if (this.isStale) this.isStale = !(await this.options.untracked.hold(this.have.values()));
    this.last = wanted.farms;
    // What the kernel refuses is not as it is remembered: the next apply looks anew.
    if (this.failed.size > 0) this.started = false;
    return { reached: this.counts, problems: [...this.standing, ...this.problems.values()] };
  }

  async release(): Promise<void> {
    if (!this.started) await this.start();
    const services = [...this.have.values()];
    const { ipvs, family, sysctl, memory, untracked } = this.options;
    await ipvs.send(services.map(service => encodeStep(family, { do: 'remove-service', service })));
    if (this.isSet || services.length > 0) await ipvs.send([setTimeouts(family, this.timeouts)]);
    await this.vips.remove(this.vips.all(), new Set());
    await untracked.release();
    restoreSettings(sysctl, memory);
    this.detach();
  }

  detach(): void {
    const { cutter, ipvs, routes, untracked } = this.options;
    for (const each of [this.vips, cutter, ipvs, routes, untracked]) each.close();
  }

  async connections(): Promise<ReadonlyMap<FarmKey, ReadonlyMap<string, number>>> {
    const farms = new Map<FarmKey, ReadonlyMap<string, number>>();
    for (const [key, members] of await this.counted()) {
      if (key.split('|')[1] !== 'tcp') continue;
      const active = [...members].flatMap(([name, { active }]) =>
        active > 0 ? [[name, active] as const] : [],
      );
      if (active.length > 0) farms.set(key, new Map(active));
    }
    return farms;
  }

  async counted(): Promise<ReadonlyMap<FarmKey, ReadonlyMap<string, Counted>>> {
    const { ipvs, family } = this.options;
    const farms = new Map<FarmKey, Map<string, Counted>>();
    for (const [key, names] of [...this.farms]) {
      const members = new Map<string, Counted>();
      for (const name of names) {
        const service = this.have.get(name);
        if (service === undefined) continue;
        for (const { destination, counted } of (await readDestinations(ipvs, family, service)).values()) {
          const { address, port } = destination;
          const member = `${address}|${port === service.port ? 0 : port}`;
          members.set(member, plus(members.get(member), counted));
        }
      }
      farms.set(key, members);
    }
    return farms;
  }

  /** Sets what all farms need. */
  private async prepare(): Promise<void> {
    const { ipvs, family, sysctl, memory } = this.options;
    const problems = [...applySettings(sysctl, memory)];
    await ipvs.request(askTimeouts(family), (_, payload) => {
      const found = readTimeouts(payload);
      // Ours are of a daemon that was killed: what stood there before that is not known.
      if (found !== undefined && !sameTimeouts(found, TIMEOUTS)) this.timeouts = found;
    });
    const [error] = await ipvs.send([setTimeouts(family, TIMEOUTS)]);
    if (error !== 0) problems.push(`the timeouts of IPVS cannot be set (error ${error})`);
    this.standing = problems;
    this.isSet = true;
  }

  /** Takes up what the kernel holds. */
  private async start(): Promise<void> {
    const { ipvs, routes, family, log } = this.options;
    const { vips, services } = await adopt(ipvs, routes, family);
    this.vips.adopt(vips);
    for (const map of [this.have, this.owners, this.farms, this.uses]) map.clear();
    for (const [name, service] of services) this.put(name, service);
    this.last = Table.empty();
    this.counts = Table.empty();
    this.started = true;
    this.isStale = true;
    if (services.size > 0) log('info', 'dataplane-adopted', { services: services.size });
  }

  /** What may differ from what was reached, what goes before what comes. */
  private differing(farms: Table<FarmKey, Farm>): Unit[] {
    const keys = new Set<FarmKey>(this.failed);
    for (const { key, before, after } of farms.changesSince(this.last))
      if (before === undefined || after === undefined || !sameFarm(before, after)) keys.add(key);
    const units = [...keys].map(key => this.unitOf(key, farms.get(key)));
    return [
      ...units.filter(unit => unit.farm === undefined),
      ...units.filter(unit => unit.farm !== undefined),
    ];
  }

  private unitOf(key: FarmKey, farm: Farm | undefined): Unit {
    const problem = farm && refusal(farm);
    if (problem === undefined) this.problems.delete(key);
    else this.problems.set(key, problem);
    return { key, farm, services: farm === undefined || problem !== undefined ? [] : layFarm(farm) };
  }

  private async carryOut(units: readonly Unit[], partings: WantedDataplane['partings']): Promise<void> {
    const tasks = this.tasksOf(units);
    const refused = await this.vips.add([
      ...new Set([...tasks.values()].flatMap(({ after }) => (after === undefined ? [] : [after.vip]))),
    ]);
    const [adds, removes, departures]: [Step[], Step[], Departure[]] = [[], [], []];
    for (const [name, { after }] of tasks) {
      const here = after !== undefined && refused.has(after.vip) ? undefined : after;
      if (after !== undefined && here === undefined)
        this.fail(name, `this host cannot take packets for ${after.vip}`);
      const plan = planService(this.have.get(name), here);
      adds.push(...plan.adds);
      removes.push(...plan.removes);
      departures.push(...plan.departures);
    }
    const leaving = this.departing(units, partings);
    await this.send(adds);
    const doomed = await this.options.cutter.doomed(departures.filter(each => !leaving(each)));
    await this.send(removes);
    await this.forgetVips(units, new Set(doomed.map(each => each.vip)));
    this.options.cutter.cut(doomed, each => !this.serves(each));
    this.settle(units);
  }

  /** What each service that the units touch is to be, and whose it then is. A service belongs to the farm that had it first. */
  private tasksOf(units: readonly Unit[]): Map<ServiceName, { readonly after: VirtualService | undefined }> {
    const tasks = new Map<ServiceName, { readonly after: VirtualService | undefined }>();
    for (const { key, services } of units) {
      for (const name of this.farms.get(key) ?? []) {
        tasks.set(name, { after: undefined });
        if (!services.some(service => service.name === name)) this.owners.delete(name);
      }
      const mine = services.filter(({ name }) => (this.owners.get(name) ?? key) === key);
      if (mine.length < services.length) {
        this.failed.add(key);
        this.problems.set(key, `farm ${key}: another farm has ports of it already`);
      }
      for (const service of mine) {
        tasks.set(service.name, { after: service });
        this.owners.set(service.name, key);
      }
      const names = mine.map(service => service.name);
      if (names.length > 0) this.farms.set(key, names);
      else this.farms.delete(key);
    }
    return tasks;
  }

  /** Tells which destinations leave with their connections: their server is, or may be, elsewhere with the VIP, and no address is changed. */
  private departing(
    units: readonly Unit[],
    partings: WantedDataplane['partings'],
  ): (departure: Departure) => boolean {
    if (partings.size === 0) return () => false;
    const parted = new Set<string>();
    for (const { key } of units) {
      const farm = this.last.get(key);
      if (farm === undefined || farm.mode === 'nat') continue;
      for (const { server, address } of farm.members)
        if (partings.has(bindingKey(farm.vip, server))) parted.add(`${farm.vip} ${address}`);
    }
    return ({ service, destination }) => parted.has(`${service.vip} ${destination.address}`);
  }

  /** Carries out steps: services first, then what is in those that are there. One that is somebody else's gets nothing of ours. */
  private async send(steps: readonly Step[]): Promise<void> {
    const news = steps.filter(step => step.do === 'add-service');
    await this.sendAll(news);
    const there = (step: Step): boolean => step.do !== 'add-service' && this.have.has(step.service.name);
    await this.sendAll(steps.filter(there));
  }

  /** Notes what came of each. */
  private async sendAll(steps: readonly Step[]): Promise<void> {
    if (steps.length === 0) return;
    const { ipvs, family } = this.options;
    const errors = await ipvs.send(steps.map(step => encodeStep(family, step)));
    for (const [at, step] of steps.entries()) {
      const { name } = step.service;
      if (errors[at] === 0) this.put(name, afterStep(this.have.get(name), step));
      else this.fail(name, reason(step, errors[at] ?? -1));
    }
  }

  private fail(name: ServiceName, why: string): void {
    const key = this.owners.get(name) ?? (`${name}` as FarmKey);
    this.failed.add(key);
    if (!this.problems.has(key)) this.problems.set(key, `farm ${key}: ${why}`);
  }

  private put(name: ServiceName, service: VirtualService | undefined): void {
    const before = this.have.get(name);
    const vip = (before ?? service)?.vip;
    const change = (service === undefined ? 0 : 1) - (before === undefined ? 0 : 1);
    if (service === undefined) this.have.delete(name);
    else this.have.set(name, service);
    if (vip === undefined || change === 0) return;
    this.isStale = true;
    const count = (this.uses.get(vip) ?? 0) + change;
    if (count > 0) this.uses.set(vip, count);
    else this.uses.delete(vip);
  }

  /** Takes out the VIPs of these units that nothing uses any more; those of `late` after a moment. */
  private async forgetVips(units: readonly Unit[], late: ReadonlySet<Address>): Promise<void> {
    const vips = new Set(units.map(({ key }) => key.slice(0, key.indexOf('|')) as Address));
    await this.vips.remove(
      [...vips].filter(vip => this.vips.has(vip) && !this.uses.has(vip)),
      late,
    );
  }

  /** The first time: services and VIPs that were found and that nobody wants. */
  private async sweep(): Promise<void> {
    const unwanted = [...this.have.values()].filter(({ name }) => !this.owners.has(name));
    const departures = unwanted.flatMap(service =>
      [...service.destinations.values()].map(destination => ({ service, destination })),
    );
    const doomed = await this.options.cutter.doomed(departures);
    await this.send(unwanted.flatMap(service => planService(service, undefined).removes));
    const late = new Set(doomed.map(each => each.vip));
    await this.vips.remove(
      this.vips.all().filter(vip => !this.uses.has(vip)),
      late,
    );
    this.options.cutter.cut(doomed, each => !this.serves(each));
  }

  private serves(connection: IpvsConnection): boolean {
    const name = serviceName(connection.transport, connection.vip, connection.vipPort);
    const destination = destinationOf(connection).slice(name.length + 1);
    return this.have.get(name)?.destinations.has(destination) ?? false;
  }

  /** Counts the members of each farm that its services have. */
  private settle(units: readonly Unit[]): void {
    const counts = this.counts.draft();
    for (const { key, services } of units) {
      const sizes = services.map(({ name }) =>
        this.owners.get(name) === key ? (this.have.get(name)?.destinations.size ?? 0) : 0,
      );
      const least = Math.min(...sizes);
      if (sizes.length > 0 && least > 0) counts.set(key, least);
      else counts.delete(key);
      if (services.length === 0 && !this.failed.has(key)) this.farms.delete(key);
    }
    this.counts = counts.done();
  }
}

function reason(step: Step, errno: number): string {
  if (step.do === 'add-service' && errno === EEXIST)
    return "IPVS has a service there that is somebody else's";
  if (step.do === 'add-service' && errno === ENOENT)
    return `the kernel has no scheduler ${step.service.scheduler}, or no engine for its affinity`;
  return `the kernel refuses \`ipvsadm ${renderStep(step)}\` (error ${errno})`;
}

const plus = (one: Counted | undefined, other: Counted): Counted =>
  one === undefined
    ? other
    : {
        active: one.active + other.active,
        inactive: one.inactive + other.inactive,
        connectionsPerSecond: one.connectionsPerSecond + other.connectionsPerSecond,
        bytesInPerSecond: one.bytesInPerSecond + other.bytesInPerSecond,
        bytesOutPerSecond: one.bytesOutPerSecond + other.bytesOutPerSecond,
      };
