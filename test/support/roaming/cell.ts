/**
 * A manager of the world: its pure core, drivers that take their time, what it stores, its checks and its sessions.
 */
import type { Wanted } from '../../../appliance/desired/wanted.ts';
import type { Decision } from '../../../appliance/registry/decision.ts';
import type { Event } from '../../../appliance/registry/events.ts';
import { toInteger } from '../../../appliance/registry/pool.ts';
import type { SessionId } from '../../../appliance/registry/state.ts';
import { Table } from '../../../appliance/registry/table.ts';
import { type Address, address } from '../../../sdk/wire/address.ts';
import type { ManagerMessage, ServerMessage } from '../../../sdk/wire/messages.ts';
import type { ManagerId } from '../../../sdk/wire/model.ts';
import { ANYTHING, Registry } from '../registry.ts';
import type { Host } from './host.ts';
import { Rumours } from './rumours.ts';
import { CHECK, GRACE, HEARTBEATS, LEASE, type World } from './world.ts';

const POOL = toInteger(address('10.255.0.0'));

/** The other end of a session. */
export interface Session {
  readonly host: Host;
  readonly id: SessionId;
  hear(message: ManagerMessage): void;
  /** Something that was sent did not arrive: it is given up after a while. */
  broken(): void;
  closed(): void;
}

export class Cell {
  readonly index: number;
  readonly id: ManagerId;
  readonly addresses: readonly Address[];
  isUp = true;
  /** Before this it may still have what it had before a restart. */
  unsureUntil = 0;
  registry: Registry;
  /** What the network really has: it outlives the manager's process. */
  routes: Table<Address, number> = Table.empty();
  readonly rumours: Rumours;
  private readonly world: World;
  private readonly sessions = new Map<SessionId, Session>();
  /** Counts the starts: what an earlier one has begun is of no account. */
  private life = 0;
  private working = { farms: false, routes: false };
  private carried = false;

  constructor(world: World, index: number) {
    this.world = world;
    this.index = index;
    this.id = String.fromCharCode(97 + index).repeat(64) as ManagerId;
    this.addresses = [address(`10.${index + 1}.0.1`)];
    this.registry = this.fresh();
    this.rumours = new Rumours(world, this);
  }

  startedAt = 0;

  start(): void {
    this.startedAt = this.world.now;
    this.isUp = true;
    this.life++;
    this.rumours.start();
    this.every(500, () => this.feed({ type: 'tick' }));
    this.every(CHECK, () => this.check());
    this.hand();
  }

  /** The process dies; the routes stay. */
  crash(): void {
    if (!this.isUp) return;
    this.isUp = false;
    this.life++;
    for (const session of [...this.sessions.values()]) session.closed();
    this.sessions.clear();
    this.working = { farms: false, routes: false };
    this.carried = false;
  }

  /** It starts again with what it had stored, or (`wiped`) with nothing. */
  restart(wiped = false): void {
    if (this.isUp) return;
    const { leases, servers, elsewhere } = wiped ? this.fresh().state : this.registry.state;
    this.registry = this.fresh();
    this.unsureUntil = this.world.now + GRACE + 700;
    this.start();
    this.feed({
      type: 'restored',
      leases: [...leases.values()].flatMap(holders => [...holders.values()]),
      servers: [...servers.values()],
      kept: [...elsewhere.kept.entries()].map(([vip, kept]) => ({ vip, ...kept })),
    });
  }

  open(session: Session): void {
    this.sessions.set(session.id, session);
  }

  has(session: Session): boolean {
    return this.isUp && this.sessions.get(session.id) === session;
  }

  message(session: Session, message: ServerMessage): void {
    if (!this.has(session)) return;
    const peer = address(`10.${this.index + 1}.1.${session.host.number}`);
    this.feed({ type: 'message', session: session.id, claims: ANYTHING, peer, message });
  }

  /** A session is over: closed by its server, or silent. */
  end(session: Session, code: 'closed' | 'heartbeat'): void {
    if (!this.has(session)) return;
    this.sessions.delete(session.id);
    this.feed({ type: 'session-ended', session: session.id, reason: { code, sentence: code } });
  }

