/**
 * The life of a registration, without sockets: messages in and out, a clock and a way to connect come from outside. It finds a
 * manager, registers, claims leases and services, keeps the connection alive, and after a loss does it all again.
 */
import type { Clock, Random, Timer } from '../transport/environment.ts';
import type { Address } from '../wire/address.ts';
import { type ManagerMessage, type ServerMessage, VERSION } from '../wire/messages.ts';
import type { Lease, ManagerId, Report, ServerId } from '../wire/model.ts';
import { backoff } from './backoff.ts';
import type { ManagerAddress, SessionEvent, SessionState } from './events.ts';
import { Holding } from './holding.ts';
import { Pulse } from './pulse.ts';
import { Requests } from './requests.ts';
import type { LeasePlan, ServicePlan } from './service.ts';

/** One connection to a manager. */
export interface Connection {
  send(message: ServerMessage): void;
  /** `orderly`: what was sent still goes out. */
  close(orderly: boolean): void;
}

export interface ConnectionHandlers {
  onOpen(): void;
  onMessage(message: ManagerMessage): void;
  /** Once, and the last call. */
  onClose(reason: string): void;
}

export interface SessionPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly connect: (to: ManagerAddress, handlers: ConnectionHandlers) => Connection;
  /** Where managers may be, best first; looked up before each round of attempts. */
  readonly find: () => Promise<readonly ManagerAddress[]>;
  /** This host's unique addresses, best first, as the manager at `to` may reach them. */
  readonly addresses: (to: ManagerAddress) => readonly Address[];
  readonly install: (lease: Lease, services: readonly ServicePlan[]) => Promise<void>;
  readonly emit: (event: SessionEvent) => void;
}

export interface SessionOptions {
  readonly server: ServerId;
  readonly name: string;
  readonly software: string;
  /** Wished interval of heartbeats, ms; 0 = the manager's default. */
  readonly heartbeat: number;
  readonly plans: readonly LeasePlan[];
  /** What an earlier run of this server held. */
  readonly memory?: Memory | undefined;
}

/** What is worth keeping over a restart of this process. */
export interface Memory {
  readonly epoch: number;
  readonly leases: readonly { readonly plan: string; readonly lease: Lease }[];
  /** Where the last registration was. */
  readonly manager: ManagerAddress | undefined;
}

/** ms to connect (and for the TLS handshake), and for the manager's word after that. */
const CONNECT_TIMEOUT = 5000;
/** ms that an orderly stop waits for the manager's word. */
const STOP_TIMEOUT = 2000;
/** ms after which a registration counts as having worked. */
const STEADY = 5000;
/** ms; whatever a manager says, no faster. */
const LEAST_HEARTBEAT = 10;
/** Leases in one `register` (docs/protocol.md, Limits). */
const MAX_LEASES = 256;

export class Session {
  state: SessionState = 'idle';
  private readonly options: SessionOptions;
  private readonly ports: SessionPorts;
  private readonly holdings: readonly Holding[];
  private readonly reports = new Map<number, Report>();
  private candidates: readonly ManagerAddress[] = [];
  private attempt = 0;
  private since = 0;
  private epoch: number;
  private raise = 1;
  private home: ManagerAddress | undefined;
  /** Each connection attempt has its own, so that nothing late from an earlier one counts. */
  private generation = 0;
  private connection: Connection | undefined;
  private requests: Requests | undefined;
  private pulse: Pulse | undefined;
  private timer: Timer | undefined;
  private beats = 0;
  private waiting: (() => void)[] = [];

  constructor(options: SessionOptions, ports: SessionPorts) {
    this.options = options;
    this.ports = ports;
    this.epoch = options.memory?.epoch ?? 1;
    this.home = options.memory?.manager;
    const { clock, emit, install } = ports;
    const onRegistered = ({ id }: { readonly id: number }): void => {
      const report = this.reports.get(id);
      if (report !== undefined) this.send({ type: 'report', reports: [report] });
    };
    this.holdings = options.plans.map(
      plan => new Holding(plan, { clock, server: options.server, install, emit, onRegistered }),
    );
    for (const { plan, lease } of options.memory?.leases ?? []) {
      const holding = this.holdings.find(entry => entry.plan.key === plan);
      if (holding !== undefined && lease.server === options.server) holding.lease = lease;
    }
  }

