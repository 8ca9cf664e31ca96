/**
 * The scale figures: 10,000 servers with 30,000 services at one manager, real nftables included, beside etcd with the same services
 * (consul, which the goal names, is not in Debian 12). Each in a namespace of its own, in turn.
 *
 * Ours holds a connection to each server, which is how it notices at once that one is gone. So the peer is etcd with a connection to
 * each server, as agents of 10,000 machines would have; beside it stands etcd with 64 connections that all servers share, which no
 * 10,000 machines could, but which says what it can do. The floor is a Node server that takes the same connections, gives the same bytes
 * and does nothing else: what it takes, no manager on Node can save. The least is one that reads every message, too, writes each service
 * down and has the kernel take it up, and decides nothing (least.ts).
 *
 * etcd runs on all cores, ours decides on one; so the CPU time that both take stands beside the rate, which it does not say. Sessions are
 * plain TCP, as etcd's are: with TLS the handshakes would be nearly all that is measured.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type LongProcess, type Namespace, Network } from '../../test/support/netns.ts';
import { poll } from '../scenario/poll.ts';
import type { EtcdOptions } from './etcd.ts';
import { type Figure, ratios, sample } from './figure.ts';
import type { FleetOptions, FleetResult } from './fleet.ts';

export interface ScaleOptions {
  readonly runs: number;
  readonly servers?: number;
  readonly services?: number;
}

interface Measured extends FleetResult {
  readonly memory: number;
  /** CPU time of all threads, s, until all was registered and the single changes made. */
  readonly cpu: number;
}

const here = dirname(fileURLToPath(import.meta.url));

/** Measures; needs root, and etcd for the peer. */
export async function scaleFigures({
  runs,
  servers = 10_000,
  services = 3,
}: ScaleOptions): Promise<Figure[]> {
  const fleet: FleetOptions = {
    port: 9746,
    servers,
    services,
    names: Math.ceil(servers / 10),
    window: 64,
    changes: 20,
  };
  const ours: Measured[] = [];
  const theirs: Measured[] = [];
  const shared: Measured[] = [];
  const floor: Measured[] = [];
  const least: Measured[] = [];
  for (let run = 0; run < runs; run++) {
    ours.push(await measure(startManager, 'bench-fleet.mjs', fleet));
    const peer = (own: boolean): Promise<Measured> =>
      measure(startEtcd, 'bench-etcd.mjs', { ...fleet, port: 2379, own } satisfies EtcdOptions);
    theirs.push(await peer(true));
    shared.push(await peer(false));
    floor.push(await measure(startBare('floor'), 'bench-fleet.mjs', { ...fleet, changes: 0 }));
    least.push(await measure(startBare('least'), 'bench-fleet.mjs', { ...fleet, changes: 0 }));
  }
  const rate = (all: readonly Measured[]): number[] =>
    all.map(({ registerMs }) => (servers * services * 1000) / registerMs);
  const memory = (all: readonly Measured[]): number[] => all.map(one => one.memory);
  const change = (all: readonly Measured[]): number[] => all.flatMap(one => one.changeMs);
  const beside = (what: (all: readonly Measured[]) => number[]): Figure['beside'] => [
    { name: 'etcd, a connection for each server', sample: sample(what(theirs)) },
    { name: 'etcd, 64 connections for all', sample: sample(what(shared)) },
  ];
  const bare = (what: (all: readonly Measured[]) => number[]): Figure['beside'] => [
    ...beside(what),
    { name: 'the floor: a bare Node server', sample: sample(what(floor)) },
    { name: 'the least: read, written down and in the kernel, nothing decided', sample: sample(what(least)) },
  ];
  const title = `${servers} servers, ${servers * services} services`;
  const rates = ratios(rate(ours), rate(theirs));
  const memories = ratios(memory(ours), memory(theirs));
  const cpu = (all: readonly Measured[]): number[] => all.map(one => one.cpu);
  const cpus = ratios(cpu(ours), cpu(theirs));
  const changes = sample(change(ours));
  return [
    {
      name: `${title}: registrations`,
      unit: 'services/s',
      ours: sample(rate(ours)),
      beside: bare(rate),
      ratio: rates,
      goal: 'faster than the peer with as many connections',
      met: rates.median > 1,
    },
    {
      name: `${title}: memory`,
      unit: 'MB',
      ours: sample(memory(ours)),
      beside: bare(memory),
      ratio: memories,
      goal: 'less than the peer with as many connections',
      met: memories.median < 1,
    },
    {
      name: `${title}: CPU time of all cores`,
      unit: 's',
      ours: sample(cpu(ours)),
      beside: bare(cpu),
      ratio: cpus,
      goal: 'less than the peer with as many connections',
      met: cpus.median < 1,
    },
    {
      name: `${title}: one change in effect`,
      unit: 'ms',
      ours: changes,
      beside: beside(change),
      goal: 'under 20 ms',
      met: changes.median < 20,
    },
  ];
}

