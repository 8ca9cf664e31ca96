/**
 * What forwarding costs: iperf3 through a service VIP and, in turn, to the same server by a plain route through the same appliance. In `nat`
 * mode both directions pass the appliance; in `direct` mode, and beside it, the reply goes from the server to the client on their link.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Namespace, Network } from '../../test/support/netns.ts';
import { poll } from '../scenario/poll.ts';
import { type Figure, ratios, sample } from './figure.ts';
import { REGISTRATION_PORT, startManager } from './manager.ts';
import { Role } from './role.ts';
import type { ServerOptions } from './roles/server.ts';

const VIP = '10.50.0.1';
const SERVER = '10.1.0.11';
const PORT = 5201;
/** Seconds of one measurement, and those at its beginning that do not count. */
const [LENGTH, SLOW_START] = [1, 0.2];

type Mode = 'nat' | 'direct';

interface Path {
  readonly client: Namespace;
  /** Gbit/s. */
  run(to: string, reverse: boolean): Promise<number>;
}

/** Measures; needs root, and iperf3. */
export async function throughputFigures({ runs }: { readonly runs: number }): Promise<Figure[]> {
  const network = new Network();
  const directory = mkdtempSync(join(tmpdir(), 'bivouac-throughput-'));
  try {
    const nat = await makePath(network, 'nat', mkdtempSync(join(directory, 'nat')));
    const direct = await makePath(network, 'direct', mkdtempSync(join(directory, 'direct')));
    const measure = async (name: string, path: Path, reverse: boolean, least: number): Promise<Figure> => {
      const [ours, plain]: [number[], number[]] = [[], []];
      for (let run = 0; run < runs; run++) {
        // Whoever goes first finds the caches cold: they take turns at that as well.
        const inTurn = [
          async () => void ours.push(await path.run(VIP, reverse)),
          async () => void plain.push(await path.run(SERVER, reverse)),
        ];
        for (const one of run % 2 === 0 ? inTurn : inTurn.reverse()) await one();
      }
      const ratio = ratios(ours, plain);
      return {
        name,
        unit: 'Gbit/s',
        ours: sample(ours),
        beside: [{ name: 'a plain route through the same appliance', sample: sample(plain) }],
        ratio,
        goal: `≥ ${least} × the plain route`,
        met: ratio.median >= least,
      };
    };
    return [
      await measure('throughput in nat mode, client to server', nat, false, 0.7),
      await measure('throughput in nat mode, server to client', nat, true, 0.7),
      await measure('throughput in direct mode, client to server', direct, false, 0.9),
    ];
  } finally {
    await network.dispose();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A client, an appliance and a server: on two links for `nat`, all on one for `direct`. */
async function makePath(network: Network, mode: Mode, directory: string): Promise<Path> {
  const [client, appliance, server] = [
    network.namespace('client'),
    network.namespace('appliance'),
    network.namespace('server'),
  ];
  const own = mode === 'nat' ? '10.2.0.2' : '10.1.0.2';
  appliance.sysctl({ 'net.ipv4.ip_forward': 1, 'net.ipv4.conf.all.send_redirects': 0 });
  const at = { in: appliance, name: 'lan', addresses: ['10.1.0.1/24'] };
  if (mode === 'nat') {
    network.veth(at, { in: server, name: 'eth0', addresses: [`${SERVER}/24`] });
    network.veth(
      { in: appliance, name: 'wan', addresses: ['10.2.0.1/24'] },
      { in: client, name: 'eth0', addresses: [`${own}/24`] },
    );
    client.ip('route add default via 10.2.0.1');
    server.ip('route add default via 10.1.0.1');
  } else {
    appliance.sysctl({ 'net.ipv4.conf.default.send_redirects': 0 });
    network.lan(
      'switch',
      at,
      { in: server, name: 'eth0', addresses: [`${SERVER}/24`] },
      { in: client, name: 'eth0', addresses: [`${own}/24`] },
    );
    // All that the client sends passes the appliance; what the server answers does not.
    appliance.sysctl({ 'net.ipv4.conf.lan.send_redirects': 0 });
    client.sysctl({ 'net.ipv4.conf.all.accept_redirects': 0, 'net.ipv4.conf.eth0.accept_redirects': 0 });
    client.ip(`route add ${VIP} via 10.1.0.1`);
    client.ip(`route add ${SERVER} via 10.1.0.1`);
    server.sysctl({ 'net.ipv4.conf.all.arp_ignore': 1, 'net.ipv4.conf.all.arp_announce': 2 });
    server.ip(`addr add ${VIP}/32 dev lo`);
  }
  await startManager(network, appliance, directory, { access: ['lan'] });
  const options: ServerOptions = {
    name: 'server',
    registrations: [
      {
        name: 'server',
        manager: `10.1.0.1:${REGISTRATION_PORT}`,
        services: [
          {
            name: 'iperf.bench',
            protocol: 'iperf',
            ports: PORT,
            vip: VIP,
            check: { kind: 'icmp' },
            forward: { mode },
          },
        ],
      },
    ],
  };
  const iperf = server.spawn('iperf3', ['-s', '-p', `${PORT}`, '--forceflush']);
  await poll('iperf3 listens', () => iperf.stdout().includes('listening'));
  await new Role(network, server, 'server', options).until('up', 0, said => said['count'] === 1);
  return {
    client,
    async run(to, reverse) {
      const words = ['-c', to, '-p', `${PORT}`, '-t', `${LENGTH}`, '-O', `${SLOW_START}`, '-J'];
      // The server may not be done with the client before this one.
      return poll(
        `iperf3 to ${to}`,
        async () => {
          const { stdout } = await client.run('iperf3', reverse ? [...words, '-R'] : words);
          return bitsPerSecond(stdout) / 1e9;
        },
        { timeout: 15_000, interval: 50 },
      );
    },
  };
}

/** What the receiver got, of iperf3's JSON; throws with its error. */
function bitsPerSecond(text: string): number {
  const result = JSON.parse(text) as {
    readonly error?: string;
    readonly end?: { readonly sum_received?: { readonly bits_per_second: number } };
  };
  if (result.error !== undefined) throw new Error(result.error);
  return result.end!.sum_received!.bits_per_second;
}
