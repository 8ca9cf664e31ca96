/**
 * A server of the world, that behaves as docs/protocol.md wants it: registers where it is, keeps its lease, raises its epoch, makes
 * the new registration before it breaks the old one where it can.
 */
import type { SessionId } from '../../../appliance/registry/state.ts';
import { type Address, address } from '../../../sdk/wire/address.ts';
import type { ManagerMessage, ServerMessage } from '../../../sdk/wire/messages.ts';
import type { Lease, ServerId } from '../../../sdk/wire/model.ts';
import { serverId, service } from '../registry.ts';
import type { Cell, Session } from './cell.ts';
import { LEASE, type World } from './world.ts';

type Asked = (reply: ManagerMessage) => void;

/** How long it keeps a link to the cell that it leaves. */
const OVERLAP = 2000;

export class Host {
  readonly number: number;
  readonly id: ServerId;
  /** It shares its VIP with others of its kind. */
  readonly shares: boolean;
  epoch = 1;
  lease: Lease | undefined;
  /** The cell that it is in; undefined while it sleeps. */
  place: Cell | undefined;
  /** When it last changed whom it reaches. */
  movedAt = 0;
  private readonly world: World;
  /** Cells that it reaches besides, until when. */
  private readonly leaving = new Map<Cell, number>();
  private registered: Cell | undefined;
  private links: Link[] = [];
  private linked = 0;

  constructor(world: World, number: number, shares: boolean) {
    this.world = world;
    this.number = number;
    this.shares = shares;
    this.id = serverId(number);
  }

  /** What it serves. */
  private get name(): string {
    return this.shares ? 'together' : `own${this.number}`;
  }

  isReachable(cell: Cell): boolean {
    return (
      this.place === cell || (this.place !== undefined && (this.leaving.get(cell) ?? 0) > this.world.now)
    );
  }

  /** It is carried to a cell: with a link to the old one for a while, or without. */
  move(cell: Cell, soft: boolean): void {
    if (this.place === cell) return;
    this.movedAt = this.world.now;
    const old = this.place;
    if (soft && old !== undefined) this.leaving.set(old, this.world.now + OVERLAP);
    else this.leaving.clear();
    this.leaving.delete(cell);
    this.place = cell;
    this.world.after(this.world.between(1, 10), () => this.connect());
  }

  /** It is set up anew, with the key that it had. */
  forget(): void {
    this.epoch = 1;
    this.lease = undefined;
    this.registered = undefined;
    for (const link of [...this.links]) link.drop();
  }

  sleep(): void {
    this.movedAt = this.world.now;
    this.place = undefined;
    this.leaving.clear();
  }

  /** The epoch of its newest session, for what is said by older ones. */
  isNewest(link: Link): boolean {
    return this.links.at(-1) === link;
  }

  connect(): void {
    const cell = this.place;
    if (cell === undefined || this.links.at(-1)?.cell === cell) return;
    if (!cell.isUp) {
      this.again();
      return;
    }
    const link = new Link(this.world, this, cell, `h${this.number}-${++this.linked}` as SessionId);
    this.links.push(link);
    this.register(link, 1);
  }

  lost(link: Link): void {
    const newest = this.isNewest(link);
    this.links = this.links.filter(other => other !== link);
    if (newest) this.again();
  }

  revoked(link: Link, vip: Address): void {
    if (!this.isNewest(link) || this.lease?.vip !== vip) return;
    this.lease = undefined;
    this.claim(link);
  }

  /** What is up here need not be up elsewhere. */
  up(link: Link): void {
    // One in two never says goodbye: its old manager must learn it otherwise.
    if (!this.isNewest(link) || this.number % 2 === 0) return;
    for (const old of this.links.slice(0, -1)) old.leave();
  }

  private again(): void {
    this.world.after(this.world.between(20, 200), () => this.connect());
  }

