/**
 * What FRR's daemons are to be told, in FRR's own words and in the form that `show running-config` gives back, so that the two
 * compare line by line. Lines that FRR would not show, because they are its defaults, are left out where that can be known.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { OspfAuthentication, OspfConfig, RoutingConfig } from './config.ts';
import { hopOf } from './kernel-form.ts';

/** FRR's daemons that Bivouac talks to; each listens at `<directory>/<name>.vty`. */
export type DaemonName = 'zebra' | 'ospfd' | 'ospf6d' | 'bfdd';

/** Lists and route-maps of ours in FRR begin with this; what does so and is not wanted is taken out. */
export const NAMESPACE = 'BIVOUAC';

const HELLO_DEFAULT = 10;

/** Measured at two hops: with these a change is in the far kernel in 1 ms; with FRR's defaults in 11 ms to 8 s. */
const OSPF_TIMERS = ['timers throttle spf 0 0 50', 'timers throttle lsa all 0', 'timers lsa min-arrival 0'];
const OSPF6_TIMERS = ['timers lsa min-arrival 0', 'timers throttle spf 0 0 50'];

/**
 * Graceful restart (RFC 3623), both as who restarts, after `graceful-restart prepare ip ospf` was said to ospfd, and as who helps a
 * neighbour that does. Strict checking would end it with any change of the network, and VIPs come and go. Not for OSPFv3: after such a
 * restart ospf6d 8.4.4 originates no new external route.
 */
const GRACEFUL = [
  'capability opaque',
  'graceful-restart grace-period 60',
  'graceful-restart helper enable',
  'no graceful-restart helper strict-lsa-checking',
];

/** The configuration of each daemon that takes part. `routerId` goes in where it is known. */
export function renderOspf(config: RoutingConfig, routerId?: Address): ReadonlyMap<DaemonName, string> {
  const { ospf, tune } = config;
  const six = config.prefixes.some(prefix => prefix.includes(':'));
  const out = new Map<DaemonName, string>();
  const put = (daemon: DaemonName, blocks: readonly Block[]): void => {
    const text = blocks.filter(block => block.length > 0).map(print);
    if (text.length > 0) out.set(daemon, `${text.join('!\n')}`);
  };
  put('zebra', tune ? [['zebra work-queue 0']] : []);
  if (ospf === undefined) {
    put('ospfd', tune ? [['router ospf', ...OSPF_TIMERS]] : []);
    if (six) put('ospf6d', tune ? [['router ospf6', ...OSPF6_TIMERS]] : []);
    return out;
  }
  if (ospf.bfd !== undefined) put('bfdd', [bfdBlock(ospf.bfd)]);
  put('ospfd', ospfBlocks(config, ospf, ospf.routerId ?? routerId));
  if (six) put('ospf6d', ospf6Blocks(config, ospf, ospf.routerId ?? routerId));
  return out;
}

/** A header and the lines under it; a header alone is a line of the top level. Deeper lines begin with a blank. */
type Block = readonly string[];

const print = ([header, ...lines]: Block): string =>
  lines.length === 0 ? `${header}\n` : `${header}\n${lines.map(line => ` ${line}\n`).join('')}exit\n`;

const bfdBlock = ({ interval, multiplier }: NonNullable<OspfConfig['bfd']>): Block => [
  'bfd',
  'profile bivouac',
  ...(multiplier === 3 ? [] : [` detect-multiplier ${multiplier}`]),
  ` transmit-interval ${interval}`,
  ` receive-interval ${interval}`,
];

function ospfBlocks(
  config: RoutingConfig,
  ospf: OspfConfig,
  routerId: Address | undefined,
): readonly Block[] {
  const { hello = HELLO_DEFAULT, area, interfaces, network = 'point-to-point', authentication, bfd } = ospf;
  const external = config.kind === 'external';
  const prefixes = config.prefixes.filter(prefix => !prefix.includes(':'));
  const links = interfaces.map(name => [
    `interface ${name}`,
    `ip ospf area ${area}`,
    ...(authentication === undefined ? [] : digest(authentication)),
    ...(bfd === undefined ? [] : ['ip ospf bfd', 'ip ospf bfd profile bivouac']),
    ...(hello === HELLO_DEFAULT
      ? []
      : [`ip ospf dead-interval ${hello * 4}`, `ip ospf hello-interval ${hello}`]),
    `ip ospf network ${network}`,
    ...(network === 'broadcast' ? ['ip ospf priority 0'] : []),
  ]);
  const loopback = ['interface lo', `ip ospf area ${area}`, `ip ospf cost ${config.metrics[0]}`];
  return [
    ...links,
    // Before what refers to them: FRR looks at a route-map that comes later only after five seconds.
    ...(external ? [...lists('ip', NAMESPACE, prefixes, 32), ...steps(config.metrics)] : [loopback]),
    [
      'router ospf',
      ...(routerId === undefined ? [] : [`ospf router-id ${routerId}`]),
      ...GRACEFUL,
      ...(config.tune ? OSPF_TIMERS : []),
      ...(external ? [`redistribute kernel metric-type 1 route-map ${NAMESPACE}`] : []),
    ],
  ];
}

