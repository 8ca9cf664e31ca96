/**
 * Where news of services are measured: cell a is two OSPF hops away from the GSLB, and another cell is next to it. The router between
 * carries multicasts; all managers and the GSLB are the real program.
 *
 *     servers ── A: manager ── B: FRR, PIM ── C: GSLB ── client
 *                                              └── D: manager ── servers
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Namespace, Network } from '../../../test/support/netns.ts';
import { type Row, threeRouters } from '../../../test/support/routing.ts';
import { poll } from '../../scenario/poll.ts';
import { REGISTRATION_PORT, startManager } from '../manager.ts';
import { bundles, Role } from '../role.ts';
import type { AskerOptions } from '../roles/asker.ts';
import type { ServerOptions } from '../roles/server.ts';
import { type Identity, type MissionFiles, makeMission } from './mission.ts';

/** Served at A alone; at both cells, and A comes first. */
export const ONE = { name: 'one.bench', vip: '10.50.0.1' } as const;
export const BOTH = { name: 'two.bench', first: '10.50.0.2', second: '10.51.0.2' } as const;
const GSLB = '10.5.0.1';
/** ms between two queries of the client. */
const ASKING = 1;
/** ms: A's service and its check. */
const CHECK = { kind: 'http', port: 8080, target: '/0', interval: 50, timeout: 50, fall: 2 } as const;

export interface GslbCell {
  readonly row: Row;
  readonly network: Network;
  /** ONE is the registration 0 and check 0 of A's servers. */
  readonly servers: Role;
  /** A client that asks for the name all the time. */
  asker(name: string): Role;
  /** Nothing comes from A any more, or again; nobody is told. */
  cut(away: boolean): void;
  dispose(): Promise<void>;
}

/** Makes it in `directory`; resolves when both managers are heard and the client is answered. Needs root, FRR and its pimd. */
export async function makeGslbCell(directory: string): Promise<GslbCell> {
  const network = new Network();
  let row: Row | undefined;
  try {
    row = await threeRouters({
      daemons: ['ospfd', 'pimd'],
      extra: {
        a: 'router ospf\n redistribute kernel metric-type 1\n redistribute connected\nexit\n',
        b: `ip pim rp 10.9.2.2 239.0.0.0/8\n${['ba', 'bc'].map(link => `interface ${link}\n ip pim\n ip igmp\nexit\n`).join('')}`,
      },
    });
    const cell = await furnish(network, row, directory);
    return cell;
  } catch (error) {
    await network.dispose();
    await row?.dispose();
    throw error;
  }
}

async function furnish(network: Network, row: Row, directory: string): Promise<GslbCell> {
  const { a, b, c } = row;
  const servers = branch(network, a.namespace, 'lan', '10.1.0');
  const near = branch(network, c.namespace, 'near0', '10.3.0');
  const others = branch(network, near, 'lan', '10.4.0');
  const client = branch(network, c.namespace, 'client0', '10.5.0');
  const mission = await makeMission(join(directory, 'mission'));
  const start = async (namespace: Namespace, name: string, more: object): Promise<void> => {
    const own = join(directory, name);
    mkdirSync(own);
    const tls = await mission.issue(name, name === 'hq' ? 'gslb' : 'manager');
    await startManager(network, namespace, own, {
      ...{ name, plain: false, tls, dataplane: { driver: 'none' } },
      ...more,
    });
  };
  const policies = [
    { match: ONE.name, whenNone: 'none' },
    { match: BOTH.name, policy: 'failover', order: ['cell-a', 'cell-d'] },
  ];
  await start(c.namespace, 'hq', {
    notices: { interfaces: ['cb', 'near0'] },
    gslb: { zones: ['bench'], policies, rate: 0 },
  });
  await start(a.namespace, 'cell-a', {
    access: ['lan'],
    dataplane: { driver: 'nftables' },
    routing: { kind: 'external', sockets: a.frr.directory },
    notices: { interfaces: ['ab'] },
  });
  await start(near, 'cell-d', {
    ...{ access: ['lan'], pools: ['10.51.0.0/16'], notices: { interfaces: ['eth0'] } },
  });
  const role = await serversOf(network, servers, mission, '10.1.0.1', [
    { ...ONE, check: CHECK },
    { name: BOTH.name, vip: BOTH.first, check: { kind: 'none' } },
  ]);
  await serversOf(network, others, mission, '10.4.0.1', [
    { name: BOTH.name, vip: BOTH.second, check: { kind: 'none' } },
  ]);
  await poll('OSPF has converged', () => c.namespace.ip('route show proto ospf').includes('10.9.1.0/24'), {
    timeout: 30_000,
  });
  return {
    ...{ row, network, servers: role },
    asker: name =>
      new Role(network, client, 'asker', { server: GSLB, name, interval: ASKING } satisfies AskerOptions),
    cut(away) {
      const rules = away
        ? 'add table inet cut; add chain inet cut in { type filter hook prerouting priority -500; }; add rule inet cut in iifname "ba" drop'
        : 'delete table inet cut';
      b.namespace.runSync('nft', [rules]);
    },
    async dispose() {
      await network.dispose();
      await row.dispose();
    },
  };
}

