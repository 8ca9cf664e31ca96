/**
 * The messages, as values (docs/protocol.md §5, §7 and Notices). Their bytes: registration.ts, anycast.ts, notices.ts.
 */
import type { Address } from './address.ts';
import type {
  AnsweredManager,
  AnsweredServer,
  Binding,
  Lease,
  ManagerId,
  Offer,
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
      /** Certificates (X.509, DER, ≤ 2048 bytes each, 0…8) of the managers that issued them; absent = none. */
      readonly certificates?: readonly Uint8Array[];
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
  | {
      readonly type: 'deregister';
      readonly transaction: number;
      /** It goes on at another manager; absent = it stops. */
      readonly elsewhere?: true;
    }
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
  /** The server's lease of the VIP is no longer good, unasked: it removes the VIP (docs/protocol.md §6.3). */
  | {
      readonly type: 'lease-revoked';
      readonly vip: Address;
      readonly code: RefusalCode;
      readonly sentence: string;
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
      /** A GSLB's answer: whom to ask, best first. Then there are no servers. */
      readonly managers?: { readonly list: readonly AnsweredManager[] };
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

/** A binding as a notice has it; of one that is gone only `vip`, `server` and `epoch` count. */
export interface NoticedBinding extends Binding {
  readonly gone: boolean;
}

/** An offer as a notice has it; of one that is gone only what names it counts. */
export interface NoticedOffer extends Offer {
  readonly gone: boolean;
}

/** Who sends a notice, and where it is reached. */
export interface Speaker {
  readonly manager: ManagerId;
  /** At most 63 bytes. */
  readonly name: string;
  /** Its unique addresses, best first, at most 8; none: where its messages come from. */
  readonly addresses: readonly Address[];
  /** UDP port of anycast ARP and polls. */
  readonly anycastPort: number;
  /** TCP port of registration. */
  readonly port: number;
  readonly tls: boolean;
}

/** Between managers, and from managers to GSLBs: datagrams (docs/protocol.md, Notices). */
export type NoticeMessage =
  /** What changed after change `since`, up to and with change `change`. */
  | (Speaker & {
      readonly type: 'notice';
      /** Counts the manager's starts, 1…2^48-1. */
      readonly boot: number;
      readonly since: number;
      readonly change: number;
      /** 8 bytes: that of the repair which it answers, or of the image that it is part of; absent when unasked. */
      readonly nonce?: Uint8Array;
      /** The answer, or image, tells the whole table, from change 0 on: what it does not tell is gone. */
      readonly whole: boolean;
      readonly bindings: readonly NoticedBinding[];
      readonly offers: readonly NoticedOffer[];
      /** Ed25519 by the manager over everything before it; put on by `appendSignature`. */
      readonly signature?: Uint8Array;
    })
  /** A sign of life that tells the newest change; also the answer to a repair without a right cookie. */
  | (Speaker & {
      readonly type: 'refresh';
      readonly boot: number;
      readonly change: number;
      readonly nonce?: Uint8Array;
      readonly cookie?: Uint8Array;
      /** DER of the manager's certificate; with a nonce. */
      readonly certificate?: Uint8Array;
      /** Counts refreshes within a boot, so that an old one is no sign of life. */
      readonly beat: number;
      /** Silent for so long (ms), the manager is held for lost. */
      readonly validity: number;
      /** Entries in its table that are not gone. */
      readonly entries: number;
      /** It stops: its bindings and offers are no more. */
      readonly gone: boolean;
      /** 8 bytes: the nonce of the notices in which OSPF's database holds the whole table; absent = it does not. */
      readonly image?: Uint8Array;
      readonly signature?: Uint8Array;
    })
  /** Asks a manager, or everybody, for what changed after change `since` of `boot`. */
  | {
      readonly type: 'repair';
      readonly nonce: Uint8Array;
      readonly cookie?: Uint8Array;
      /** Who is asked; absent = everybody who hears it. */
      readonly manager?: ManagerId;
      /** What is known: absent = nothing. */
      readonly boot?: number;
      readonly since: number;
      /** DER of the asker's certificate. */
      readonly certificate: Uint8Array;
      /** Zero bytes, so that no answer to a stranger is longer. */
      readonly padding: number;
      readonly signature?: Uint8Array;
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
  /** UDP port and multicast groups of notices: administratively scoped, RFC 2365; site-local scope in IPv6. */
  noticePort: 9748,
  noticeGroup4: '239.255.79.47' as Address,
  noticeGroup6: 'ff05::4f47' as Address,
  /** RFC 5494: OP_EXP1, OP_EXP2. */
  arpQuery: 24,
  arpAnswer: 25,
} as const;
