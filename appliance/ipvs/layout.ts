/**
 * What one farm is in IPVS: a virtual service for each of its ports, and in it a destination for each member. Pure: the same farm always
 * gives the same services.
 */
import { type Address, familyOf } from '../../sdk/wire/address.ts';
import type { Scheduler, Transport } from '../../sdk/wire/model.ts';
import { distinct } from '../dataplane/farm.ts';
import type { Farm } from '../desired/wanted.ts';

/** `tcp|10.50.0.1|80`. */
export type ServiceName = string & { readonly __brand: 'IpvsServiceName' };

/** A virtual service (ipvsadm -A), with all that this driver ever sets of one. */
export interface VirtualService {
  readonly name: ServiceName;
  readonly transport: Transport;
  readonly vip: Address;
  readonly port: number;
  /** The kernel's name: wrr, wlc, sh, mh. */
  readonly scheduler: string;
  /** FLAG.… */
  readonly flags: number;
  /** Seconds for which a client stays; 0 without FLAG.persistent. */
  readonly timeout: number;
  /** Bits of its address that make a client: 32 or 128, or fewer. */
  readonly prefix: number;
  /** What tells clients apart besides their address: '' or `sip` (the Call-ID). */
  readonly engine: string;
  /** By `address|port`. */
  readonly destinations: ReadonlyMap<string, Destination>;
}

/** A real server (ipvsadm -a). */
export interface Destination {
  readonly address: Address;
  readonly port: number;
  readonly forward: Forwarding;
  /** 0: draining, its connections go on and no new ones come. */
  readonly weight: number;
}

/** masq, gate and ipip, in ipvsadm's words. */
export type Forwarding = 'nat' | 'direct' | 'tunnel';

/** linux/ip_vs.h. `fallback`: sh and mh give a client whose server does not accept to another, rather than to nobody. */
export const FLAG = { persistent: 1, fallback: 8 } as const;

const SCHEDULERS: Readonly<Record<Scheduler, string>> = {
  wrr: 'wrr',
  wlc: 'wlc',
  'source-hash': 'sh',
  maglev: 'mh',
};

/** Buckets of the scheduler sh (net/netfilter/ipvs/ip_vs_sh.c). */
const BUCKETS = 256;

export const serviceName = (transport: Transport, vip: Address, port: number): ServiceName =>
  `${transport}|${vip}|${port}` as ServiceName;

/** The services of a farm that capabilities.ts does not refuse. */
export function layFarm(farm: Farm): readonly VirtualService[] {
  const { vip, transport, ports, affinity } = farm;
  const scheduler = SCHEDULERS[farm.scheduler];
  const hashes = scheduler === 'sh' || scheduler === 'mh';
  const members = distinct(farm);
  const weights = members.map(({ weight, accepts }) => (accepts ? weight : 0));
  const shares = scheduler === 'sh' ? bucketShares(weights) : weights;
  const services: VirtualService[] = [];
  for (let port = ports.first; port <= ports.last; port++) {
    const destinations = new Map<string, Destination>();
    for (const [at, member] of members.entries()) {
      const destination: Destination = {
        address: member.address,
        port: member.port || port,
        forward: farm.mode as Forwarding,
        weight: shares[at]!,
      };
      destinations.set(destinationName(destination), destination);
    }
    services.push({
      name: serviceName(transport, vip, port),
      ...{ transport, vip, port, scheduler, destinations },
      flags: (affinity > 0 ? FLAG.persistent : 0) | (hashes ? FLAG.fallback : 0),
      timeout: affinity,
      prefix: (affinity > 0 ? farm.affinityPrefix : undefined) ?? (familyOf(vip) === 4 ? 32 : 128),
      engine: farm.affinityBy ?? '',
    });
  }
  return services;
}

export const destinationName = ({ address, port }: Pick<Destination, 'address' | 'port'>): string =>
  `${address}|${port}`;

/**
 * Weights for sh, which deals out its buckets in turn, each server as many as its weight before the next: in their smallest whole ratio, or
 * rounded so that all of them fit, or the last servers would get none.
 */
export function bucketShares(weights: readonly number[]): readonly number[] {
  const divisor = weights.reduce(gcd, 0) || 1;
  const exact = weights.map(weight => weight / divisor);
  const total = exact.reduce((sum, weight) => sum + weight, 0);
  if (total <= BUCKETS) return exact;
  return exact.map(weight => (weight === 0 ? 0 : Math.max(1, Math.floor((weight * BUCKETS) / total))));
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
