/**
 * A registry to test with: its configuration, events of servers, and a model of the drivers that reach what is wanted.
 */

import { type Derived, derive } from '../../appliance/desired/derive.ts';
import type { RegistryConfig } from '../../appliance/registry/config.ts';
import type { Decision } from '../../appliance/registry/decision.ts';
import type { Claims, Event } from '../../appliance/registry/events.ts';
import { toInteger } from '../../appliance/registry/pool.ts';
import { reduce } from '../../appliance/registry/reduce.ts';
import { type ServiceKey, type SessionId, type State, serviceKey } from '../../appliance/registry/state.ts';
import { Table } from '../../appliance/registry/table.ts';
import { emptyState } from '../../appliance/registry/update.ts';
import { type Address, address } from '../../sdk/wire/address.ts';
import type { ServerMessage } from '../../sdk/wire/messages.ts';
import type { Check, ManagerId, ServerId, Service } from '../../sdk/wire/model.ts';

export const ANYTHING: Claims = { server: undefined, names: undefined, vips: undefined, ports: undefined };

export const registryConfig = (changes: Partial<RegistryConfig> = {}): RegistryConfig => ({
  manager: 'f'.repeat(64) as ManagerId,
  name: 'cell-a',
  software: 'test',
  pools: [{ family: 4, first: toInteger(address('10.255.0.0')), last: toInteger(address('10.255.0.255')) }],
  statics: [],
  leaseDuration: 3600,
  heartbeat: { default: 100, least: 10, most: 60_000, perServer: 0.2 },
  grace: 10_000,
  forget: 3_600_000,
  damping: undefined,
  limits: { servers: 1000, servicesPerServer: 16, leasesPerServer: 16 },
  roaming: { vips: undefined, peers: 64, bindings: 1000 },
  modes: ['nat', 'direct', 'none'],
  schedulers: ['wrr', 'source-hash'],
  checks: ['none', 'tcp'],
  ...changes,
});

export const serverId = (number: number): ServerId => number.toString(16).padStart(64, '0') as ServerId;

export const check = (changes: Partial<Check> = {}): Check => ({
  kind: 'tcp',
  port: 0,
  interval: 1000,
  timeout: 500,
  rise: 1,
  fall: 1,
  target: '',
  expectText: '',
  expectStatus: [0, 0],
  send: new Uint8Array(0),
  expect: new Uint8Array(0),
  ...changes,
});

export const service = (vip: Address, changes: Partial<Service> = {}): Service => ({
  id: 1,
  name: 'www.mission',
  vip,
  transport: 'tcp',
  ports: [{ first: 80, last: 80 }],
  targetPort: 0,
  protocol: 'http',
  weight: 100,
  capacity: 0,
  check: check(),
  forward: { mode: 'nat', scheduler: 'wrr', affinity: 0 },
  ...changes,
});

const DESIRED = { metric: () => 20, announce: true };

/** A manager's pure core, run by hand: events in, decisions out, drivers that reach what is wanted when told to. */
export class Registry {
  state: State = emptyState();
  derived: Derived;
  now = 0;
  readonly decisions: Decision[] = [];
  /** Services of which a check has said something. */
  readonly verdicts = new Set<ServiceKey>();
  readonly config: RegistryConfig;
  private transaction = 0;

  constructor(config: Partial<RegistryConfig> = {}) {
    this.config = registryConfig(config);
    this.derived = derive(this.state, DESIRED);
  }

  /** Feeds one event, `later` ms after the last, and gives the decisions that it brought. */
  feed(event: Event, later = 0): readonly Decision[] {
    this.now += later;
    const step = reduce(this.state, this.config, event, this.now);
    this.state = step.state;
    this.derived = derive(this.state, DESIRED, this.derived);
    this.decisions.push(...step.decisions);
    return step.decisions;
  }

  say(
    number: number,
    message: Partial<ServerMessage> & { type: ServerMessage['type'] },
    claims = ANYTHING,
  ): readonly Decision[] {
    const full = { transaction: ++this.transaction, ...message } as ServerMessage;
    return this.feed({
      type: 'message',
      session: sessionOf(number),
      claims,
      peer: address(`10.1.0.${number}`),
      message: full,
    });
  }

  register(number: number, epoch = 1, claims = ANYTHING): readonly Decision[] {
    return this.say(
      number,
      {
        type: 'register',
        versions: [1, 1],
        server: serverId(number),
        name: `s${number}`,
        addresses: [address(`10.1.0.${number}`)],
        epoch,
        heartbeat: 0,
        leases: [],
        software: 't',
      },
      claims,
    );
  }

  /** Registers, leases a shared VIP for `www.mission`, registers a web service on it; gives the VIP. */
  serve(number: number, changes: Partial<Service> = {}): Address {
    this.register(number);
    const name = changes.name ?? 'www.mission';
    const [granted] = this.say(number, { type: 'lease-request', family: 4, shared: true, service: name });
    const vip = granted!.vip!;
    this.say(number, { type: 'register-service', service: service(vip, changes) });
    return vip;
  }

  /** Registers a web service on a VIP that the server has. */
  offer(number: number, vip: Address, changes: Partial<Service> = {}): readonly Decision[] {
    return this.say(number, { type: 'register-service', service: service(vip, changes) });
  }

  verdict(number: number, outcome: 'pass' | 'fail', id = 1): readonly Decision[] {
    const key = serviceKey(serverId(number), id);
    this.verdicts.add(key);
    return this.feed({
      type: 'verdict',
      service: key,
      outcome,
      reason: { code: outcome, sentence: `check ${outcome}` },
    });
  }

  end(number: number): readonly Decision[] {
    return this.feed({
      type: 'session-ended',
      session: sessionOf(number),
      reason: { code: 'closed', sentence: 'its connection closed' },
    });
  }

  /** The data plane reaches what is wanted. */
  reachFarms(): readonly Decision[] {
    const { farms } = this.derived.wanted.dataplane;
    return this.feed({
      type: 'reached',
      farms: Table.from([...farms.values()].map(farm => [farm.key as string, farm.members.length])),
    });
  }

  /** Routing reaches what is wanted. */
  reachRoutes(): readonly Decision[] {
    return this.feed({ type: 'reached', routes: this.derived.wanted.routing.routes });
  }

  /** Both drivers, until nothing more is wanted. */
  settle(): void {
    for (let round = 0; round < 8; round++) {
      this.reachFarms();
      this.reachRoutes();
    }
  }
}

export const sessionOf = (number: number): SessionId => `session-${number}` as SessionId;