  private register(link: Link, step: number): void {
    const roamed = this.registered !== undefined && this.registered !== link.cell;
    const epoch = roamed || step > 1 ? this.epoch + step : this.epoch;
    link.ask(
      {
        ...{ type: 'register', transaction: 0, versions: [1, 1], server: this.id, name: `h${this.number}` },
        ...{ addresses: [address(`10.${link.cell.index + 1}.1.${this.number}`)], epoch, heartbeat: 0 },
        ...{ leases: this.lease ? [this.lease] : [], software: '' },
      } as ServerMessage,
      reply => {
        if (reply.type === 'registered') {
          this.epoch = epoch;
          this.registered = link.cell;
          this.claim(link);
        } else if (reply.type === 'refused' && reply.code === 'epoch-stale') this.register(link, step * 2);
        else link.drop();
      },
    );
  }

  private claim(link: Link): void {
    const vip = this.lease?.vip;
    link.ask(
      {
        ...{ type: 'lease-request', transaction: 0, family: 4, shared: this.shares, service: this.name },
        ...(vip && { vip }),
      } as ServerMessage,
      reply => {
        if (!this.isNewest(link)) return;
        if (reply.type === 'lease') {
          this.lease = reply.lease;
          this.offer(link);
        } else if (vip !== undefined) {
          this.lease = undefined;
          this.claim(link);
        } else this.world.after(300, () => this.isNewest(link) && this.claim(link));
      },
    );
  }

  private offer(link: Link): void {
    const { vip } = this.lease!;
    const registration = service(vip, { name: this.name, protocol: 'h323' });
    link.ask({ type: 'register-service', transaction: 0, service: registration }, reply => {
      if (!this.isNewest(link) || this.lease?.vip !== vip) return;
      if (reply.type !== 'done') this.world.after(300, () => this.isNewest(link) && this.claim(link));
      else this.renew(link, vip);
    });
  }

  private renew(link: Link, vip: Address): void {
    if (link.renewing) return;
    link.renewing = true;
    this.world.after(LEASE / 2, () => {
      link.renewing = false;
      if (!this.isNewest(link) || this.lease === undefined) return;
      link.ask({ type: 'lease-renew', transaction: 0, vip: this.lease.vip }, reply => {
        if (reply.type === 'lease') this.renew(link, vip);
        else if (this.isNewest(link)) this.claim(link);
      });
    });
  }
}

/** One connection of a host to a manager. */
class Link implements Session {
  readonly host: Host;
  readonly id: SessionId;
  readonly cell: Cell;
  renewing = false;
  private readonly world: World;
  private readonly asked = new Map<number, Asked>();
  private transaction = 0;
  private isOver = false;

  constructor(world: World, host: Host, cell: Cell, id: SessionId) {
    this.world = world;
    this.host = host;
    this.cell = cell;
    this.id = id;
    cell.open(this);
    cell.watch(this);
    this.watch();
  }

  ask(message: ServerMessage, asked: Asked): void {
    const transaction = ++this.transaction;
    this.asked.set(transaction, asked);
    this.send({ ...message, transaction } as ServerMessage);
  }

  hear(message: ManagerMessage): void {
    if (this.isOver) return;
    if (message.type === 'lease-revoked') this.host.revoked(this, message.vip);
    else if (message.type === 'service-state' && message.state === 'up') this.host.up(this);
    else if ('transaction' in message) {
      const asked = this.asked.get(message.transaction);
      this.asked.delete(message.transaction);
      asked?.(message);
    }
  }

  /** Deregisters, since it is elsewhere, and closes. */
  leave(): void {
    this.send({ type: 'deregister', transaction: ++this.transaction, elsewhere: true });
    this.world.after(10, () => this.drop());
  }

  drop(): void {
    if (this.isOver) return;
    if (this.host.isReachable(this.cell)) this.world.after(2, () => this.cell.end(this, 'closed'));
    this.closed();
  }

  broken(): void {
    this.world.after(300, () => this.drop());
  }

  closed(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.host.lost(this);
  }

  private send(message: ServerMessage): void {
    this.world.after(2, () => {
      if (this.isOver) return;
      if (this.host.isReachable(this.cell)) this.cell.message(this, message);
      else this.broken();
    });
  }

  /** A manager that is silent is left; so is one that cannot be reached any more. */
  private watch(): void {
    let since: number | undefined;
    const look = (): void => {
      if (this.isOver) return;
      if (this.host.isReachable(this.cell) && this.cell.has(this)) since = undefined;
      else since ??= this.world.now;
      if (since !== undefined && this.world.now - since >= 300) this.closed();
      else this.world.after(50, look);
    };
    look();
  }
}
