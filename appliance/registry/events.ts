/**
 * What can happen to a manager, as values: the only input of reduce.ts besides the time.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { ServerMessage } from '../../sdk/wire/messages.ts';
import type { Binding, ManagerId, ServerId } from '../../sdk/wire/model.ts';
import type { Counts } from './counts.ts';
import type { Kept } from './elsewhere.ts';
import type { LeaseRecord, Reached, Reason, ServerRecord, ServiceKey, SessionId } from './state.ts';

/** What a session's certificate lets it claim; `undefined` anywhere = no limit (plain TCP, when the configuration allows it). */
export interface Claims {
  /** From the certificate's key. */
  readonly server: ServerId | undefined;
  /** DNS names, `*.` matching one or more labels. */
  readonly names: readonly string[] | undefined;
  /** Prefixes or single addresses (as /32, /128). */
  readonly vips: readonly string[] | undefined;
  /** `tcp/80`, `udp/5000-5100`, `*`. */
  readonly ports: readonly string[] | undefined;
}

/** What registers a service. */
export type ServiceRegistration = Extract<ServerMessage, { type: 'register-service' }>;

/** A VIP of this manager that was a server's at another. */
export interface KeptVip extends Pick<Kept, 'server' | 'shared'> {
  readonly vip: Address;
}

export type Event =
  /** A message of a session; the session exists from its first one. Heartbeats are not passed on. */
  | {
      readonly type: 'message';
      readonly session: SessionId;
      readonly claims: Claims;
      readonly peer: Address;
      readonly message: ServerMessage;
    }
  /** Registrations of services that came together, in their order: as if each came by itself. */
  | {
      readonly type: 'services';
      readonly session: SessionId;
      readonly claims: Claims;
      readonly messages: readonly ServiceRegistration[];
    }
  /** A session ended: closed, silent for three heartbeats, or over a budget. */
  | { readonly type: 'session-ended'; readonly session: SessionId; readonly reason: Reason }
  /** The manager's own check changed its mind about a service. */
  | {
      readonly type: 'verdict';
      readonly service: ServiceKey;
      readonly outcome: 'pass' | 'fail';
      readonly reason: Reason;
    }
  /** A driver finished: what it really reached. */
  | { readonly type: 'reached'; readonly routes?: Reached['routes']; readonly farms?: Reached['farms'] }
  /** The data plane has counted connections. */
  | { readonly type: 'counted'; readonly connections: Counts }
  /** At the start: what was stored before a restart. */
  | {
      readonly type: 'restored';
      readonly leases: readonly LeaseRecord[];
      readonly servers: readonly ServerRecord[];
      /** Whose VIPs were elsewhere; absent = none. */
      readonly kept?: readonly KeptVip[];
    }
  | HeardEvent
  /** DHCP showed by what a registered server's host is known: hints for peers, at most 4 of 1…32 bytes each. */
  | {
      readonly type: 'host-seen';
      readonly server: ServerId;
      readonly hosts: readonly Uint8Array[];
    }
  /** Time passed: leases and waits are looked at. */
  | { readonly type: 'tick' }
  /** SIGTERM: withdraw everything. */
  | { readonly type: 'stop' };

/** What other managers say, already found to be authentic, and in the order in which each of them said it. */
export type HeardEvent =
  | {
      readonly type: 'heard';
      readonly manager: ManagerId;
      readonly name: string;
      readonly addresses: readonly Address[];
      /** New, or changed. */
      readonly bindings: readonly Binding[];
      readonly gone: readonly { readonly vip: Address; readonly server: ServerId }[];
      /** `bindings` is all that the manager has: what is not in it is gone. */
      readonly complete: boolean;
    }
  /** Its refreshes are missed: it may be cut off, or dead. */
  | { readonly type: 'peer-silent'; readonly manager: ManagerId }
  /** It took its leave, or was silent for too long. */
  | { readonly type: 'peer-gone'; readonly manager: ManagerId };
