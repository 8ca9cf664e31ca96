/**
 * The life of a registration, without sockets: messages in and out, a clock and a way to connect come from outside. It finds a
 * manager, registers, claims leases and services, keeps the connection alive, and after a loss does it all again. When the host may
 * be elsewhere it looks for a manager there, and goes over to it: the former one is left once the new one serves (move.ts).
 */
import type { Timer } from '../transport/environment.ts';
import type { ManagerMessage } from '../wire/messages.ts';
import type { Report } from '../wire/model.ts';
import { Attachment } from './attachment.ts';
import { backoff } from './backoff.ts';
import { Enrolment } from './enrolment.ts';
import { type Home, isHome } from './epoch.ts';
import { type ManagerAddress, type SessionState, type StateEvent, sameManager } from './events.ts';
import { Holding } from './holding.ts';
import type { Memory } from './memory.ts';
import { leaveForNext, Move } from './move.ts';
import { Quest } from './quest.ts';
import type { SessionOptions, SessionPorts } from './session-ports.ts';

/** ms after which a registration counts as having worked. */
const STEADY = 5000;
/** How much longer the pauses are between searches for a better place. */
const PATIENCE = 15;
/** ms */
const LONGEST_PATIENCE = 30_000;

export class Session {
  state: SessionState = 'idle';
  private readonly ports: SessionPorts;
  private readonly holdings: readonly Holding[];
  private readonly reports = new Map<number, Report>();
  private readonly enrolment: Enrolment;
  /** Where this server was last registered. */
  private served: Home | undefined;
  private attempt = 0;
  private timer: Timer | undefined;
  private quest: Quest | undefined;
  /** Found, and asked to register this server. */
  private rising: Attachment | undefined;
  /** Where this server is registered. */
  private current: Attachment | undefined;
  /** It is silent, and for that another manager is looked for. */
  private doubted = false;
  /** Under way while a former manager still serves. */
  private move: Move | undefined;
  /** Since when there is cause to be elsewhere. */
  private restless = 0;
  private waiting: (() => void)[] = [];

  constructor(options: SessionOptions, ports: SessionPorts) {
    this.ports = ports;
    const { clock, emit, install, addresses } = ports;
    const { server, name, software, heartbeat, memory } = options;
    this.served = memory?.manager;
    this.enrolment = new Enrolment({ server, name, software, heartbeat }, memory, {
      addresses,
      leases: () => this.leases().map(({ lease }) => lease),
      onRefused: event => emit({ type: 'refused', ...event }),
    });
    const onRegistered = ({ id }: { readonly id: number }): void => {
      const report = this.reports.get(id);
      if (report !== undefined) this.current?.send({ type: 'report', reports: [report] });
    };
    const mayLose = (): boolean => this.move === undefined;
    this.holdings = options.plans.map(
      plan => new Holding(plan, { clock, server, install, emit, mayLose, onRegistered }),
    );
    for (const { plan, lease } of memory?.leases ?? []) {
      const holding = this.holdings.find(entry => entry.plan.key === plan);
      if (holding !== undefined && lease.server === server) holding.lease = lease;
    }
  }

  /** Where this server is registered now. */
  get manager(): ManagerAddress | undefined {
    return this.current?.to;
  }

  start(): void {
    if (this.state === 'idle') this.search();
  }

  /**
   * This host may be elsewhere now: looks for a manager there, at `managers` first, and goes over to the one that it finds. Whatever
   * was being tried is given up, for it was tried from the former place; a registration that lives goes on meanwhile.
   */
  relocate(managers: readonly ManagerAddress[] = []): void {
    if (this.isEnding()) return;
    this.attempt = 0;
    this.restless = this.ports.clock.now();
    this.search(managers);
  }

  /** There may be managers at these addresses: unless this server is registered with one of them, they are tried now. */
  suggest(managers: readonly ManagerAddress[]): void {
    const { current } = this;
    if (this.isEnding() || this.rising !== undefined) return;
    // While it looks around even the address of its own manager may be another's: routers are called alike in many cells.
    if (this.quest !== undefined) this.quest.offer(managers);
    else if (!managers.some(one => current && sameManager(one, current.to))) this.relocate(managers);
  }

  /** What an app or an agent says of its services; the last word on each is said again after a reconnection. */
  report(reports: readonly Report[]): void {
    for (const report of reports) this.reports.set(report.service, report);
    const known = reports.filter(({ service }) => this.holdings.some(one => one.isRegistered(service)));
    if (known.length > 0) this.current?.send({ type: 'report', reports: known });
    this.move?.from.send({ type: 'report', reports });
  }

