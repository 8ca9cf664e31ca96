/** What the notices' two halves are given, and what they give. */
import type { Address } from '../../sdk/wire/address.ts';
import type { FloodConfig } from '../flooding/flood.ts';
import type { Clock, Log, Millis, Net, OpenVty, Random, Signer, Verify } from '../host/ports.ts';
import type { Announced, Self } from '../notifier/announced.ts';
import type { Trust } from '../pki/trust.ts';
import type { Heard } from './heard.ts';

/** `notices` of the configuration. */
export interface NoticesConfig {
  /** UDP port, ours and the peers'. */
  readonly port: number;
  /** Multicast groups; every one is sent to, on every interface that has its family. */
  readonly groups: readonly Address[];
  /** Interfaces on which groups are joined and sent to; none = no multicast; `*`: joined on all, sent to none. */
  readonly interfaces: readonly string[];
  /** How many routers multicasts may pass, 1…255. */
  readonly ttl: number;
  /** Unicast receivers, where multicast routing does not reach. */
  readonly peers: readonly { readonly address: Address; readonly port: number }[];
  /** Opaque LSAs of OSPF as another carrier; absent: none. `refresh`: between two refreshes that go by it, ms. */
  readonly ospf?: (FloodConfig & { readonly refresh: Millis }) | undefined;
  /** Between two refreshes, ms. */
  readonly refresh: Millis;
  /** Peers, and their bindings and offers all together, that are kept. */
  readonly limits: { readonly peers: number; readonly bindings: number };
}

export interface NoticesOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly net: Net;
  /** For OSPF as a carrier. */
  readonly openVty?: OpenVty;
  readonly log: Log;
  readonly verify: Verify;
  readonly signer: Signer;
  /** DER of the signer's certificate. */
  readonly certificate: Uint8Array;
  /** Counts our starts, from 1; stored, and raised before this start. */
  readonly boot: number;
  readonly trust: Trust;
  readonly config: NoticesConfig;
  readonly self: () => Self;
  readonly emit: (event: Heard) => void;
  /** What is wrong with a carrier, in sentences; none = nothing any more. */
  readonly onProblems?: ((sentences: readonly string[]) => void) | undefined;
}

/** A peer as an operator sees it. */
export interface PeerStatus {
  readonly manager: string;
  readonly name: string;
  readonly boot: number;
  /** Up to which change everything is known, and the newest change that is known of. */
  readonly known: number;
  readonly newest: number;
  readonly bindings: number;
  readonly offers: number;
  readonly silent: boolean;
  /** Since the last authentic message, ms. */
  readonly heardAgo: Millis;
}

export interface Notices {
  /** Takes the whole wanted state; tells peers what differs from before. */
  announce(wanted: Announced): void;
  /** Another list of revoked certificates, another authority. */
  setTrust(trust: Trust): void;
  status(): readonly PeerStatus[];
  /** Totals since the start, by name: `sent`, `received`, `refused-signature`…; for metrics. */
  counters(): Readonly<Record<string, number>>;
  /** Says goodbye to the peers (`leave`: everything is withdrawn) and closes. */
  close(leave: boolean): void;
}
