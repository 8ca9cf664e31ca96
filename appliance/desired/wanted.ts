/**
 * What the network is to look like: the whole of it, as values, one table a driver. derive.ts makes them from the state.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type {
  Binding,
  Offer,
  PortRange,
  Scheduler,
  ServerId,
  Service,
  Transport,
} from '../../sdk/wire/model.ts';
import type { BindingKey } from '../registry/elsewhere.ts';
import type { Parting, ServiceKey } from '../registry/state.ts';
import type { Table } from '../registry/table.ts';

/** `vip|transport|first-last`. */
export type FarmKey = string & { readonly __brand: 'FarmKey' };

/** One server in a farm. */
export interface Member {
  readonly server: ServerId;
  readonly address: Address;
  /** Port at the server; 0 = the port that the client chose. */
  readonly port: number;
  /** 1…1000; share of new flows among the members with `accepts`. */
  readonly weight: number;
  /** Takes new flows. False = draining: its established flows go on, new ones go elsewhere. */
  readonly accepts: boolean;
}

/**
 * The servers behind one range of ports of a VIP. A member that is taken out of `members` is dead, unless `partings` has it: its
 * established flows are cut at once (TCP reset towards the client, conntrack entry gone). A farm with no member that accepts refuses new flows
 * (TCP reset, ICMP port unreachable). A farm that leaves the table takes all of its flows with it.
 */
export interface Farm {
  readonly key: FarmKey;
  readonly vip: Address;
  readonly transport: Transport;
  readonly ports: PortRange;
  /** `redirect`: HTTP, answered by the manager itself, which sends clients to the members' own addresses. */
  readonly mode: 'nat' | 'direct' | 'tunnel' | 'redirect';
  readonly scheduler: Scheduler;
  /** Seconds; 0 = none. */
  readonly affinity: number;
  /** As in Forward. */
  readonly affinityPrefix?: number;
  readonly affinityBy?: 'sip';
  /** Sorted by server, then port. Never empty. */
  readonly members: readonly Member[];
}

/** The whole wanted state of the data plane. */
export interface WantedDataplane {
  readonly farms: Table<FarmKey, Farm>;
  /** VIPs on which this manager answers anycast ARP over UDP itself, whatever farm claims the port. */
  readonly vips: Table<Address, true>;
  /**
   * `vip|server` of members that left and whose flows (in `direct` mode) live on elsewhere, or may: `moved`, the server has the VIP at another manager;
   * `lost`, it is silent and may be on its way. The flows of any other member that leaves are dead.
   */
  readonly partings: Table<BindingKey, Parting>;
}

/** The whole wanted state of routing: VIP → metric (cost). */
export interface WantedRoutes {
  readonly routes: Table<Address, number>;
}

/** A server as the anycast-ARP responder tells of it. */
export interface DirectoryServer {
  readonly server: ServerId;
  readonly address: Address;
  readonly services: readonly {
    readonly name: string;
    readonly protocol: string;
    readonly transport: Transport;
    readonly ports: readonly PortRange[];
    readonly score: number;
  }[];
}

/** What the responder answers from: only services that are up and whose last check passed (docs/protocol.md §5.6); best server first. */
export interface WantedDirectory {
  readonly byVip: Table<Address, readonly DirectoryServer[]>;
  /** Service name → VIPs. */
  readonly byName: Table<string, readonly Address[]>;
}

/** VIPs for which this manager answers ordinary ARP on its access links. */
export interface WantedArp {
  readonly vips: Table<Address, true>;
}

/** What is announced to other managers and to GSLBs. */
export interface WantedNotices {
  /** By `vip|server`. */
  readonly bindings: Table<string, Binding>;
  /** By `name|vip|transport|ports|protocol`; over all servers. */
  readonly offers: Table<string, Offer>;
}

/** A service as it is to be checked: at which of its server's addresses. In another `round` its check begins anew. */
export interface CheckTarget {
  readonly address: Address;
  readonly service: Service;
  readonly round: number;
}

export interface Wanted {
  /** The services that the manager checks itself: those whose server is there (or awaited after a restart). */
  readonly checks: Table<ServiceKey, CheckTarget>;
  readonly dataplane: WantedDataplane;
  readonly routing: WantedRoutes;
  readonly directory: WantedDirectory;
  readonly arp: WantedArp;
  readonly notices: WantedNotices;
}