  /** No new connections for these services; resolves when the manager has said so (at once while there is none). */
  async end(intent: 'drain' | 'withdraw', services: readonly number[] = this.services()): Promise<void> {
    await Promise.all(
      services.map(
        id =>
          new Promise<void>(resolve => {
            const holding = this.holdings.find(entry => entry.has(id));
            if (holding === undefined) return resolve();
            this.waiting.push(resolve); // A connection that ends before the answer ends the wait, too.
            this.move?.from.requests.ask({ type: `${intent}-service`, service: id }, () => {});
            holding.end(id, intent, resolve);
            this.move?.judge();
          }),
      ),
    );
  }

  /** Deregisters and closes; never takes longer than two seconds. */
  stop(): Promise<void> {
    if (this.state === 'stopped') return Promise.resolve();
    const { current } = this;
    return new Promise(resolve => {
      this.waiting.push(resolve);
      if (this.state === 'stopping') return;
      this.enter('stopping', 'asked to stop');
      this.abandon();
      this.endMove()?.quit();
      this.releaseHoldings();
      const finish = (): void => {
        this.enter('stopped', 'stopped');
        this.settleWaiting();
      };
      if (current === undefined) finish();
      else current.quit(finish);
    });
  }

  /** To be stored, and handed to the next run. */
  memory(): Memory {
    const leases = this.leases();
    const { epoch, home, issuers } = this.enrolment;
    return { epoch, leases, manager: home, issuers: issuers.of(leases.map(({ lease }) => lease)) };
  }

  services(): number[] {
    return this.holdings.flatMap(entry => entry.plan.services.map(service => service.id));
  }

  private leases(): Memory['leases'] {
    return this.holdings.flatMap(({ plan, lease }) => (lease ? [{ plan: plan.key, lease }] : []));
  }

  private isEnding(): boolean {
    return this.state === 'idle' || this.state === 'stopping' || this.state === 'stopped';
  }

  /** Gives up whatever search is under way. */
  private abandon(): void {
    this.timer?.cancel();
    this.quest?.close();
    this.quest = undefined;
    this.rising?.close(false);
    this.rising = undefined;
  }

  private search(first: readonly ManagerAddress[] = []): void {
    this.abandon();
    const { clock, asleep, connect, find } = this.ports;
    const quest = new Quest({
      clock,
      attach: (to, owner) => new Attachment(to, { clock, asleep, connect }, owner),
      onTry: to => this.progress('connecting', `to ${to.address} port ${to.port}`, to),
      onFound: attachment => this.register(attachment),
      onFailed: reason => {
        this.quest = undefined;
        this.wait(reason);
      },
    });
    this.quest = quest;
    this.progress('searching', 'looking for a manager');
    quest.start(first, find);
  }

  private register(attachment: Attachment): void {
    this.rising = attachment;
    const { to } = attachment;
    const useless = (reason: string): void => {
      this.rising = undefined;
      this.quest?.resume(reason);
    };
    attachment.owner = { onOpen() {}, onMessage: message => this.passOver(message), onEnd: useless };
    this.progress('registering', `with ${to.address}`, to);
    this.enrolment.enrol(attachment, outcome => {
      if (outcome.type === 'registered') {
        this.registered(attachment);
        return;
      }
      const { code, reason } = outcome;
      // What people have to mend is not asked for at once again.
      if (code !== undefined) this.attempt = Math.max(this.attempt, code === 'shutting-down' ? 1 : 5);
      attachment.close(false);
      useless(reason);
    });
  }

  private registered(attachment: Attachment): void {
    const { to, id, name } = attachment;
    const former = this.current;
    this.rising = undefined;
    this.quest?.close();
    this.quest = undefined;
    const before = this.served;
    this.served = { address: to.address, port: to.port, id };
    this.own(attachment);
    const serving = leaveForNext([this.endMove(), former], attachment);
    if (serving !== undefined) this.beginMove(serving, attachment);
    this.enter('registered', `with ${name || to.address}`, attachment.manager);
    if (serving === undefined && before !== undefined && !isHome(before, this.served))
      this.moved(before, to, false);
    for (const holding of this.holdings) holding.claim(attachment.requests);
    this.move?.judge();
  }

  /** This server is registered there now. */
  private own(attachment: Attachment): void {
    this.current = attachment;
    this.doubted = false;
    attachment.owner = {
      onOpen() {},
      onMessage: message => this.hear(attachment, message),
      onDoubt: reason => this.doubt(reason),
      onEnd: reason => this.lose(attachment, reason),
    };
  }

  /**
   * A manager that is silent may be gone, or only stand still. One is looked for as if it were gone, but to close its connection would be
   * to tell it that this server is.
   */
  private doubt(reason: string | undefined): void {
    if (reason === undefined) {
      if (this.doubted && this.rising === undefined) this.abandon();
      this.doubted = false;
    } else if (this.quest === undefined && !this.isEnding()) {
      this.doubted = true;
      this.restless = this.ports.clock.now();
      this.search();
    }
  }

