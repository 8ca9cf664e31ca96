/**
 * What the registry decides by: the parts of the manager's configuration that are rules, as plain values.
 */
import type { Address, Family } from '../../sdk/wire/address.ts';
import type {
  CheckKind,
  ForwardMode,
  ManagerId,
  Scheduler,
  ServerId,
  Service,
} from '../../sdk/wire/model.ts';
import type { Millis } from './state.ts';

/** A run of addresses, both ends included, as unsigned integers of the family's width. */
export interface PoolRange {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
}

/** A pre-planned VIP: kept out of what is leased on request, and given to its holder alone. */
export interface StaticVip {
  readonly vip: Address;
  /** Who may hold it: a server's name or identity; undefined = any that its certificate lets. */
  readonly holder: string | undefined;
}

/** RFC 2439 §4.2: all in units of one fall = 1000. */
export interface Damping {
  readonly suppress: number;
  readonly reuse: number;
  readonly halfLife: Millis;
  /** No penalty grows beyond it. */
  readonly ceiling: number;
}

export interface RegistryConfig {
  readonly manager: ManagerId;
  readonly name: string;
  readonly software: string;
  readonly pools: readonly PoolRange[];
  readonly statics: readonly StaticVip[];
  /** Length of a lease in seconds. */
  readonly leaseDuration: number;
  /** The interval of heartbeats: between `least` and `most`, and never under `perServer` for each server that is known. */
  readonly heartbeat: {
    readonly default: Millis;
    readonly least: Millis;
    readonly most: Millis;
    readonly perServer: Millis;
  };
  /** How long restored registrations wait for their servers after a restart. */
  readonly grace: Millis;
  /** How long a server that is lost stays listed. */
  readonly forget: Millis;
  /** undefined = no damping. */
  readonly damping: Damping | undefined;
  readonly limits: {
    readonly servers: number;
    readonly servicesPerServer: number;
    readonly leasesPerServer: number;
  };
  readonly roaming: {
    /** VIPs outside the pools that are taken up with a valid lease, if the server's certificate permits them; undefined = all. */
    readonly vips: readonly PoolRange[] | undefined;
    /** Managers that are listened to, and bindings that are kept of all of them together. */
    readonly peers: number;
    readonly bindings: number;
  };
  /** What the drivers can do. */
  readonly modes: readonly ForwardMode[];
  readonly schedulers: readonly Scheduler[];
  readonly checks: readonly CheckKind[];
  /** Why the data plane cannot carry a service although it has its mode and scheduler, in a sentence; undefined when it can. */
  readonly cannotCarry?: (service: Service) => string | undefined;
}

/** Whether a static entry is meant for this server. */
export const isFor = (entry: StaticVip, server: { readonly id: ServerId; readonly name: string }): boolean =>
  entry.holder === undefined || entry.holder === server.id || entry.holder === server.name;
