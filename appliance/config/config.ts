/**
 * The manager's configuration, as read from its file with all defaults filled in. bivouac.schema.json says what each means.
 */
import type { Address, Prefix } from '../../sdk/wire/address.ts';
import type { Damping, PoolRange, StaticVip } from '../registry/config.ts';

export interface Endpoint {
  readonly address: Address;
  readonly port: number;
}

/** One link that the appliance serves with DHCP. */
export interface DhcpCell {
  readonly interface: string;
  readonly range: { readonly first: Address; readonly last: Address };
  /** Seconds. */
  readonly lease: number;
  /** Undefined: this appliance; false: none. */
  readonly router?: Address | false;
  readonly dns: readonly Address[];
  readonly domain?: string;
}

/** How clients of some names are directed. */
export interface GslbPolicy {
  readonly match: string;
  readonly policy: 'default' | 'best-score' | 'nearest' | 'weighted' | 'round-robin' | 'failover';
  readonly weights: Readonly<Record<string, number>>;
  readonly order: readonly string[];
  readonly override: readonly string[];
  readonly whenNone: 'last-known' | 'all' | 'none';
  /** How many of the best an answer names. */
  readonly answers: number;
  /** Seconds. */
  readonly ttl: { readonly least: number; readonly most: number };
}

/** The role of a GSLB. */
export interface GslbConfig {
  readonly zones: readonly string[];
  /** Name servers of the zones and their addresses, this one first. */
  readonly nameServers: Readonly<Record<string, readonly Address[]>>;
  /** Other names of names (CNAME), and texts (TXT), by name. */
  readonly aliases: Readonly<Record<string, string>>;
  readonly texts: Readonly<Record<string, readonly string[]>>;
  readonly addresses: readonly Address[];
  readonly port: number;
  readonly workers: number;
  /** The file of the topology. */
  readonly topology?: string;
  readonly site?: string;
  /** Milliseconds between two polls of a manager. */
  readonly poll: number;
  readonly policies: readonly GslbPolicy[];
  readonly transfers: readonly Prefix[];
  readonly notify: readonly Endpoint[];
  /** Files of the secrets that transfers are signed with, by the names of the keys. */
  readonly transferKeys: Readonly<Record<string, string>>;
  /** Answers alike a second to one network; 0 = no limit. */
  readonly rate: number;
}

/** How a port of an appliance gets its addresses. */
export interface BoxLink {
  readonly dhcp: boolean;
  /** With their prefix lengths. */
  readonly addresses: readonly string[];
  readonly gateway?: Address;
}

/** What an appliance that was started from an image sets up besides. */
export interface BoxConfig {
  /** Name or hardware address of the port to the rest of the network. */
  readonly wan?: string;
  readonly links: Readonly<Record<string, BoxLink>>;
  readonly ssh: { readonly keys: readonly string[]; readonly from: readonly Prefix[] };
}

export interface Config {
  readonly name: string;
  /** It has no pools: a GSLB and no manager, so nothing registers with it, and it forwards and routes nothing. */
  readonly alone: boolean;
  readonly state: string;
  readonly listen: readonly Endpoint[];
  readonly tls:
    | {
        readonly ca: string;
        readonly certificate: string;
        readonly key: string;
        readonly crl?: string;
        readonly validity: 'ignore' | 'enforce';
      }
    | undefined;
  readonly plain: boolean;
  readonly access: readonly string[];
  readonly pools: readonly PoolRange[];
  readonly static: readonly StaticVip[];
  readonly lease: { readonly duration: number };
  readonly sessions: {
    readonly heartbeat: number;
    readonly grace: number;
    readonly forget: number;
    readonly servers: number;
    readonly servicesPerServer: number;
    readonly leasesPerServer: number;
    readonly perAddress: number;
  };
  readonly damping: Damping | undefined;
  readonly health: {
    readonly concurrency: number;
    readonly programs: Readonly<Record<string, readonly string[]>>;
  };
  readonly dataplane: { readonly driver: 'auto' | 'nftables' | 'ipvs' | 'none' };
  readonly routing: {
    readonly driver: 'frr' | 'none';
    readonly kind: 'internal' | 'external';
    readonly metric: number;
    readonly steps: number;
    readonly stepCost: number;
    readonly sockets: string;
    readonly area: Address;
    readonly network: 'point-to-point' | 'broadcast';
    readonly hello?: number;
    readonly bfd?: { readonly interval: number; readonly multiplier: number };
    readonly tune: boolean;
    readonly interfaces: readonly string[];
    readonly password: string | undefined;
  };
  readonly anycast: {
    readonly port: number;
    readonly validity: number;
    readonly rate: number;
    readonly ring: number;
  };
  readonly dhcp: readonly DhcpCell[];
  readonly roaming: { readonly dhcp: boolean; readonly vips: readonly PoolRange[] };
  readonly notices: {
    readonly interfaces: readonly string[];
    readonly peers: readonly Endpoint[];
    readonly addresses: readonly Address[];
    readonly port: number;
    readonly groups: readonly Address[];
    readonly ttl: number;
    /** Opaque LSAs as another carrier. `refresh` in ms. */
    readonly ospf?: { readonly port: number; readonly opaqueType: number; readonly refresh: number };
    /** Milliseconds. */
    readonly refresh: number;
    readonly limits: { readonly peers: number; readonly bindings: number };
  };
  /** Links that GSLBs are told of; bit/s, 0 = not known. */
  readonly links: readonly { readonly interface: string; readonly rate: number }[];
  readonly gslb: GslbConfig | undefined;
  readonly operator: { readonly socket: string; readonly http: Endpoint | undefined };
  readonly box: BoxConfig | undefined;
  readonly stop: 'withdraw' | 'leave';
}