  private beginMove(from: Attachment, to: Attachment): void {
    const move = new Move(from, to, {
      clock: this.ports.clock,
      serves: id => this.holdings.some(holding => holding.has(id) && holding.serves(id)),
      isChangeable: () => this.holdings.some(holding => holding.isChangeable),
      onDone: () => {
        this.move = undefined;
        from.leave();
        for (const holding of this.holdings) holding.settle();
        this.tell(to, move.withheld);
        this.moved(from.to, to.to, true);
      },
      onBroken: () => {
        this.move = undefined;
        for (const holding of this.holdings) holding.settle();
        this.tell(to, move.withheld);
        this.moved(from.to, to.to, false);
      },
      onFruitless: reason => {
        to.leave();
        this.goBack(from, reason);
        this.attempt = Math.max(this.attempt, 5);
        this.wait(reason);
      },
    });
    this.move = move;
    from.owner = { onOpen() {}, onMessage() {}, onEnd: () => move.broken() };
  }

  /** Gives the former manager of the move that was under way. */
  private endMove(): Attachment | undefined {
    const { move } = this;
    this.move = undefined;
    return move?.end();
  }

  /** The new manager serves nothing of what the former still does. */
  private goBack(to: Attachment, reason: string): void {
    this.move = undefined;
    this.own(to);
    this.enter('registered', `still with ${to.name || to.to.address}: ${reason}`, to.manager);
    for (const holding of this.holdings) holding.claim(to.requests);
  }

  private moved(from: ManagerAddress, to: ManagerAddress, madeBeforeBroken: boolean): void {
    const took = this.ports.clock.now() - this.restless;
    this.ports.emit({ type: 'moved', from, to, madeBeforeBroken, took });
  }

  private hear(attachment: Attachment, message: ManagerMessage): void {
    if (message.type === 'service-state') {
      if (this.move?.withholds(message) !== true) this.tell(attachment, [message]);
      this.move?.judge();
    } else if (message.type === 'lease-revoked') {
      const { vip, code, sentence } = message;
      this.ports.emit({ type: 'refused', what: `lease of ${vip}`, code, sentence });
      for (const holding of this.holdings) if (holding.lease?.vip === vip) holding.revoked();
    } else this.passOver(message);
  }

  /** Tells the app what the manager says of its services. */
  private tell(
    attachment: Attachment,
    states: readonly Extract<ManagerMessage, { type: 'service-state' }>[],
  ): void {
    if (attachment !== this.current) return;
    for (const { service: id, state, score, reason } of states) {
      const holding = this.holdings.find(entry => entry.has(id));
      const plan = holding?.plan.services.find(entry => entry.id === id);
      const vip = holding?.lease?.vip;
      if (plan !== undefined)
        this.ports.emit({ type: 'service', id, name: plan.name, vip, state, score, reason });
    }
  }

  private passOver(message: ManagerMessage): void {
    if (message.type === 'refused')
      this.ports.emit({
        type: 'refused',
        what: 'a message',
        code: message.code,
        sentence: message.sentence,
      });
  }

  private lose(attachment: Attachment, reason: string): void {
    const { since = 0 } = attachment;
    const now = this.ports.clock.now();
    this.current = undefined;
    this.doubted = false;
    this.releaseHoldings();
    this.settleWaiting();
    const former = this.endMove();
    if (former?.alive) {
      this.goBack(former, reason);
      this.wait(reason);
      return;
    }
    // A manager that takes a registration and drops it at once is not come back to at once, over and over.
    if (now - since >= STEADY) this.attempt = 0;
    // Another place is being looked for already: then there is nothing to wait for.
    if (this.rising !== undefined) this.progress('registering', reason, this.rising.to);
    else if (this.quest !== undefined) this.progress('searching', reason);
    else {
      this.restless = now;
      this.wait(reason);
    }
  }

  private wait(reason: string): void {
    this.timer?.cancel();
    const pause = backoff(this.attempt++, this.ports.random.uniform());
    // With a registration that lives there is no haste.
    const retryIn =
      this.current === undefined || this.doubted ? pause : Math.min(LONGEST_PATIENCE, pause * PATIENCE);
    this.progress('waiting', reason);
    if (this.current === undefined) this.ports.emit({ type: 'lost', reason, retryIn });
    this.timer = this.ports.clock.after('reconnect', retryIn, () => this.search());
  }

  private releaseHoldings(): void {
    for (const holding of this.holdings) holding.release();
  }

  private settleWaiting(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  /** A search while a registration lives is nothing that changes its state. */
  private progress(state: SessionState, reason: string, manager?: ManagerAddress): void {
    if (this.current === undefined) this.enter(state, reason, manager);
  }

  private enter(state: SessionState, reason: string, manager?: StateEvent['manager']): void {
    this.state = state;
    this.ports.emit({ type: 'state', state, reason, manager });
  }
}