const digest = ({ keyId, key }: OspfAuthentication): readonly string[] => [
  'ip ospf authentication message-digest',
  `ip ospf message-digest-key ${keyId} md5 ${key}`,
];

const lists = (
  family: 'ip' | 'ipv6',
  name: string,
  prefixes: readonly string[],
  length: number,
): readonly Block[] =>
  prefixes.map((prefix, index) => [
    `${family} prefix-list ${name}-VIPS seq ${5 + 5 * index} permit ${prefix}${prefix.endsWith(`/${length}`) ? '' : ` ge ${length}`}`,
  ]);

/** One entry a step, dearest first: the last, the first step, takes what has no next hop. */
function steps(metrics: readonly number[]): readonly Block[] {
  const hops: Block[] = [];
  const entries: Block[] = [];
  for (let step = metrics.length - 1; step >= 0; step--) {
    const hop = hopOf(step);
    if (hop !== undefined) hops.push([`ip prefix-list ${NAMESPACE}-STEP-${step} seq 5 permit ${hop}/32`]);
    entries.push([
      `route-map ${NAMESPACE} permit ${10 * (metrics.length - step)}`,
      `match ip address prefix-list ${NAMESPACE}-VIPS`,
      ...(hop === undefined ? [] : [`match ip next-hop prefix-list ${NAMESPACE}-STEP-${step}`]),
      `set metric ${metrics[step]}`,
    ]);
  }
  return [...hops, ...entries];
}

/** OSPFv3 (RFC 5340). Its route-maps cannot match a next hop, so that all VIPs have the first metric. */
function ospf6Blocks(
  config: RoutingConfig,
  ospf: OspfConfig,
  routerId: Address | undefined,
): readonly Block[] {
  const { hello = HELLO_DEFAULT, area, interfaces, network = 'point-to-point', authentication, bfd } = ospf;
  const external = config.kind === 'external';
  const six = `${NAMESPACE}6`;
  const prefixes = config.prefixes.filter(prefix => prefix.includes(':'));
  const links = interfaces.map(name => [
    `interface ${name}`,
    `ipv6 ospf6 area ${area}`,
    ...(hello === HELLO_DEFAULT
      ? []
      : [`ipv6 ospf6 dead-interval ${hello * 4}`, `ipv6 ospf6 hello-interval ${hello}`]),
    `ipv6 ospf6 network ${network}`,
    ...(network === 'broadcast' ? ['ipv6 ospf6 priority 0'] : []),
    ...(bfd === undefined ? [] : ['ipv6 ospf6 bfd', 'ipv6 ospf6 bfd profile bivouac']),
    ...(authentication === undefined
      ? []
      : [
          `ipv6 ospf6 authentication key-id ${authentication.keyId} hash-algo hmac-sha-256 key ${authentication.key}`,
        ]),
  ]);
  const loopback = ['interface lo', `ipv6 ospf6 area ${area}`, `ipv6 ospf6 cost ${config.metrics[0]}`];
  const map = [
    `route-map ${six} permit 10`,
    `match ipv6 address prefix-list ${six}-VIPS`,
    `set metric ${config.metrics[0]}`,
  ];
  return [
    ...links,
    ...(external ? [...lists('ipv6', six, prefixes, 128), map] : [loopback]),
    [
      'router ospf6',
      ...(routerId === undefined ? [] : [`ospf6 router-id ${routerId}`]),
      ...(config.tune ? OSPF6_TIMERS : []),
      ...(external ? [`redistribute kernel metric-type 1 route-map ${six}`] : []),
    ],
  ];
}
