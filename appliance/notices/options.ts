/** What the notices' two halves are given, and what they give. */
import type { Address } from '../../sdk/wire/address.ts';
import type { Binding, Offer } from '../../sdk/wire/model.ts';
import type { Clock, Log, Millis, Net, Random, Signer, Verify } from '../host/ports.ts';
import type { Trust } from '../pki/trust.ts';
import type { Table } from '../registry/table.ts';
import type { Heard } from './heard.ts';

/** `notices` of the configuration. */
export interface NoticesConfig {
  /** UDP port, ours and the peers'. */
  readonly port: number;
  /** Multicast groups; every one is sent to, on every interface that has its family. */
  readonly groups: readonly Address[];
  /** Interfaces on which groups are joined and sent to; none = no multicast. */
  readonly interfaces: readonly string[];
  /** How many routers multicasts may pass, 1…255. */
  readonly ttl: number;
  /** Unicast receivers, where multicast routing does not reach. */
  readonly peers: readonly Address[];
  /** Between two refreshes, ms. */
  readonly refresh: Millis;
  /** A silent peer is forgotten after so long, ms. */
  readonly forget: Millis;
  /** Peers, and entries of all of them together, that are kept. */
  readonly limits: { readonly peers: number; readonly entries: number };
}

/** Who we are to our peers; asked before each message, since addresses change. */
export interface Self {
  readonly name: string;
  /** Unique addresses at which GSLBs and peers reach us, best first; the first 8 count, and none at all = nothing is sent. */
  readonly addresses: readonly Address[];
  readonly anycastPort: number;
  /** TCP port of registration. */
  readonly port: number;
  readonly tls: boolean;
}

/** The whole of what is to be announced; desired/wanted.ts makes it. */
export interface Announced {
  readonly bindings: Table<string, Binding>;
  readonly offers: Table<string, Offer>;
}

export interface NoticesOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly net: Net;
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
