/**
 * The agent: registers this host's services through the SDK, makes their VIPs usable here, reports how they are, and takes
 * everything away again when it goes.
 */

import { portRanges } from '../../sdk/client/question.ts';
import { Registration } from '../../sdk/server/register.ts';
import type { ServicePlan } from '../../sdk/server/service.ts';
import type { Environment, Identity } from '../../sdk/transport/environment.ts';
import type { Address } from '../../sdk/wire/address.ts';
import type { Lease, Report } from '../../sdk/wire/model.ts';
import type {
  Clock,
  Exec,
  Files,
  FollowSurroundings,
  Log,
  Millis,
  Timer,
  WatchDirectories,
} from '../host/ports.ts';
import { ArpBehaviour } from './arp.ts';
import type { AgentConfig } from './config.ts';
import { Follower } from './follower.ts';
import { Ledger } from './ledger.ts';
import { LocalChecker } from './local-check.ts';
import { Loopback } from './loopback.ts';
import { countConnections, loadOf, type Place } from './usage.ts';

export interface AgentPorts {
  readonly clock: Clock;
  readonly exec: Exec;
  readonly files: Files;
  readonly log: Log;
  /** For the SDK: the network, chance, DNS and the host's addresses. */
  readonly environment: Environment;
  /** Where this host is; absent: it is found out only when the manager is lost. */
  readonly surroundings?: FollowSurroundings;
  /** Directories where DHCP clients leave their notes. */
  readonly watch?: WatchDirectories;
}

/** How often draining is looked at. */
const DRAIN_LOOK: Millis = 250;
/** How long what is to be remembered may wait. */
const REMEMBER: Millis = 100;
/** Reading the sockets of a busy host takes time: at most this share of it is spent so. */
const SAMPLING_SHARE = 0.05;

const needsVip = (plan: ServicePlan): boolean =>
  plan.forward.mode === 'direct' || plan.forward.mode === 'tunnel';

export class Agent {
  readonly registration: Registration;
  private readonly config: AgentConfig;
  private readonly ports: AgentPorts;
  private readonly ledger: Ledger;
  private readonly follower: Follower;
  private readonly loopback: Loopback;
  private readonly arp: ArpBehaviour;
  private readonly checkers: readonly (LocalChecker | undefined)[];
  /** Service id → its VIP, while it is on loopback. */
  private readonly vips = new Map<number, Address>();
  private connections: readonly number[];
  private sampling: Timer | undefined;
  private remembering: Timer | undefined;
  private draining = false;
  private hurried: (() => void) | undefined;
  private stopping: Promise<void> | undefined;

  /** Throws BivouacError for a certificate that cannot be read. Changes nothing before start(). */
  constructor(config: AgentConfig, tls: Identity | undefined, ports: AgentPorts) {
    const { files, exec, log, clock, environment } = ports;
    this.config = config;
    this.ports = ports;
    this.ledger = new Ledger(files, config.state, log);
    this.arp = new ArpBehaviour(files, exec, this.ledger, log);
    this.connections = config.services.map(() => 0);
    this.follower = new Follower(ports, config.manager, () =>
      this.registration.memory().leases.map(({ lease }) => lease.vip),
    );
    this.loopback = new Loopback(exec, this.ledger, log, () => this.follower.onLoopback());
    this.registration = new Registration({
      environment,
      services: config.services,
      manager: this.follower.find,
      install: (lease, services) => this.install(lease, services),
      ...(config.name !== undefined && { name: config.name }),
      ...(tls && { tls }),
      ...(config.addresses.length > 0 && { addresses: config.addresses }),
      ...(config.heartbeat !== undefined && { heartbeat: config.heartbeat }),
      ...(this.ledger.memory && { memory: this.ledger.memory }),
    });
    this.checkers = config.services.map(({ local, ports: at, targetPort }, index) => {
      const port = targetPort ?? portRanges(at)[0]!.first;
      const target = () => ({ address: this.vips.get(index + 1) ?? ('127.0.0.1' as Address), port });
      return (
        local &&
        new LocalChecker(local, target, { clock, exec, net: environment.net }, (passing, reason) => {
          log(passing ? 'notice' : 'warning', 'local-check', {
            service: config.services[index]!.name,
            passing,
            reason,
          });
          this.report();
        })
      );
    });
    this.listen();
  }

  async start(): Promise<void> {
    for (const { name, chosen } of this.config.services)
      if (chosen !== undefined) this.ports.log('info', 'agent-forward', { service: name, ...chosen });
    const wanted = this.ledger.memory?.leases.map(({ lease }) => lease.vip) ?? [];
    await this.loopback.adopt(wanted);
    await this.follower.start(this.registration);
    this.registration.start();
    for (const checker of this.checkers) checker?.start();
    this.sample();
  }

  /**
   * Drains, waits for the connections to end (at most `config.drain`), deregisters, and takes away what was installed. A second
   * call ends the wait.
   */
  stop(): Promise<void> {
    this.hurried?.();
    this.stopping ??= this.leave();
    return this.stopping;
  }

