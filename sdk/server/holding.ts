/**
 * One lease and the services on it: requested, taken up, renewed; the services registered, drained, withdrawn. It outlives
 * connections: after each reconnection `claim` brings the manager to the same state again.
 */
import type { Clock, Timer } from '../transport/environment.ts';
import type { Address } from '../wire/address.ts';
import type { Lease, ServerId } from '../wire/model.ts';
import type { SessionEvent } from './events.ts';
import type { Reply, Requests } from './requests.ts';
import type { LeasePlan, ServicePlan } from './service.ts';

/** ms before a refused lease or service is asked for again: the first time, and at most. */
const RETRY = { first: 2000, longest: 60_000 } as const;

/** ms; whatever a lease's duration is, it is not renewed more often. */
const LEAST_RENEWAL = 1000;

/** Refusals that say nothing of the lease: it is kept, and asked for again later. */
const PASSING: ReadonlySet<string> = new Set([
  'shutting-down',
  'internal',
  'limit',
  'not-registered',
  'out-of-order',
]);

export interface HoldingPorts {
  readonly clock: Clock;
  readonly server: ServerId;
  /** Makes the VIP usable on this host before services are registered on it. */
  readonly install: (lease: Lease, services: readonly ServicePlan[]) => Promise<void>;
  readonly emit: (event: SessionEvent) => void;
  /** False while another manager still serves the VIP: what this one refuses is asked for again, not given up. */
  readonly mayLose: () => boolean;
  /** A service was registered: its last report is due. */
  readonly onRegistered: (service: ServicePlan) => void;
}

type Intent = 'serve' | 'drain' | 'withdraw';

export class Holding {
  readonly plan: LeasePlan;
  /** Kept while the manager is away, whatever its duration: nobody else can be granted it before the manager is back. */
  lease: Lease | undefined;
  private readonly ports: HoldingPorts;
  private readonly intents = new Map<number, Intent>();
  private readonly registered = new Set<number>();
  /** Those of the present connection. */
  private requests: Requests | undefined;
  private timers: Timer[] = [];
  private refusals = 0;
  private contested = false;

  constructor(plan: LeasePlan, ports: HoldingPorts) {
    this.plan = plan;
    this.ports = ports;
  }

  /** A manager has registered this server on a new connection: claim everything on it. */
  claim(requests: Requests): void {
    this.release();
    this.requests = requests;
    if (this.lease === undefined) this.request(this.plan.vip);
    else
      requests.ask({ type: 'lease-renew', vip: this.lease.vip }, reply =>
        reply.type === 'lease' ? this.granted(reply.lease) : this.request(this.lease?.vip),
      );
  }

  /** The connection is gone; what is held stays held. */
  release(): void {
    this.requests = undefined;
    this.contested = false;
    this.registered.clear();
    for (const timer of this.timers.splice(0)) timer.cancel();
  }

  /** Whether this manager refuses a VIP that another still serves, and any other would do. */
  get isChangeable(): boolean {
    return this.contested && this.plan.vip === undefined;
  }

  /** The other one is left: what was refused is asked for again now, and given up if need be. */
  settle(): void {
    if (!this.contested) return;
    for (const timer of this.timers.splice(0)) timer.cancel();
    this.request(this.lease?.vip);
  }

  /** The manager has taken the lease back: the VIP goes, and another is asked for, or the same one again later. */
  revoked(): void {
    const { lease } = this;
    if (lease === undefined) return;
    for (const timer of this.timers.splice(0)) timer.cancel();
    this.lose(lease);
    if (this.plan.vip === undefined) this.request(undefined);
    else this.later('lease-retry', this.retryPause(), () => this.request(this.plan.vip));
  }

  /** Whether the manager should be serving this service. */
  serves(service: number): boolean {
    return (this.intents.get(service) ?? 'serve') === 'serve';
  }

  has(service: number): boolean {
    return this.plan.services.some(entry => entry.id === service);
  }

  isRegistered(service: number): boolean {
    return this.registered.has(service);
  }

  /** Drains or withdraws a service now, or as soon as there is a connection. `done` follows the manager's answer. */
  end(service: number, intent: Exclude<Intent, 'serve'>, done: () => void): void {
    this.intents.set(service, intent);
    const { requests } = this;
    if (requests === undefined || !this.registered.has(service)) done();
    else
      requests.ask({ type: `${intent}-service`, service }, reply => {
        this.note(reply, `${intent} of service ${service}`);
        done();
      });
  }

