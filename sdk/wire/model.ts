/**
 * What the messages speak of: the typed elements that registration, anycast ARP and notices share (docs/protocol.md §4).
 */
import type { Address } from './address.ts';

/** A server's identity: SHA-256 of its public key's SPKI (DER) in lower-case hex, 64 digits. Never an IP address. */
export type ServerId = string & { readonly __brand: 'ServerId' };

/** A manager's identity, made like a ServerId. */
export type ManagerId = string & { readonly __brand: 'ManagerId' };

/** IANA protocol numbers of the transports. */
export const TRANSPORT = { tcp: 6, udp: 17, sctp: 132 } as const;
export type Transport = keyof typeof TRANSPORT;

/** Ports `first`…`last`, both included, 1…65535. A single port has first === last. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** How a service is to be forwarded. `none`: never load balanced, only found by anycast ARP. */
export type ForwardMode = 'nat' | 'direct' | 'tunnel' | 'redirect' | 'none';
/** `wlc`: fewest connections for its weight; `maglev`: by the client's address, and hardly anybody moves when servers come and go. */
export type Scheduler = 'wrr' | 'source-hash' | 'wlc' | 'maglev';

export interface Forward {
  readonly mode: ForwardMode;
  readonly scheduler: Scheduler;
  /** How long after its last packet a client stays with its server, in seconds; 0 = no affinity. */
  readonly affinity: number;
  /** Bits of its address, from the left, that make a client, 1…128; absent = all of them. Only with affinity. */
  readonly affinityPrefix?: number;
  /** What makes a client beside its address; `sip`: the Call-ID (RFC 3261 §20.8), over UDP. Only with affinity. */
  readonly affinityBy?: 'sip';
}

export type CheckKind =
  | 'none'
  | 'tcp'
  | 'http'
  | 'https'
  | 'icmp'
  | 'dns'
  | 'udp'
  | 'tls'
  | 'h323'
  | 'sip'
  | 'exec';

/** How the manager is to check a service. */
export interface Check {
  readonly kind: CheckKind;
  /** Port on the server; 0 = the service's first (target) port. */
  readonly port: number;
  /** Milliseconds, 50…3,600,000. */
  readonly interval: number;
  /** Milliseconds, 10…60,000. */
  readonly timeout: number;
  /** Passes in a row that bring it up, 1…16. */
  readonly rise: number;
  /** Failures in a row that bring it down, 1…16. */
  readonly fall: number;
  /** http(s): path and query (default '/'). dns: name asked (default the service's). exec: the name of a program that the manager's configuration lists; never a path. */
  readonly target: string;
  /** http(s): text that the body must hold; '' = any. */
  readonly expectText: string;
  /** http(s): lowest and highest status that pass; 0, 0 = 200…399. */
  readonly expectStatus: readonly [number, number];
  /** udp: bytes sent, and bytes that the answer must begin with (empty = any answer). */
  readonly send: Uint8Array;
  readonly expect: Uint8Array;
}

/** A service as its server registers it. */
export interface Service {
  /** Chosen by the server, unique among its services, 1…2^32-1. */
  readonly id: number;
  /** DNS name, lower case, without the root dot, ≤ 253 bytes. */
  readonly name: string;
  readonly vip: Address;
  readonly transport: Transport;
  /** Ports on the VIP, 1…16 ranges, sorted, not overlapping. */
  readonly ports: readonly PortRange[];
  /** Port on the server that the first VIP port maps to; 0 = the same ports. Not 0 only in `nat` mode with a single port. */
  readonly targetPort: number;
  /** Application protocol: `http`, `dns`, `h323`…; lower-case letters, digits, `-`, `.`; 1…32. */
  readonly protocol: string;
  /** Share of new connections, 1…1000. */
  readonly weight: number;
  /** Connections that it can carry at once, 1…2^32-1; 0 = not said. */
  readonly capacity: number;
  readonly check: Check;
  readonly forward: Forward;
}

/** What a server says of one of its services (design §4.1). */
export type ReportedState = 'up' | 'draining' | 'down';

export interface Report {
  readonly service: number;
  readonly state: ReportedState;
  /** Established connections now. */
  readonly connections: number;
  /** Load of the host, 0…1000 (1000 = all of its processors busy). */
  readonly load: number;
}

/** The state of a server's service as its manager has decided it. */
export type ServiceState = 'pending' | 'up' | 'draining' | 'down' | 'damped';

/** A VIP bound to a server identity, signed by the manager that issued it (design §4.2). */
export interface Lease {
  readonly vip: Address;
  readonly server: ServerId;
  readonly issuer: ManagerId;
  /** Raised by the server each time it registers at another manager, 1…2^48-1. */
  readonly epoch: number;
  /** Length in seconds, counted from receipt: clocks need not agree. */
  readonly duration: number;
  /** Whether several servers may hold it at once (anycast VIP). */
  readonly shared: boolean;
  /** Ed25519 by the issuer over the lease's other elements (docs/protocol.md §6.1); empty only on plain TCP. */
  readonly signature: Uint8Array;
}

/** Where a VIP lives, as its manager tells its peers: of one server at one VIP (docs/protocol.md, Notices). */
export interface Binding {
  readonly vip: Address;
  readonly server: ServerId;
  /** The server's, as it registered at that manager: the greatest wins. */
  readonly epoch: number;
  readonly shared: boolean;
  /** By what DHCP knows the server: hardware addresses, client identifiers; 1…32 bytes each, at most 4. Hints, never proofs. */
  readonly hosts: readonly Uint8Array[];
}

/** What a manager offers clients of one service, over all of its servers (docs/protocol.md, Notices). */
export interface Offer {
  readonly name: string;
  readonly vip: Address;
  readonly transport: Transport;
  readonly ports: readonly PortRange[];
  readonly protocol: string;
  readonly mode: ForwardMode;
  /** 0…1000 (docs/protocol.md, Score). */
  readonly score: number;
  /** Servers that are up. */
  readonly servers: number;
  /** Sum of the weights of their services; absent: not told, 100 each. */
  readonly weight?: number;
}

/** Which services an anycast-ARP query asks for; an absent field is a wildcard. */
export interface Selector {
  readonly protocol?: string;
  readonly transport?: Transport;
  /** A service matches if it serves every port of one of these ranges; absent or empty = any port. At most 16. */
  readonly ports?: readonly PortRange[];
}

/** A service within an anycast-ARP answer. */
export interface AnsweredService {
  readonly name: string;
  readonly protocol: string;
  readonly transport: Transport;
  /** Ports at the server's unique address. */
  readonly ports: readonly PortRange[];
  /** 0…1000 (docs/protocol.md, Score). */
  readonly score: number;
}

/** One answer of a GSLB: a manager that holds what was asked for. */
export interface AnsweredManager {
  readonly manager: ManagerId;
  /** At most 63 bytes. */
  readonly name: string;
  /** Unique addresses of the manager, best first, 1…4. */
  readonly addresses: readonly Address[];
  /** UDP port at which it answers anycast ARP. */
  readonly anycastPort: number;
  /** Anycast addresses at which it has the services, 1…8. */
  readonly vips: readonly Address[];
  /** 0…1000. */
  readonly score: number;
}

/** One answer of a manager: a server and its unique address. */
export interface AnsweredServer {
  readonly address: Address;
  /** 0…1000, the greatest score of its services. */
  readonly score: number;
  readonly services: readonly AnsweredService[];
}