  private async leave(): Promise<void> {
    const { log } = this.ports;
    this.draining = true;
    log('notice', 'agent-draining', { connections: this.total(), wait: this.config.drain });
    if (this.registration.state === 'registered') {
      this.report();
      await this.registration.drain();
      await this.drained();
    }
    for (const checker of this.checkers) checker?.stop();
    this.sampling?.cancel();
    this.follower.stop();
    await this.registration.stop();
    this.remembering?.cancel();
    this.ledger.remember(this.registration.memory());
    await this.loopback.clear();
    await this.arp.restore();
    log('notice', 'agent-stopped', { connections: this.total() });
  }

  private drained(): Promise<void> {
    const { clock } = this.ports;
    const until = clock.now() + this.config.drain;
    return new Promise(resolve => {
      let timer: Timer | undefined;
      this.hurried = () => {
        timer?.cancel();
        resolve();
      };
      const look = (): void => {
        this.measure();
        this.report();
        if (this.total() === 0 || clock.now() >= until) resolve();
        else timer = clock.after('drain', Math.min(DRAIN_LOOK, until - clock.now()), look);
      };
      look();
    });
  }

  private async install({ vip }: Lease, services: readonly ServicePlan[]): Promise<void> {
    const here = services.filter(needsVip);
    if (here.length === 0) return;
    if (!vip.includes(':')) await this.arp.apply();
    await this.loopback.install(vip);
    for (const { id } of here) this.vips.set(id, vip);
  }

  private sample(): void {
    const { clock } = this.ports;
    const began = clock.now();
    this.measure();
    this.report();
    const pause = Math.max(this.config.report, (clock.now() - began) / SAMPLING_SHARE);
    this.sampling = clock.after('sample', pause, () => this.sample());
  }

  private measure(): void {
    const places = this.config.services.map(({ ports: at, targetPort, transport }, index): Place => {
      if (transport !== undefined && transport !== 'tcp') return { ports: [], address: undefined };
      return { ports: portRanges(targetPort ?? at), address: this.vips.get(index + 1) };
    });
    const read = (path: string): string => this.ports.files.read(path) ?? '';
    this.connections = countConnections(read('/proc/net/tcp'), read('/proc/net/tcp6'), places);
  }

  private report(): void {
    const read = (path: string): string => this.ports.files.read(path) ?? '';
    const load = loadOf(read('/proc/loadavg'), read('/sys/devices/system/cpu/online'));
    const reports = this.connections.map((connections, index): Report => {
      const failing = this.checkers[index]?.passing === false;
      return {
        service: index + 1,
        state: failing ? 'down' : this.draining ? 'draining' : 'up',
        connections,
        load,
      };
    });
    this.registration.report(...reports);
  }

  private total(): number {
    return this.connections.reduce((sum, count) => sum + count, 0);
  }

  private listen(): void {
    const { log } = this.ports;
    this.registration
      .on('state', ({ state, reason, manager }) => {
        log(state === 'registered' ? 'notice' : 'debug', `agent-${state}`, {
          reason,
          ...(manager && { manager: `${manager.address}:${manager.port}` }),
        });
        if (state === 'registered') this.remember();
      })
      .on('lease', ({ change, lease }) => {
        log(change === 'lost' ? 'warning' : change === 'granted' ? 'notice' : 'debug', `lease-${change}`, {
          vip: lease.vip,
          seconds: lease.duration,
        });
        // What is new must outlive this process: the next one takes the VIP over by it. A renewal may wait, and a move is one.
        if (change === 'renewed') this.remember();
        else this.ledger.remember(this.registration.memory());
        if (change === 'lost') this.give(lease.vip);
      })
      .on('service', ({ name, vip, state, score, reason }) =>
        log('notice', 'service-state', { name, vip, state, score, reason }),
      )
      .on('moved', ({ from, to, madeBeforeBroken, took }) =>
        log('notice', 'agent-moved', {
          from: `${from.address}:${from.port}`,
          to: `${to.address}:${to.port}`,
          madeBeforeBroken,
          took: Math.round(took * 10) / 10,
        }),
      )
      .on('lost', ({ reason, retryIn }) =>
        log('warning', 'manager-lost', { reason, retryIn: Math.round(retryIn) }),
      )
      .on('refused', ({ what, code, sentence }) => log('error', 'refused', { what, code, sentence }));
  }

  /** Soon, not now: the disk takes longer than the rest of a move, and an epoch or lease that is lost with this process is had again. */
  private remember(): void {
    this.remembering ??= this.ports.clock.after('remember', REMEMBER, () => {
      this.remembering = undefined;
      this.ledger.remember(this.registration.memory());
    });
  }

  private give(vip: Address): void {
    // Two leases may be of one VIP: it stays for as long as one of them does.
    if (this.registration.memory().leases.some(({ lease }) => lease.vip === vip)) return;
    for (const [id, held] of this.vips) if (held === vip) this.vips.delete(id);
    this.loopback
      .remove(vip)
      .catch((error: Error) => this.ports.log('error', 'vip-not-removed', { vip, error: error.message }));
  }
}