  private request(vip: Address | undefined): void {
    const { family, shared, service } = this.plan;
    this.requests?.ask(
      { type: 'lease-request', ...(vip && { vip }), family, shared, service },
      (reply: Reply) => {
        if (reply.type === 'lease') return this.granted(reply.lease);
        const refused = reply.type === 'refused' && !PASSING.has(reply.code);
        this.contested = refused && !this.ports.mayLose();
        const passing = reply.type === 'refused' && (!refused || this.contested);
        // The VIP of a former lease is not to be had again: it must go before another one comes.
        if (this.lease !== undefined && !passing) this.lose(this.lease);
        if (vip !== undefined && this.plan.vip === undefined && !passing) return this.request(undefined);
        this.note(reply, `lease of ${vip ?? 'a VIP'} for ${service}`);
        this.later('lease-retry', this.retryPause(), () => this.request(this.lease?.vip ?? this.plan.vip));
      },
    );
  }

  private granted(lease: Lease): void {
    const { requests } = this;
    const former = this.lease;
    const expected = this.plan.vip ?? lease.vip;
    if (lease.server !== this.ports.server || lease.vip !== expected) {
      const wrong = lease.vip === expected ? `server ${lease.server}` : lease.vip;
      this.note(
        { type: 'refused', transaction: 0, code: 'lease-invalid', sentence: `the lease is for ${wrong}` },
        `lease of ${expected}`,
      );
      return;
    }
    if (former !== undefined && former.vip !== lease.vip) this.lose(former);
    this.lease = lease;
    this.refusals = 0;
    this.renewAtHalf(lease);
    this.ports.emit({ type: 'lease', change: former?.vip === lease.vip ? 'renewed' : 'granted', lease });
    this.ports.install(lease, this.plan.services).then(
      () => {
        if (this.requests !== requests || this.lease?.vip !== lease.vip) return;
        for (const service of this.plan.services)
          if (!this.registered.has(service.id)) this.register(service, lease.vip);
      },
      (error: Error) => {
        if (this.requests !== requests) return;
        this.note(
          {
            type: 'refused',
            transaction: 0,
            code: 'internal',
            sentence: `${lease.vip} cannot be installed: ${error.message}`,
          },
          `lease of ${lease.vip}`,
        );
        this.later('install-retry', this.retryPause(), () => this.granted(lease));
      },
    );
  }

  private register(plan: ServicePlan, vip: Address): void {
    const intent = this.intents.get(plan.id) ?? 'serve';
    if (intent === 'withdraw') return;
    this.requests?.ask({ type: 'register-service', service: { ...plan, vip } }, reply => {
      if (reply.type === 'done') {
        this.registered.add(plan.id);
        this.ports.onRegistered(plan);
        if (intent === 'drain') this.end(plan.id, 'drain', () => {});
        return;
      }
      this.note(reply, `service ${plan.name} at ${vip}`);
      this.later('service-retry', this.retryPause(), () => {
        if (this.lease?.vip === vip && !this.registered.has(plan.id)) this.register(plan, vip);
      });
    });
  }

  private renewAtHalf({ vip, duration }: Lease): void {
    this.later('lease-renewal', Math.max(LEAST_RENEWAL, duration * 500), () =>
      this.requests?.ask({ type: 'lease-renew', vip }, reply => {
        if (reply.type === 'lease') return this.granted(reply.lease);
        this.registered.clear();
        this.request(vip);
      }),
    );
  }

  private lose(lease: Lease): void {
    this.lease = undefined;
    this.registered.clear();
    this.ports.emit({ type: 'lease', change: 'lost', lease });
  }

  private note(reply: Reply, what: string): void {
    if (reply.type === 'refused')
      this.ports.emit({ type: 'refused', what, code: reply.code, sentence: reply.sentence });
  }

  private retryPause(): number {
    return Math.min(RETRY.longest, RETRY.first * 2 ** this.refusals++);
  }

  private later(name: string, delay: number, run: () => void): void {
    const timer = this.ports.clock.after(name, delay, () => {
      this.timers = this.timers.filter(entry => entry !== timer);
      run();
    });
    this.timers.push(timer);
  }
}
