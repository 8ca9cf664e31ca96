/**
 * Registers this program's services with the nearest manager, and keeps them registered.
 */
import { EventEmitter } from 'node:events';
import { hostname } from 'node:os';
import { invalid } from '../client/question.ts';
import { aborted, BivouacError } from '../errors.ts';
import type { Environment, Identity } from '../transport/environment.ts';
import { nodeEnvironment } from '../transport/node.ts';
import { type Address, parseAddress } from '../wire/address.ts';
import { WELL_KNOWN } from '../wire/messages.ts';
import type { Lease, Report, ServerId } from '../wire/model.ts';
import { connectWith } from './connection.ts';
import { discover } from './discover.ts';
import type {
  LeaseEvent,
  LostEvent,
  ManagerAddress,
  MovedEvent,
  RefusedEvent,
  ServiceEvent,
  SessionEvent,
  SessionState,
  StateEvent,
} from './events.ts';
import { certifiedIdentity, plainIdentity } from './identity.ts';
import type { Memory } from './memory.ts';
import type { Find } from './quest.ts';
import { leasePlans, type ServiceOptions, type ServicePlan } from './service.ts';
import { Session } from './session.ts';

export interface RegisterOptions {
  /** What people call this server. Default: the host's name. */
  readonly name?: string;
  readonly services: readonly ServiceOptions[];
  /** `address`, `address:port`, several of them, or a function that finds them (and may hand them to its argument as they turn up). Default: the default router, and who answers a solicitation. */
  readonly manager?: string | readonly string[] | (() => Promise<readonly ManagerAddress[]>) | Find;
  /** The mission's certificate for this server; absent: plain TCP, if the manager allows that. */
  readonly tls?: Identity;
  /** Unique addresses of this host, best first. Default: those of its interfaces. */
  readonly addresses?: readonly string[];
  /** Wished interval of heartbeats, ms, 10…60,000. Default: the manager's. */
  readonly heartbeat?: number;
  /** Makes a leased VIP usable on this host; services are registered once it has resolved. Default: nothing is done. */
  readonly install?: (lease: Lease, services: readonly ServicePlan[]) => Promise<void>;
  /** From an earlier run's `memory()`: the same leases are then claimed again. */
  readonly memory?: Memory;
  /** Identity on plain TCP. Default: that of the memory's leases, else made of the machine-id (or, without one, at random) and the name. */
  readonly server?: ServerId;
  /** Aborting it stops the registration. */
  readonly signal?: AbortSignal;
  readonly environment?: Environment;
}

/** Events and what listeners get. */
export interface RegistrationEvents {
  state: [StateEvent];
  lease: [LeaseEvent];
  service: [ServiceEvent];
  moved: [MovedEvent];
  lost: [LostEvent];
  refused: [RefusedEvent];
}

/** A server's registration: alive from start() until stop(), through every loss of its manager. */
export class Registration extends EventEmitter<RegistrationEvents> {
  readonly server: ServerId;
  readonly name: string;
  readonly #session: Session;

  /** Throws BivouacError EINVAL for options that cannot work. Nothing is sent before start(). */
  constructor(options: RegisterOptions) {
    super();
    const environment = options.environment ?? nodeEnvironment();
    this.name = options.name ?? hostname();
    if (options.services.length === 0) throw invalid('services', [], 'at least one service');
    this.server =
      options.tls === undefined
        ? (options.server ?? options.memory?.leases[0]?.lease.server ?? plainIdentity(this.name))
        : certifiedIdentity(options.tls);
    const own = options.addresses?.map(text => {
      const address = parseAddress(text);
      if (address === undefined) throw invalid('addresses', text, 'IP addresses');
      return address;
    });
    const session = new Session(
      {
        server: this.server,
        name: this.name,
        software: 'bivouac-sdk/0.1.0',
        heartbeat: options.heartbeat ?? 0,
        plans: leasePlans(options.services),
        memory: options.memory,
      },
      {
        clock: environment.clock,
        random: environment.random,
        connect: connectWith(environment.net, options.tls),
        find: finder(environment, options.manager),
        addresses: (to, local) => {
          if (own !== undefined) return own;
          const vips = new Set(session.memory().leases.map(({ lease }) => lease.vip));
          const here = environment.addresses().filter(address => !vips.has(address));
          return [...new Set<Address>([...(local ? [local] : []), ...nearest(here, to.address)])];
        },
        asleep: () => environment.asleep?.() ?? 0,
        install: options.install ?? (() => Promise.resolve()),
        emit: event => this.#tell(event),
      },
    );
    this.#session = session;
    options.signal?.addEventListener('abort', () => void this.stop(), { once: true });
  }

  get state(): SessionState {
    return this.#session.state;
  }