  feed(event: Event): void {
    if (!this.isUp) return;
    this.registry.now = this.world.now;
    for (const decision of this.registry.feed(event)) {
      if (decision.kind === 'lease-revoked') this.world.conflicts++;
      this.follow(decision);
    }
    this.registry.decisions.length = 0;
    this.hand();
  }

  get wanted(): Wanted {
    return this.registry.derived.wanted;
  }

  /** Repeats while this start of it lasts. */
  every(interval: number, run: () => void): void {
    this.later(this.world.between(1, interval), () => {
      run();
      this.every(interval, run);
    });
  }

  later(delay: number, run: () => void): void {
    const { life } = this;
    this.world.after(delay, () => {
      if (life === this.life && this.isUp) run();
    });
  }

  private fresh(): Registry {
    return new Registry({
      manager: this.id,
      name: `cell-${this.index}`,
      leaseDuration: LEASE / 1000,
      grace: GRACE,
      forget: 30_000,
      pools: [{ family: 4, first: POOL, last: POOL + BigInt(this.world.pool - 1) }],
    });
  }

  private follow({ reply, end }: Decision): void {
    const heard = reply && this.sessions.get(reply.session);
    if (heard && reply)
      this.world.after(2, () => {
        if (heard.host.isReachable(this)) heard.hear(reply.message);
        else heard.broken();
      });
    const ended = end && this.sessions.get(end);
    if (!ended) return;
    this.sessions.delete(ended.id);
    this.world.after(2, () => ended.closed());
    this.feed({ type: 'session-ended', session: ended.id, reason: { code: 'closed', sentence: '' } });
  }

  /** The drivers, each with one thing at a time, and the newest next; routing begins once the data plane has said what it carries. */
  private hand(): void {
    this.rumours.tell(this.wanted.notices.bindings);
    this.work('farms', () => {
      const { farms } = this.wanted.dataplane;
      return () => {
        this.carried = true;
        const counts = [...farms.values()].map(farm => [farm.key as string, farm.members.length] as const);
        this.feed({ type: 'reached', farms: Table.from(counts) });
      };
    });
    if (!this.carried) return;
    this.work('routes', () => {
      const { routes } = this.wanted.routing;
      return () => {
        this.routes = routes;
        this.feed({ type: 'reached', routes });
      };
    });
  }

  private readonly tried: { farms?: unknown; routes?: unknown } = {};

  private work(driver: 'farms' | 'routes', begin: () => () => void): void {
    const wanted = driver === 'farms' ? this.wanted.dataplane.farms : this.wanted.routing.routes;
    if (this.working[driver] || (this.tried[driver] === wanted && this.life === this.triedIn)) return;
    if (this.life !== this.triedIn) {
      this.tried.farms = this.tried.routes = undefined;
      this.triedIn = this.life;
    }
    this.tried[driver] = wanted;
    this.working[driver] = true;
    const done = begin();
    this.later(this.world.between(1, 5), () => {
      this.working[driver] = false;
      done();
    });
  }

  private triedIn = 0;

  /** A look at each service that is to be checked. */
  private check(): void {
    for (const [key, { service }] of [...this.wanted.checks.entries()]) {
      const slash = key.indexOf('/');
      const server = this.registry.state.servers.get(key.slice(0, slash) as never);
      const record = server?.services.get(service.id);
      const host = this.world.hosts.find(({ id }) => id === server?.id);
      if (record === undefined || host === undefined) continue;
      const outcome = host.isReachable(this) ? 'pass' : 'fail';
      if (record.verdict.outcome === outcome) continue;
      this.feed({ type: 'verdict', service: key, outcome, reason: { code: outcome, sentence: outcome } });
    }
  }

  /** Whether a server that was reachable until now is heard of no more. */
  watch(session: Session): void {
    const { host } = session;
    let since: number | undefined;
    const look = (): void => {
      if (!this.has(session)) return;
      if (host.isReachable(this)) since = undefined;
      else since ??= this.world.now;
      if (since !== undefined && this.world.now - since >= HEARTBEATS) this.end(session, 'heartbeat');
      else this.later(20, look);
    };
    look();
  }
}
