/**
 * Routing as an operator reads it: FRR's neighbours, and each VIP's way out.
 */
import { type Address, parseAddress } from '../../sdk/wire/address.ts';

export interface Neighbour {
  /** Router ID. */
  readonly router: string;
  readonly address: string;
  readonly interface: string;
  /** RFC 2328 §10.1: `Full` is the one that forwards. */
  readonly state: string;
  /** Milliseconds since its state last changed. */
  readonly sinceMs: number;
  /** `up` or `down`, of the BFD session with it; absent without BFD. */
  readonly bfd?: string;
}

export interface RoutedVip {
  readonly vip: Address;
  readonly metric: number;
  /** ospfd originates it; undefined = FRR did not say (IPv6, or ospfd is not reached). */
  readonly advertised: boolean | undefined;
}

export interface RoutingStatus {
  readonly kind: string;
  readonly neighbours: readonly Neighbour[];
  readonly routes: readonly RoutedVip[];
  /** What is wrong, in sentences. */
  readonly problems: readonly string[];
}

/** The neighbours in `show ip ospf neighbor json` and `show bfd peers json`. What it cannot read, it skips. */
export function readNeighbours(neighbours: unknown, peers: unknown): readonly Neighbour[] {
  const bfd = new Map<string, string>();
  for (const peer of list(peers)) bfd.set(String(peer['peer']), String(peer['status']));
  const all = (neighbours as { neighbors?: object } | undefined)?.neighbors ?? {};
  return Object.entries(all).flatMap(([router, adjacencies]) =>
    list(adjacencies).map(one => {
      const address = String(one['address'] ?? one['ifaceAddress']);
      const session = bfd.get(address);
      return {
        router,
        address,
        interface: String(one['ifaceName']).split(':')[0]!,
        state: String(one['nbrState'] ?? one['state']).split('/')[0]!,
        sinceMs: Number(one['upTimeInMsec'] ?? 0),
        ...(session === undefined ? {} : { bfd: session }),
      };
    }),
  );
}

/** Addresses that may be a router ID, from `ip -N -j -4 address show`: in the order of `interfaces`. */
export function firstAddress(addresses: unknown, interfaces: readonly string[]): Address | undefined {
  for (const name of interfaces)
    for (const link of list(addresses))
      if (link['ifname'] === name)
        for (const entry of list(link['addr_info'])) {
          const found = parseAddress(String(entry['local']));
          if (found !== undefined && entry['family'] === 'inet') return found;
        }
  return undefined;
}

type Row = Readonly<Record<string, unknown>>;

const list = (value: unknown): readonly Row[] => (Array.isArray(value) ? (value as Row[]) : []);