type Start = (namespace: Namespace, directory: string) => Promise<LongProcess>;

async function measure(
  start: Start,
  program: string,
  options: FleetOptions | EtcdOptions,
): Promise<Measured> {
  const network = new Network();
  const directory = mkdtempSync(join(tmpdir(), 'bivouac-scale-'));
  try {
    const namespace = network.namespace('scale');
    const server = await start(namespace, directory);
    const before = cpuSeconds(server.pid);
    const generator = namespace.spawn(process.execPath, [join(here, program), JSON.stringify(options)]);
    // The generator lives on with its connections, so that what is measured is a manager at work.
    const line = await firstLine(generator);
    const result = JSON.parse(line) as FleetResult;
    return {
      ...result,
      memory: residentMegabytes(server.pid),
      cpu: cpuSeconds(server.pid) - before,
    };
  } finally {
    await network.dispose();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** What the generator found; rejects with its complaint when it ends without a result. */
async function firstLine(generator: LongProcess): Promise<string> {
  let over = false;
  void generator.exited.then(() => {
    over = true;
  });
  await poll('the fleet has registered', () => over || generator.stdout().includes('\n'), {
    timeout: 600_000,
    interval: 50,
  });
  if (generator.stdout() === '')
    throw new Error(`the fleet ended without a result: ${generator.stderr().slice(-2000)}`);
  return generator.stdout();
}

const startManager: Start = async (namespace, directory) => {
  const config = join(directory, 'bivouac.json');
  writeFileSync(
    config,
    JSON.stringify({
      name: 'scale',
      plain: true,
      listen: ['127.0.0.1:9746'],
      pools: ['10.128.0.0/16'],
      state: join(directory, 'state'),
      routing: { driver: 'none' },
      sessions: { servers: 100_000, perAddress: 64 },
      operator: { socket: join(directory, 'socket'), http: '127.0.0.1:9748' },
    }),
  );
  const manager = namespace.spawn(process.execPath, [join(here, 'bivouac.mjs'), 'run', '--config', config]);
  await poll('the manager is ready', () => manager.stderr().includes('ready name='));
  return manager;
};

const startBare =
  (which: 'floor' | 'least'): Start =>
  async (namespace, directory) => {
    const program = join(here, `bench-${which}.mjs`);
    const bare = namespace.spawn(process.execPath, [program, '9746', join(directory, 'lines')]);
    await poll('the bare server is ready', () => bare.stderr().includes('ready'));
    return bare;
  };

const startEtcd: Start = async (namespace, directory) => {
  const etcd = namespace.spawn('etcd', [
    '--data-dir',
    join(directory, 'etcd'),
    '--log-level',
    'error',
    '--listen-client-urls',
    'http://127.0.0.1:2379',
    '--advertise-client-urls',
    'http://127.0.0.1:2379',
    '--listen-peer-urls',
    'http://127.0.0.1:2380',
  ]);
  await poll(
    'etcd answers',
    async () => (await namespace.run('curl', ['-sf', 'http://127.0.0.1:2379/health'])).status === 0,
    { timeout: 30_000 },
  );
  return etcd;
};

/** CPU time of a process, in s: user and system, of all threads (proc_pid_stat(5), in ticks of 10 ms). */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13);
  return (Number(user) + Number(system)) / 100;
}

/** Resident memory of a process (`ip netns exec` becomes the program), in MB. */
const residentMegabytes = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
