/**
 * Three routers in a row, A—B—C, each a namespace with FRR and OSPF, and the driver as it would run on one of them.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClock } from '../../appliance/host/clock.ts';
import { createExec } from '../../appliance/host/exec.ts';
import type { Exec } from '../../appliance/host/ports.ts';
import { openVty } from '../../appliance/host/vty.ts';
import { Table } from '../../appliance/registry/table.ts';
import type { RoutingConfig } from '../../appliance/routing/config.ts';
import { createFrr, type Frr } from '../../appliance/routing/frr.ts';
import { type Address, address } from '../../sdk/wire/address.ts';
import { type FrrDaemonName, type FrrSet, startFrr } from './frr.ts';
import { type Namespace, Network, poll } from './netns.ts';
import { type RecordingLog, recordingLog } from './virtual/log.ts';

export interface Router {
  readonly namespace: Namespace;
  readonly frr: FrrSet;
}

export interface Row {
  readonly a: Router;
  readonly b: Router;
  readonly c: Router;
  dispose(): Promise<void>;
}

/** What a link's OSPF gets besides its area and type, on every router. */
export interface RowOptions {
  readonly link?: string;
  /** Extra configuration of A, B, C. */
  readonly extra?: Readonly<Partial<Record<'a' | 'b' | 'c', string>>>;
  /** Routers whose OSPF is left to the driver. */
  readonly bare?: readonly ('a' | 'b' | 'c')[];
  readonly daemons?: readonly FrrDaemonName[];
  readonly ipv6?: boolean;
  /** FRR restarts gracefully, and neighbours help. */
  readonly graceful?: boolean;
  /** ospfd with its API server at A and C. */
  readonly api?: boolean;
}

const LINKS = { a: ['ab'], b: ['ba', 'bc'], c: ['cb'] } as const;
const IDS = { a: '10.255.0.1', b: '10.255.0.2', c: '10.255.0.3' } as const;

