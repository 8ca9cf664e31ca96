/**
 * What must hold of the world at every moment, and once it is at rest.
 */
import { bindingKey } from '../../../appliance/registry/elsewhere.ts';
import type { Address } from '../../../sdk/wire/address.ts';
import type { Cell } from './cell.ts';
import type { Host } from './host.ts';
import type { World } from './world.ts';

/** ms that two managers may both have the route to one server's VIP: what its old one takes to see that it is gone… */
export const OVERLAP = 600;
/** …or, where nothing is lost between them, to hear of it and to withdraw. */
export const TOLD = 40;
/** ms for which a server that moves can be reached in its old cell. */
const SOFT = 2000;
/** ms that a manager may have a route to a server that it cannot reach. */
export const STALE = 600;
/** ms that two servers may have one VIP once nothing is lost any more between their managers. */
export const CONFLICT = 3000;

/** Looks at the world every few ms while it runs; gives what is wrong, in sentences. */
export class Watch {
  readonly faults: string[] = [];
  /** For how long two servers had the same VIP, and for how long two managers had the same server, at the worst. */
  longest = 0;
  private readonly world: World;
  private readonly since = new Map<string, number>();

  constructor(world: World) {
    this.world = world;
  }

  /** Lets time pass, and watches. */
  run(duration: number): void {
    const STEP = 20;
    for (let passed = 0; passed < duration; passed += STEP) {
      this.world.run(Math.min(STEP, duration - passed));
      this.look();
    }
  }

  private look(): void {
    const now = new Set<string>();
    const holds = (key: string, limit: number, sentence: () => string): void => {
      now.add(key);
      const since = this.since.get(key) ?? this.world.now;
      this.since.set(key, since);
      this.longest = Math.max(this.longest, this.world.now - since);
      if (this.world.now - since > limit) this.faults.push(`${this.world.now}: ${sentence()}`);
    };
    for (const [vip, holders] of this.holders()) {
      for (const [cell, servers] of holders) {
        if (!servers.some(id => this.world.hosts.some(host => host.id === id && host.isReachable(cell))))
          holds(
            `${vip} stale ${cell.index} ${this.movedAt(servers)}`,
            STALE,
            () => `cell ${cell.index} has ${vip}, and nobody for it`,
          );
      }
      const limit = this.isQuiet(CONFLICT) ? TOLD : OVERLAP + (this.isQuiet(0) ? CONFLICT : SOFT);
      const all = new Set([...holders.values()].flat());
      for (const id of all) {
        const cells = [...holders].filter(([, servers]) => servers.includes(id)).map(([cell]) => cell.index);
        if (cells.length < 2) continue;
        holds(
          `${vip} twice ${id} ${cells} ${this.movedAt([id])}`,
          limit,
          () => `${vip} of one server is at cells ${cells}`,
        );
      }
      const sharers = [...all].filter(id => this.world.hosts.some(host => host.id === id && host.shares));
      if (all.size > Math.max(1, sharers.length) && this.isQuiet(CONFLICT))
        holds(`${vip} conflict`, CONFLICT, () => `${vip} is of ${all.size} servers`);
    }
    for (const { isUp, wanted, routes, index } of this.world.cells) {
      for (const { vip } of isUp ? wanted.notices.bindings.values() : [])
        if (!routes.has(vip))
          this.faults.push(`${this.world.now}: cell ${index} announces ${vip} with no route`);
    }
    for (const key of this.since.keys()) if (!now.has(key)) this.since.delete(key);
  }

  /** When one of these last moved: who goes to and fro is in both places again and again. */
  private movedAt(servers: Iterable<string>): number {
    const ids = new Set(servers);
    return Math.max(0, ...this.world.hosts.filter(({ id }) => ids.has(id)).map(({ movedAt }) => movedAt));
  }

  /** Whether nothing was lost between the cells, and none of them started, for so long. */
  private isQuiet(since: number): boolean {
    const { isRough, roughAt, now, cells } = this.world;
    return (
      !isRough && now - roughAt >= since && cells.every(cell => cell.isUp && now - cell.startedAt >= since)
    );
  }

  /** VIP → the managers that have its route, of those that are themselves, and for which servers they say so. */
  private holders(): ReadonlyMap<Address, ReadonlyMap<Cell, readonly string[]>> {
    const holders = new Map<Address, Map<Cell, readonly string[]>>();
    for (const cell of this.world.cells) {
      if (!cell.isUp || this.world.now < cell.unsureUntil) continue;
      for (const vip of cell.routes.keys()) {
        const records = [...(cell.registry.state.vips.get(vip)?.values() ?? [])].filter(
          // One that is lost stays listed for a while, and gets nothing.
          ({ state }) => state === 'up' || state === 'draining',
        );
        const cells = holders.get(vip) ?? new Map<Cell, readonly string[]>();
        holders.set(vip, cells.set(cell, [...new Set(records.map(record => record.server))]));
      }
    }
    return holders;
  }
}

/** What is wrong with a world that is at rest, all of whose servers are awake. */
export function faultsAtRest(world: World): readonly string[] {
  const faults: string[] = [];
  const vips = new Map<Address, Host[]>();
  for (const host of world.hosts) {
    const vip = host.lease?.vip;
    if (host.place === undefined) continue;
    if (vip === undefined) faults.push(`server ${host.number} has no VIP`);
    else vips.set(vip, [...(vips.get(vip) ?? []), host]);
  }
  for (const [vip, hosts] of vips) faults.push(...faultsOf(world, vip, hosts));
  for (const cell of world.cells) {
    for (const vip of cell.routes.keys())
      if (!vips.has(vip)) faults.push(`cell ${cell.index} has a route to ${vip}, which nobody has`);
    for (const server of cell.registry.state.servers.values()) {
      const host = world.hosts.find(({ id }) => id === server.id);
      if (server.session !== undefined && host?.place !== cell)
        faults.push(`cell ${cell.index} has a session of server ${host?.number}, which is not there`);
    }
  }
  return faults;
}

/** Of one VIP and the servers that have it: one, or several that share it. */
function faultsOf(world: World, vip: Address, hosts: readonly Host[]): readonly string[] {
  const faults: string[] = [];
  if (hosts.length > 1 && !hosts.every(host => host.shares))
    faults.push(`${vip} is leased to servers ${hosts.map(host => host.number)}`);
  const routed = world.routed(vip).map(cell => cell.index);
  const places = [...new Set(hosts.map(host => host.place!.index))].sort();
  if (routed.join() !== places.join())
    faults.push(`${vip} of servers in cells [${places}] is routed to [${routed}]`);
  for (const { place, id, epoch, number } of hosts) {
    const announced = place!.wanted.notices.bindings.get(bindingKey(vip, id))?.epoch;
    if (announced !== epoch)
      faults.push(`${vip} of server ${number} is announced with epoch ${announced}, not ${epoch}`);
  }
  for (const cell of world.cells) {
    const claims = cell.registry.state.elsewhere.byVip.get(vip) ?? [];
    const seen = claims.map(({ manager, server, epoch }) => `${manager[0]} ${server.slice(-3)} ${epoch}`);
    const known = hosts
      .filter(({ place }) => place !== cell)
      .map(({ place, id, epoch }) => `${place!.id[0]} ${id.slice(-3)} ${epoch}`);
    if (seen.sort().join() !== known.sort().join())
      faults.push(`cell ${cell.index} has ${vip} at [${seen}], not [${known}]`);
  }
  return faults;
}