/** A namespace behind an interface of a router: `prefix`.1 and .2, all else by the router. */
function branch(network: Network, router: Namespace, link: string, prefix: string): Namespace {
  const namespace = network.namespace(link);
  router.sysctl({ 'net.ipv4.ip_forward': 1 });
  network.veth(
    { in: router, name: link, addresses: [`${prefix}.1/24`] },
    { in: namespace, name: 'eth0', addresses: [`${prefix}.2/24`] },
  );
  namespace.ip(`route add default via ${prefix}.1`);
  return namespace;
}

type Offered = { readonly name: string; readonly vip: string; readonly check: object };

async function serversOf(
  network: Network,
  namespace: Namespace,
  mission: MissionFiles,
  manager: string,
  services: readonly Offered[],
): Promise<Role> {
  const registrations = [];
  for (const { name, vip, check } of services) {
    const files = await mission.issue(`server-${vip}`, 'server');
    registrations.push({
      ...{ name: vip, manager: `${manager}:${REGISTRATION_PORT}`, tls: texts(files) },
      services: [{ name, protocol: 'http', ports: 80, vip, check }],
    });
  }
  const role = new Role(network, namespace, 'server', {
    ...{ name: 'servers', health: 8080, registrations },
  } as ServerOptions);
  await role.until('listening');
  return role;
}

const texts = ({ ca, certificate, key }: Identity) => ({
  ca: readFileSync(ca, 'utf8'),
  certificate: readFileSync(certificate, 'utf8'),
  key: readFileSync(key, 'utf8'),
});

/** From A to C through the router, by a program that does nothing else: ms. */
export async function datagramAlone({ row }: GslbCell, runs: number): Promise<number[]> {
  const program = join(bundles, 'apps/multicast.mjs');
  const start = (namespace: Namespace, ...words: readonly string[]) =>
    namespace.spawn(process.execPath, [program, ...words]);
  const receiver = start(row.c.namespace, '--at', '10.9.2.3');
  const sender = start(
    row.a.namespace,
    '--at',
    '10.9.1.1',
    '--count',
    String(runs + 400),
    '--interval',
    '20',
  );
  type Line = { readonly event: string; readonly text: string; readonly at: number };
  const lines = (text: string): Line[] =>
    text
      .split('\n')
      .slice(0, -1)
      .map(line => JSON.parse(line) as Line);
  const heard = (): Line[] => lines(receiver.stdout()).filter(({ event }) => event === 'heard');
  await poll('multicasts through the router', () => heard().length >= runs + 5, { timeout: 30_000 });
  await Promise.all([sender.stop('SIGKILL'), receiver.stop('SIGKILL')]);
  const left = new Map(lines(sender.stdout()).map(({ text, at }) => [text, at]));
  return heard()
    .slice(5, runs + 5)
    .map(({ text, at }) => at - left.get(text)!);
}