  /** Where it is registered now; undefined: nowhere. */
  get manager(): ManagerAddress | undefined {
    return this.#session.manager;
  }

  /** Begins; goes on through every loss until stop(). */
  start(): void {
    this.#session.start();
  }

  /**
   * Tells that this host may be elsewhere now (another network, another address): looks for a manager there, at `managers` first,
   * and goes over to it. The former one is left once the new one serves, or is lost already. A lost manager is noticed without this.
   */
  relocate(managers: readonly ManagerAddress[] = []): void {
    this.#session.relocate(managers);
  }

  /** Tells that there may be managers at these addresses: they are tried now, unless this server is registered with one of them. */
  suggest(managers: readonly ManagerAddress[]): void {
    this.#session.suggest(managers);
  }

  /** Says how services are (ids count from 1, in the order of the options); said again after each reconnection. */
  report(...reports: readonly Report[]): void {
    this.#session.report(reports);
  }

  /** No new connections any more, the established ones go on. Resolves when the manager has taken note. */
  drain(...services: readonly number[]): Promise<void> {
    return this.#session.end('drain', services.length > 0 ? services : undefined);
  }

  /** Takes services out. Resolves when the manager has taken note. */
  withdraw(...services: readonly number[]): Promise<void> {
    return this.#session.end('withdraw', services.length > 0 ? services : undefined);
  }

  /** Deregisters and closes; within two seconds, whatever the manager does. */
  stop(): Promise<void> {
    return this.#session.stop();
  }

  /** What the next run of this server needs to claim the same leases. Store it after each 'lease' event. */
  memory(): Memory {
    return this.#session.memory();
  }

  #tell({ type, ...event }: SessionEvent): void {
    (this.emit as (name: string, event: object) => boolean).call(this, type, event);
  }
}

/**
 * Registers and resolves once the manager balances every service (`up`). Rejects with EREFUSED when the manager refuses the
 * server or one of its services, with ABORT_ERR when the signal is aborted; until then it looks for a manager without end.
 */
export function register(options: RegisterOptions): Promise<Registration> {
  const registration = new Registration(options);
  const { signal } = options;
  return new Promise((resolve, reject) => {
    const up = new Set<number>();
    const done = (): void => {
      registration.off('service', onService).off('refused', onRefused);
      signal?.removeEventListener('abort', onAbort);
    };
    const fail = (error: Error): void => {
      done();
      void registration.stop();
      reject(error);
    };
    const onService = ({ id, state }: ServiceEvent): void => {
      if (state === 'up') up.add(id);
      if (up.size < options.services.length) return;
      done();
      resolve(registration);
    };
    const onRefused = ({ what, code, sentence }: RefusedEvent): void => {
      // These pass by themselves; every other refusal needs a mend.
      if (code === 'shutting-down' || code === 'epoch-stale') return;
      fail(new BivouacError('EREFUSED', `${what} was refused: ${sentence || code}`, { refusal: code }));
    };
    const onAbort = (): void => fail(aborted(signal!));
    if (signal?.aborted) return onAbort();
    signal?.addEventListener('abort', onAbort);
    registration.on('service', onService).on('refused', onRefused).start();
  });
}

function finder(environment: Environment, manager: RegisterOptions['manager']): Find {
  if (typeof manager === 'function') return async found => found((await manager(found)) ?? []);
  const port = WELL_KNOWN.registrationPort;
  if (manager !== undefined) {
    const configured = (typeof manager === 'string' ? [manager] : manager).map(managerAddress);
    return async found => found(configured);
  }
  return async found => {
    found(environment.gateways().map(address => ({ address, port })));
    found(await discover({ environment }));
  };
}

/** Reads `192.0.2.1`, `192.0.2.1:9746`, `2001:db8::1` or `[2001:db8::1]:9746`. Throws BivouacError EINVAL. */
export function managerAddress(text: string): ManagerAddress {
  const bare = parseAddress(text);
  if (bare !== undefined) return { address: bare, port: WELL_KNOWN.registrationPort };
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const address = parseAddress(bracketed ?? plain ?? '');
  if (address === undefined || Number(port) < 1 || Number(port) > 65535)
    throw invalid('manager', text, "an address, or one with a port: '192.0.2.1:9746'");
  return { address, port: Number(port) };
}

/** Addresses of the manager's family first, those with the longest common beginning before the others. */
function nearest<A extends string>(addresses: readonly A[], to: string): A[] {
  const common = (address: string): number => {
    if (address.includes(':') !== to.includes(':')) return -1;
    let length = 0;
    while (length < to.length && address[length] === to[length]) length++;
    return length;
  };
  return [...addresses].sort((a, b) => common(b) - common(a));
}
