/**
 * What a registration tells of itself.
 */
import type { Address } from '../wire/address.ts';
import type { RefusalCode } from '../wire/messages.ts';
import type { Lease, ManagerId, ServiceState } from '../wire/model.ts';

/** Where to register. */
export interface ManagerAddress {
  readonly address: Address;
  readonly port: number;
}

export const sameManager = (one: ManagerAddress, other: ManagerAddress): boolean =>
  one.address === other.address && one.port === other.port;

/**
 * - `idle` not started; `searching` for a manager; `connecting`, `registering` with one
 * - `registered`: the manager knows this server; each service's state comes as an event of its own
 * - `waiting` until the next attempt; `stopping`, `stopped`
 */
export type SessionState =
  | 'idle'
  | 'searching'
  | 'connecting'
  | 'registering'
  | 'registered'
  | 'waiting'
  | 'stopping'
  | 'stopped';

export interface StateEvent {
  readonly state: SessionState;
  readonly reason: string;
  /** The manager that this is about. */
  readonly manager: (ManagerAddress & { readonly id?: ManagerId; readonly name?: string }) | undefined;
}

export interface LeaseEvent {
  /** `lost`: the manager no longer grants it, and the VIP must go. A lease is kept while its manager is away. */
  readonly change: 'granted' | 'renewed' | 'lost';
  readonly lease: Lease;
}

export interface ServiceEvent {
  readonly id: number;
  readonly name: string;
  readonly vip: Address | undefined;
  readonly state: ServiceState;
  /** 0…1000. */
  readonly score: number;
  readonly reason: string;
}

export interface LostEvent {
  readonly reason: string;
  /** ms until the next attempt. */
  readonly retryIn: number;
}

export interface RefusedEvent {
  /** What was refused: `register`, `lease of …`, `service …`. */
  readonly what: string;
  readonly code: RefusalCode;
  readonly sentence: string;
}

/** The registration is at another manager, and its services are served there. */
export interface MovedEvent {
  readonly from: ManagerAddress;
  readonly to: ManagerAddress;
  /** Whether the former manager served until the new one did. */
  readonly madeBeforeBroken: boolean;
  /** ms from the first word that there is another place, or that the former manager is lost. */
  readonly took: number;
}

/** One event, by the name that listeners know it by. */
export type SessionEvent =
  | ({ readonly type: 'state' } & StateEvent)
  | ({ readonly type: 'lease' } & LeaseEvent)
  | ({ readonly type: 'service' } & ServiceEvent)
  | ({ readonly type: 'moved' } & MovedEvent)
  | ({ readonly type: 'lost' } & LostEvent)
  | ({ readonly type: 'refused' } & RefusedEvent);
