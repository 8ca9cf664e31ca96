/**
 * How VIPs reach the network's routers.
 */
import { type Address, type Prefix, parseAddress, parsePrefix } from '../../sdk/wire/address.ts';

/**
 * `internal`: the VIP is an address of loopback that OSPF advertises as a stub of the router LSA. Heals fastest when a router
 * dies, but all VIPs share one LSA and one cost.
 * `external`: the VIP is a kernel route that OSPF redistributes (type 1), an LSA of its own with a metric of its own. Scales.
 * Measured with 1,000 VIPs at once, until the last is two hops away: external 0.05 s, internal 1.2 s in and 4 s out; IPv6 external
 * 0.2 s, internal more than 10 s. After a silent link death OSPF moves internal routes in 0.1 s, external ones in 1.1 s.
 * One kind in the whole mission: OSPF prefers internal to external whatever the metrics (RFC 2328 §11), which ends anycast.
 */
export type RouteKind = 'internal' | 'external';

export interface RoutingConfig {
  readonly kind: RouteKind;
  /** The metrics that a VIP's route may have, best first, 1 to 9 of them. `internal` knows only the first. */
  readonly metrics: readonly number[];
  /** Prefixes that hold every VIP of this manager; nothing else is redistributed. */
  readonly prefixes: readonly Prefix[];
  /** Directory of FRR's vty sockets. */
  readonly sockets: string;
  /** Set the timers that make OSPF fast, in FRR's memory only (never in its files). */
  readonly tune: boolean;
  /** What Bivouac is to set up of OSPF; absent = FRR's own configuration has it, and only VIPs are managed. */
  readonly ospf?: OspfConfig;
}

export interface OspfConfig {
  /** Dotted quad. */
  readonly area: Address;
  /**
   * OSPF's router ID. Must not be a VIP: FRR would take one from loopback, and two managers of an anycast VIP would have the
   * same. Absent = the first IPv4 address of `interfaces`.
   */
  readonly routerId?: Address;
  /** Links on which OSPF speaks. */
  readonly interfaces: readonly string[];
  /**
   * How (RFC 2328 §1.2): point-to-point unless told, which comes up at once; `broadcast` among neighbours that take the link for that. Both
   * ends must agree. This router never becomes the link's designated router.
   */
  readonly network?: 'point-to-point' | 'broadcast';
  /** Seconds between hellos; the neighbour is dead after four. Absent = 10. The same on both ends of a link. */
  readonly hello?: number;
  readonly bfd?: BfdConfig;
  /** Absent = anybody on the link may become a neighbour. */
  readonly authentication?: OspfAuthentication;
}

/** 50 ms × 3 finds a dead link in 150 ms, and gave no false alarm on a busy machine. */
export interface BfdConfig {
  /** Milliseconds, 10 to 60,000. */
  readonly interval: number;
  /** Packets missed before the link counts as dead, 2 to 255. */
  readonly multiplier: number;
}

/** Cryptographic authentication (RFC 2328 §D.3): FRR 8 has MD5 for OSPFv2; OSPFv3 gets HMAC-SHA-256 (RFC 7166) with the same key. */
export interface OspfAuthentication {
  /** 1 to 255. */
  readonly keyId: number;
  /** 1 to 16 printable characters without blanks. */
  readonly key: string;
}

/** What is wrong with a configuration, in sentences; FRR would take most of it and do something else. */
export function problemsOf(config: RoutingConfig): readonly string[] {
  const problems: string[] = [];
  const claim = (holds: boolean, otherwise: string): void => void (holds || problems.push(otherwise));
  const { metrics, ospf } = config;
  const most = config.kind === 'external' ? 0xffffff - 1 : 0xffff;
  claim(metrics.length >= 1 && metrics.length <= 9, `routing: ${metrics.length} metrics: give 1 to 9`);
  for (const metric of metrics)
    claim(
      Number.isInteger(metric) && metric >= 1 && metric <= most,
      `routing: metric ${metric}: 1 to ${most}`,
    );
  claim(new Set(metrics).size === metrics.length, `routing: metrics ${metrics.join(', ')}: each only once`);
  for (const prefix of config.prefixes)
    claim(parsePrefix(prefix) === prefix, `routing: '${prefix}' is not a prefix with its host bits zero`);
  if (ospf === undefined) return problems;
  claim(ospf.interfaces.length > 0, 'routing: no interface for OSPF: name the links to the neighbours');
  for (const name of ospf.interfaces)
    claim(/^[^\s/]{1,15}$/.test(name) && name !== 'lo', `routing: '${name}' is not the name of a link`);
  const { area, routerId, hello, bfd, authentication } = ospf;
  claim(isQuad(area), `routing: area '${area}': a dotted quad`);
  if (routerId !== undefined) claim(isQuad(routerId), `routing: router ID '${routerId}': a dotted quad`);
  if (hello !== undefined)
    claim(Number.isInteger(hello) && hello >= 1 && hello <= 16_383, `routing: hello ${hello}: 1 to 16383 s`);
  if (bfd !== undefined) {
    const { interval, multiplier } = bfd;
    claim(interval >= 10 && interval <= 60_000, `routing: BFD interval ${interval}: 10 to 60000 ms`);
    claim(multiplier >= 2 && multiplier <= 255, `routing: BFD multiplier ${multiplier}: 2 to 255`);
  }
  if (authentication !== undefined) {
    const { keyId, key } = authentication;
    claim(keyId >= 1 && keyId <= 255, `routing: authentication key id ${keyId}: 1 to 255`);
    // The key is a secret: it is not quoted.
    claim(/^[!-~]{1,16}$/.test(key), 'routing: authentication key: 1 to 16 printable characters, no blank');
  }
  return problems;
}

const isQuad = (text: string): boolean => !text.includes(':') && parseAddress(text) === text;
