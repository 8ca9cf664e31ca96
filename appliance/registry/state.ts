/**
 * All that a manager knows, as one immutable value. Only reduce.ts makes new ones; nothing here touches the outside.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { Lease, ManagerId, Report, ServerId, Service, ServiceState } from '../../sdk/wire/model.ts';
import type { BindingKey, Elsewhere } from './elsewhere.ts';
import type { Table } from './table.ts';

/** ms on the monotonic clock, given to reduce with each event. */
export type Millis = number;

/** One registration connection; never reused within a run of the daemon. */
export type SessionId = string & { readonly __brand: 'SessionId' };

/** `server/service`: one service of one server. */
export type ServiceKey = string & { readonly __brand: 'ServiceKey' };

export const serviceKey = (server: ServerId, service: number): ServiceKey =>
  `${server}/${service}` as ServiceKey;

/** Why something is as it is: a stable code for metrics and tests, a sentence for people. */
export interface Reason {
  readonly code: string;
  readonly sentence: string;
}

/** The manager's own check of a service, after rise and fall were counted. */
export interface Verdict {
  readonly outcome: 'unknown' | 'pass' | 'fail';
  readonly reason: Reason;
  readonly since: Millis;
}

/** RFC 2439 §4: a penalty that each fall adds to and time halves. */
export interface Flap {
  readonly penalty: number;
  readonly at: Millis;
  /** Time in which it halves. */
  readonly halfLife: Millis;
  readonly suppressed: boolean;
}

export interface ServiceRecord {
  readonly key: ServiceKey;
  readonly server: ServerId;
  readonly spec: Service;
  /** The server's unique address of the VIP's family, the first that it gave. */
  readonly address: Address;
  readonly verdict: Verdict;
  /** Which of the manager's rounds of checks its own is of: what was found in an earlier one is no verdict any more. */
  readonly round: number;
  readonly report:
    | (Report & {
        readonly at: Millis;
        /** Connections, weighted over time. */
        readonly average: number;
        /** Not its server's word: what the data plane counts, for want of that (counts.ts). */
        readonly counted?: true;
      })
    | undefined;
  /** What was asked of it: serve, drain, or drain and then go. */
  readonly intent: 'serve' | 'drain' | 'withdraw';
  readonly flap: Flap;
  readonly state: ServiceState;
  readonly reason: Reason;
  readonly since: Millis;
  /** The state that its server was last told; `up` is told only when the route is out (design: Order, always). */
  readonly told: ServiceState | undefined;
}

export interface ServerRecord {
  readonly id: ServerId;
  readonly name: string;
  readonly addresses: readonly Address[];
  readonly epoch: number;
  /** Its live connection; undefined while it is lost (or not yet back after a restart of the manager). */
  readonly session: SessionId | undefined;
  /** When `session` last changed, and why it was lost. */
  readonly since: Millis;
  readonly lost: Reason | undefined;
  /** Restored after a restart of the manager and not yet back: its services keep their state until `since` + grace. */
  readonly recovering: boolean;
  /** It was lost here, and is back. */
  readonly returned?: true;
  /** By what DHCP knows it, as was seen here: hints, no proofs. */
  readonly hosts?: readonly Uint8Array[];
  /** Another manager has it now: what is left of it here goes as soon as no route leads to it. */
  readonly moved?: { readonly manager: ManagerId; readonly epoch: number };
  readonly services: ReadonlyMap<number, ServiceRecord>;
}

/**
 * Why a server left a VIP, where its flows may live on: it `moved` to another manager, or it is `lost` (silent, and the VIP is its
 * alone: it may be on its way).
 */
export interface Parting {
  readonly why: 'moved' | 'lost';
  readonly at: Millis;
}

export interface LeaseRecord {
  /** Without its signature: Ed25519 is deterministic, so it is signed anew whenever it is sent. */
  readonly lease: Lease;
  /** The service name that it was asked for. */
  readonly service: string;
  readonly expires: Millis;
}

/** What the drivers said that they really reached. */
export interface Reached {
  /** VIPs whose route is out, and with what metric. */
  readonly routes: Table<Address, number>;
  /** Farm key → how many members the data plane really has in it. */
  readonly farms: Table<string, number>;
}

export interface State {
  readonly servers: Table<ServerId, ServerRecord>;
  readonly sessions: Table<SessionId, ServerId>;
  /** Keyed by VIP, then by holder: a shared VIP has several. */
  readonly leases: Table<Address, ReadonlyMap<ServerId, LeaseRecord>>;
  /** The VIPs that each server holds a lease of. */
  readonly holdings: Table<ServerId, readonly Address[]>;
  /** The services of each VIP. */
  readonly vips: Table<Address, ReadonlyMap<ServiceKey, ServiceRecord>>;
  readonly reached: Reached;
  /** Servers without a session, and services suppressed by damping: what a tick has to look at. */
  readonly lost: Table<ServerId, true>;
  readonly damped: Table<ServiceKey, true>;
  readonly elsewhere: Elsewhere;
  /** Of servers that left a VIP a short while ago. Who is not in it is dead or was withdrawn, and so are its flows. */
  readonly partings: Table<BindingKey, Parting>;
  /** Rounds of checks so far: one more whenever some of them begin anew. */
  readonly rounds: number;
  /** The daemon is stopping: everything is to be withdrawn. */
  readonly stopping: boolean;
}