  start(): void {
    if (this.state === 'idle') this.search();
  }

  /** What an app or an agent says of its services; the last word on each is said again after a reconnection. */
  report(reports: readonly Report[]): void {
    for (const report of reports) this.reports.set(report.service, report);
    const known = reports.filter(({ service }) => this.holdings.some(one => one.isRegistered(service)));
    if (known.length > 0) this.send({ type: 'report', reports: known });
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
            holding.end(id, intent, resolve);
          }),
      ),
    );
  }

  /** Deregisters and closes; never takes longer than STOP_TIMEOUT. */
  stop(): Promise<void> {
    if (this.state === 'stopped') return Promise.resolve();
    const { requests } = this;
    const registered = this.state === 'registered';
    return new Promise(resolve => {
      this.waiting.push(resolve);
      if (this.state === 'stopping') return;
      this.enter('stopping', 'asked to stop');
      this.timer?.cancel();
      if (!registered) {
        this.finish(false);
        return;
      }
      this.timer = this.ports.clock.after('stop-timeout', STOP_TIMEOUT, () => this.finish(false));
      requests?.ask({ type: 'deregister' }, () => this.finish(true));
    });
  }

  /** To be stored, and handed to the next run. */
  memory(): Memory {
    const leases = this.holdings.flatMap(({ plan, lease }) => (lease ? [{ plan: plan.key, lease }] : []));
    return { epoch: this.epoch, leases, manager: this.home };
  }

  services(): number[] {
    return this.holdings.flatMap(entry => entry.plan.services.map(service => service.id));
  }

  private search(): void {
    const generation = ++this.generation;
    this.enter('searching', 'looking for a manager');
    this.ports.find().then(
      found => {
        if (generation !== this.generation) return;
        this.candidates = found;
        if (found.length === 0) this.wait('no manager was found');
        else this.dial();
      },
      (error: Error) => {
        if (generation === this.generation) this.wait(`no manager was found: ${error.message}`);
      },
    );
  }

  private dial(): void {
    const [to, ...rest] = this.candidates;
    if (to === undefined) {
      this.search();
      return;
    }
    this.candidates = rest;
    const generation = ++this.generation;
    const current = <A extends unknown[]>(run: (...args: A) => void) => {
      return (...args: A): void => {
        if (generation === this.generation) run(...args);
      };
    };
    this.enter('connecting', `to ${to.address} port ${to.port}`, to);
    this.timer = this.ports.clock.after('connect-timeout', CONNECT_TIMEOUT, () =>
      this.lose(`${to.address} port ${to.port} did not answer within ${CONNECT_TIMEOUT} ms`),
    );
    this.connection = this.ports.connect(to, {
      onOpen: current(() => this.register(to)),
      onMessage: current((message: ManagerMessage) => this.hear(message)),
      onClose: current((reason: string) => this.lose(reason)),
    });
  }

  private register(to: ManagerAddress): void {
    this.enter('registering', `with ${to.address}`, to);
    this.requests = new Requests(
      this.ports.clock,
      message => this.send(message),
      what => this.lose(`the manager did not answer '${what}'`),
    );
    const { server, name, heartbeat, software } = this.options;
    const roamed = this.home !== undefined && this.home.address !== to.address;
    const epoch = roamed ? this.epoch + 1 : this.epoch;
    const { oldest, newest } = VERSION;
    // One message holds no more; the rest are asked for by their VIPs.
    const leases = this.memory()
      .leases.slice(0, MAX_LEASES)
      .map(({ lease }) => lease);
    const addresses = this.ports.addresses(to).slice(0, 8);
    this.requests.ask(
      {
        type: 'register',
        versions: [oldest, newest],
        server,
        name,
        addresses,
        epoch,
        heartbeat,
        leases,
        software,
      },
      reply => {
        this.timer?.cancel();
        if (reply.type === 'registered') {
          this.epoch = epoch;
          this.raise = 1;
          this.home = to;
          this.registered(to, reply);
        } else if (reply.type === 'refused') {
          this.ports.emit({ type: 'refused', what: 'register', code: reply.code, sentence: reply.sentence });
          // How far behind it is nobody says, so the steps double: any epoch is passed within some tens of attempts.
          if (reply.code === 'epoch-stale') {
            this.epoch = epoch + this.raise;
            this.raise *= 2;
          } else this.attempt = Math.max(this.attempt, reply.code === 'shutting-down' ? 1 : 5);
          this.lose(`refused: ${reply.sentence || reply.code}`);
        } else this.lose(`'${reply.type}' is no answer to 'register'`);
      },
    );
  }

  private registered(
    to: ManagerAddress,
    { manager, name, heartbeat }: { manager: ManagerId; name: string; heartbeat: number },
  ): void {
    this.since = this.ports.clock.now();
    this.pulse = new Pulse(
      this.ports.clock,
      Math.max(LEAST_HEARTBEAT, heartbeat),
      () => this.connection?.send({ type: 'heartbeat', sequence: this.beats++ >>> 0 }),
      reason => this.lose(reason),
    );
    this.enter('registered', `with ${name || to.address}`, { ...to, id: manager, name });
    for (const holding of this.holdings) holding.claim(this.requests!);
  }

  private hear(message: ManagerMessage): void {
    this.pulse?.heard();
    if (message.type === 'heartbeat') return;
    if (message.type === 'pace') {
      const { heartbeat } = message;
      this.pulse?.pace(Math.max(LEAST_HEARTBEAT, heartbeat));
      if (this.state === 'registered') this.send({ type: 'pace', heartbeat });
      return;
    }
    if (message.type === 'lease-revoked') return;
    if (message.type === 'service-state') {
      const { service: id, state, score, reason } = message;
      const holding = this.holdings.find(entry => entry.has(id));
      const plan = holding?.plan.services.find(entry => entry.id === id);
      if (plan !== undefined) {
        const vip = holding?.lease?.vip;
        this.ports.emit({ type: 'service', id, name: plan.name, vip, state, score, reason });
      }
      return;
    }
    if (this.requests?.settle(message) !== true && message.type === 'refused')
      this.ports.emit({
        type: 'refused',
        what: 'a message',
        code: message.code,
        sentence: message.sentence,
      });
  }

  private send(message: ServerMessage): void {
    this.connection?.send(message);
    this.pulse?.sent();
  }

  private lose(reason: string): void {
    if (this.state === 'stopping') {
      this.finish(false);
      return;
    }
    const wasRegistered = this.state === 'registered';
    // A manager that takes a registration and drops it at once is not come back to at once, over and over.
    if (wasRegistered && this.ports.clock.now() - this.since >= STEADY) this.attempt = 0;
    this.disconnect(false);
    if (!wasRegistered && this.candidates.length > 0) this.dial();
    else this.wait(reason);
  }

  private wait(reason: string): void {
    const retryIn = backoff(this.attempt++, this.ports.random.uniform());
    this.enter('waiting', reason);
    this.ports.emit({ type: 'lost', reason, retryIn });
    this.timer = this.ports.clock.after('reconnect', retryIn, () => this.search());
  }

  private finish(orderly: boolean): void {
    this.disconnect(orderly);
    this.enter('stopped', 'stopped');
  }

  private disconnect(orderly: boolean): void {
    this.generation++;
    this.timer?.cancel();
    this.pulse?.stop();
    this.pulse = undefined;
    this.requests?.drop();
    this.requests = undefined;
    for (const holding of this.holdings) holding.release();
    this.connection?.close(orderly);
    this.connection = undefined;
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  private enter(
    state: SessionState,
    reason: string,
    manager?: ManagerAddress & { id?: ManagerId; name?: string },
  ): void {
    this.state = state;
    this.ports.emit({ type: 'state', state, reason, manager });
  }
}