/** Makes the row; neighbours may still be coming up. */
export async function threeRouters(options: RowOptions = {}): Promise<Row> {
  const network = new Network();
  const directory = mkdtempSync(join(tmpdir(), 'bvfrr-'));
  const dispose = async (): Promise<void> => {
    await network.dispose();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const [a, b, c] = (['a', 'b', 'c'] as const).map(name => network.namespace(name)) as [
      Namespace,
      Namespace,
      Namespace,
    ];
    for (const one of [a, b, c])
      one.sysctl({
        'net.ipv4.ip_forward': 1,
        'net.ipv4.fib_multipath_hash_policy': 1,
        'net.ipv6.conf.all.forwarding': 1,
      });
    network.veth(
      { in: a, name: 'ab', addresses: ['10.9.1.1/24', 'fd09:1::1/64'] },
      { in: b, name: 'ba', addresses: ['10.9.1.2/24', 'fd09:1::2/64'] },
    );
    network.veth(
      { in: b, name: 'bc', addresses: ['10.9.2.2/24', 'fd09:2::2/64'] },
      { in: c, name: 'cb', addresses: ['10.9.2.3/24', 'fd09:2::3/64'] },
    );
    // The parent belongs to root: FRR's user must be let through to its own directories.
    chmodSync(directory, 0o711);
    const router = async (name: 'a' | 'b' | 'c', namespace: Namespace): Promise<Router> => ({
      namespace,
      frr: await startFrr({
        namespace: namespace.name,
        directory: join(directory, name),
        config: configOf(name, options),
        daemons: options.daemons ?? (options.ipv6 ? ['ospfd', 'ospf6d'] : ['ospfd']),
        graceful: options.graceful === true,
        api: options.api === true && name !== 'b',
      }),
    });
    const [ra, rb, rc] = await Promise.all([router('a', a), router('b', b), router('c', c)]);
    return { a: ra, b: rb, c: rc, dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** As docs/operations.md has it for an FRR that is to restart without a gap. */
const GRACEFUL_ZEBRA = 'no zebra nexthop kernel enable\n';
const GRACEFUL_OSPF =
  ' capability opaque\n graceful-restart grace-period 60\n graceful-restart helper enable\n no graceful-restart helper strict-lsa-checking\n';

function configOf(
  name: 'a' | 'b' | 'c',
  { link = '', extra = {}, bare = [], ipv6, graceful }: RowOptions,
): string {
  const zebra = graceful ? GRACEFUL_ZEBRA : '';
  if (bare.includes(name)) return `hostname ${name}\n${zebra}${extra[name] ?? ''}\n`;
  const six = ipv6
    ? ' ipv6 ospf6 area 0.0.0.0\n ipv6 ospf6 network point-to-point\n ipv6 ospf6 hello-interval 1\n ipv6 ospf6 dead-interval 4\n'
    : '';
  const links = LINKS[name].map(
    one =>
      `interface ${one}\n ip ospf area 0.0.0.0\n ip ospf network point-to-point\n ip ospf hello-interval 1\n` +
      ` ip ospf dead-interval 4\n${six}${link}exit\n`,
  );
  const router6 = ipv6
    ? `router ospf6\n ospf6 router-id ${IDS[name]}\n timers throttle spf 0 0 50\n timers lsa min-arrival 0\nexit\n`
    : '';
  return (
    `hostname ${name}\n${zebra}zebra work-queue 0\n${links.join('')}router ospf\n ospf router-id ${IDS[name]}\n` +
    ` timers throttle spf 0 0 50\n timers throttle lsa all 0\n timers lsa min-arrival 0\n${graceful ? GRACEFUL_OSPF : ''}exit\n${router6}${extra[name] ?? ''}\n`
  );
}

/** Exec whose programs run inside a namespace. */
export function execIn(namespace: Namespace): Exec {
  const exec = createExec();
  const inside = (file: string, args: readonly string[]): readonly string[] => [
    'netns',
    'exec',
    namespace.name,
    file,
    ...args,
  ];
  return {
    run: (file, args, options) => exec.run('ip', inside(file, args), options),
    start: (file, args, onOutput, onExit) => exec.start('ip', inside(file, args), onOutput, onExit),
  };
}

/** What the driver is given, unless a test says otherwise: OSPF set up on the link to B. */
export function routingConfig(
  router: Router,
  kind: RoutingConfig['kind'],
  more: Partial<RoutingConfig> = {},
): RoutingConfig {
  return {
    kind,
    metrics: [20],
    prefixes: ['10.50.0.0/16'] as unknown as RoutingConfig['prefixes'],
    sockets: router.frr.directory,
    tune: true,
    ospf: {
      area: address('0.0.0.0'),
      interfaces: LINKS[router.frr.directory.at(-1) as 'a' | 'b' | 'c'],
      hello: 1,
    },
    ...more,
  };
}

/** The driver, as on that router. */
export function driverOn(router: Router, config: RoutingConfig): { frr: Frr; log: RecordingLog } {
  const log = recordingLog();
  const frr = createFrr(config, { exec: execIn(router.namespace), clock: createClock(), log, openVty });
  return { frr, log };
}

/** The wanted state that holds these VIPs, at one metric. */
export const routes = (vips: readonly string[], metric = 20): { routes: Table<Address, number> } => ({
  routes: Table.from(vips.map(vip => [address(vip), metric] as const)),
});

/** The destinations of a router's kernel that OSPF put there, of one family. */
export const learned = (router: Router, family: 4 | 6 = 4): readonly string[] =>
  router.namespace
    .ip(`-${family} route show proto ospf`)
    .split('\n')
    .filter(line => /^\S/.test(line))
    .map(line => line.split(' ')[0]!);

/**
 * Waits until a router has learned a VIP, or no longer has. ospfd may hold a router LSA back for seconds on a machine that is busy: what is
 * asked here is that it gets there.
 */
export const untilLearned = (router: Router, vip: string, there = true, timeout = 30_000): Promise<boolean> =>
  poll(
    () => learned(router).includes(vip) === there,
    timeout,
    `${vip} ${there ? 'in' : 'not in'} the kernel of ${router.frr.directory.at(-1)}`,
  );
