/**
 * The messages, as values (docs/protocol.md §5 and §7). Their bytes: registration.ts and anycast.ts.
 */
import type { Address } from './address.ts';
import type {
  AnsweredServer,
  Lease,
  ManagerId,
  Report,
  Selector,
  ServerId,
  Service,
  ServiceState,
} from './model.ts';

/** The protocol version that this code speaks best, and the oldest that it still does. */
export const VERSION = { newest: 1, oldest: 1 } as const;

/** Codes of `refused` (docs/protocol.md, Error codes). Stable: never renumbered. */
export const REFUSAL = {
  malformed: 1,
  'unknown-mandatory': 2,
  version: 3,
  'not-registered': 4,
  'not-permitted': 5,
  'vip-taken': 6,
  'pool-exhausted': 7,
  'no-lease': 8,
  'lease-invalid': 9,
  'lease-foreign': 10,
  limit: 11,
  'invalid-service': 12,
  'unsupported-mode': 13,
  'unsupported-check': 14,
  conflict: 15,
  'shutting-down': 16,
  'unknown-service': 17,
  internal: 18,
  'epoch-stale': 19,
  'out-of-order': 20,
} as const;
export type RefusalCode = keyof typeof REFUSAL;

/** From a server to its manager. `transaction` 1…2^32-1 is echoed in the answer. */
export type ServerMessage =
  | {
      readonly type: 'register';
      readonly transaction: number;
      readonly versions: readonly [oldest: number, newest: number];
      /** Who it claims to be; with TLS it must be the certificate's key. */
      readonly server: ServerId;
      readonly name: string;
      /** Unique addresses at which the manager can reach it, best first, 1…8. */
      readonly addresses: readonly Address[];
      readonly epoch: number;
      /** Heartbeat interval that it wishes, ms, 10…60,000; 0 = the manager's default. */
      readonly heartbeat: number;
      /** Leases that it holds already. */
      readonly leases: readonly Lease[];
      readonly software: string;
    }
  | {
      readonly type: 'lease-request';
      readonly transaction: number;
      readonly vip?: Address;
      readonly family: 4 | 6;
      readonly shared: boolean;
      readonly service: string;
    }
  | { readonly type: 'lease-renew'; readonly transaction: number; readonly vip: Address }
  | { readonly type: 'lease-release'; readonly transaction: number; readonly vip: Address }
  | { readonly type: 'register-service'; readonly transaction: number; readonly service: Service }
  | { readonly type: 'drain-service'; readonly transaction: number; readonly service: number }
  | { readonly type: 'withdraw-service'; readonly transaction: number; readonly service: number }
  | { readonly type: 'deregister'; readonly transaction: number }
  | { readonly type: 'report'; readonly reports: readonly Report[] }
  /** The manager's: from now on heartbeats come this often, ms; the server's: they do. */
  | { readonly type: 'pace'; readonly heartbeat: number }
  | { readonly type: 'heartbeat'; readonly sequence: number };

/** From a manager to a server. */
export type ManagerMessage =
  | {
      readonly type: 'registered';
      readonly transaction: number;
      readonly version: number;
      readonly manager: ManagerId;
      /** At most 63 bytes. */
      readonly name: string;
      /** Both sides send a heartbeat this often, ms, unless they sent something else; three silent intervals end the session. */
      readonly heartbeat: number;
      readonly software: string;
    }
  | { readonly type: 'lease'; readonly transaction: number; readonly lease: Lease }
  /** Done: answers lease-release, register-service, drain-service, withdraw-service, deregister. */
  | { readonly type: 'done'; readonly transaction: number }
  | {
      readonly type: 'refused';
      readonly transaction: number;
      readonly code: RefusalCode;
      readonly sentence: string;
    }
  /** What the manager decided of a service: after each change, unasked. */
  | {
      readonly type: 'service-state';
      readonly service: number;
      readonly state: ServiceState;
      readonly score: number;
      readonly reason: string;
    }
  /** The manager's: from now on heartbeats come this often, ms; the server's: they do. */
  | { readonly type: 'pace'; readonly heartbeat: number }
  | { readonly type: 'heartbeat'; readonly sequence: number };

export type RegistrationMessage = ServerMessage | ManagerMessage;

/** Anycast ARP, and finding a manager: datagrams (UDP) or frames (ARP, opcodes 24 and 25). */
export type AnycastMessage =
  | {
      readonly type: 'query';
      /** 8 bytes, fresh for each query; echoed. */
      readonly nonce: Uint8Array;
      /** The anycast address or the service's name, or neither (all services). */
      readonly vip?: Address;
      readonly name?: string;
      readonly selector: Selector;
      /** How many servers are wanted, 1…255; 0 = all. */
      readonly want: number;
      /** Whether the answer must be signed. */
      readonly signed: boolean;
      /** What an earlier `cookie` message gave (RFC 7873's way), 8…32 bytes. */
      readonly cookie?: Uint8Array;
      /** Zero bytes that make the query as large as the answer may be without a cookie (UDP only). */
      readonly padding: number;
    }
  | {
      readonly type: 'answer';
      readonly nonce: Uint8Array;
      readonly manager: ManagerId;
      readonly vip?: Address;
      /** Part `part` (from 1) of `parts`. */
      readonly part: number;
      readonly parts: number;
      /** For how long the answer holds, ms. */
      readonly validity: number;
      /** Matching servers that were left out, because of `want` or a limit; absent = none. */
      readonly omitted?: number;
      readonly servers: readonly AnsweredServer[];
      /** Ed25519 by the manager over everything before it; absent unless asked. */
      readonly signature?: Uint8Array;
    }
  /** Prove your address first: ask again with this cookie. */
  | { readonly type: 'cookie'; readonly nonce: Uint8Array; readonly cookie: Uint8Array }
  /** A refused query: malformed selector, unknown mandatory element, or limits. */
  | {
      readonly type: 'query-refused';
      readonly nonce: Uint8Array;
      readonly code: RefusalCode;
      readonly sentence: string;
    }
  /** Multicast by an agent that looks for a manager. */
  | {
      readonly type: 'solicit';
      readonly nonce: Uint8Array;
      readonly versions: readonly [oldest: number, newest: number];
      /** Zero bytes, so that the invitation is never longer; absent when encoding = as many as are needed. */
      readonly padding?: number;
    }
  /** A manager's unicast answer to it, or an unasked invitation (nonce zero). */
  | {
      readonly type: 'invite';
      readonly nonce: Uint8Array;
      readonly manager: ManagerId;
      readonly name: string;
      readonly address: Address;
      readonly port: number;
      readonly tls: boolean;
    };

/** Well-known numbers of docs/protocol.md §2; all configurable, these are the defaults. */
export const WELL_KNOWN = {
  /** TCP port of registration. */
  registrationPort: 9746,
  /** ALPN protocol name of registration over TLS (RFC 7301). */
  alpn: 'bivouac/1',
  /** UDP port of anycast ARP and of solicitations. */
  anycastPort: 9747,
  /** Multicast groups of solicitations: administratively scoped, RFC 2365; link-local scope in IPv6. */
  solicitGroup4: '239.255.79.46' as Address,
  solicitGroup6: 'ff02::4f46' as Address,
  /** RFC 5494: OP_EXP1, OP_EXP2. */
  arpQuery: 24,
  arpAnswer: 25,
} as const;
