/**
 * Memory of a GSLB that knows many services at many managers, and has been asked for each of them, beside gdnsd with as many names. The
 * managers tell real signed notices and answer real polls, over a link.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Namespace, Network } from '../../../test/support/netns.ts';
import { poll } from '../../scenario/poll.ts';
import { type Figure, sample } from '../figure.ts';
import { residentMegabytes, startManager } from '../manager.ts';
import { Role } from '../role.ts';
import { addressOf, type ManagersOptions, nameOfService } from './fleet.ts';
import { makeMission } from './mission.ts';

const MANAGERS = 100;
const EACH = 100;
const GSLB = '10.8.255.1';
const GDNSD = '10.8.255.2';
/** Three times is enough to see whether it is the same each time. */
const MOST_RUNS = 3;

const names = Array.from({ length: MANAGERS * EACH }, (_, at) =>
  nameOfService(Math.floor(at / EACH), at % EACH),
);

export async function memoryFigures({ runs }: { readonly runs: number }): Promise<Figure[]> {
  const directory = mkdtempSync(join(tmpdir(), 'bivouac-memory-'));
  const network = new Network();
  try {
    const [own, others] = [network.namespace('gslb'), network.namespace('managers')];
    network.veth(
      { in: own, name: 'eth0', addresses: [`${GSLB}/16`, `${GDNSD}/16`] },
      { in: others, name: 'eth0' },
    );
    others.ipBatch(
      Array.from({ length: MANAGERS }, (_, manager) => `addr add ${addressOf(manager)}/16 dev eth0`),
    );
    const mission = await makeMission(join(directory, 'mission'));
    const identities = [];
    for (let manager = 0; manager < MANAGERS; manager++)
      identities.push(await mission.issue(`m${manager}`, 'manager'));
    const tls = await mission.issue('hq', 'gslb');
    const options: ManagersOptions = { identities, gslb: GSLB, services: EACH };
    const managers = new Role(network, others, 'managers', options);
    await managers.until('telling', 0, undefined, 60_000);
    const ours: { known: number; asked: number }[] = [];
    for (let run = 0; run < Math.min(runs, MOST_RUNS); run++)
      ours.push(await measureOurs(network, own, others, join(directory, `hq${run}`), tls));
    const plain = await measureGdnsd(network, own, others, join(directory, 'plain'), 'plain');
    const checked = await measureGdnsd(network, own, others, join(directory, 'checked'), 'checked');
    return [
      {
        name: `resident memory with ${names.length.toLocaleString('en-US')} services at ${MANAGERS} managers, each asked for once`,
        unit: 'MB',
        ours: sample(ours.map(({ asked }) => asked)),
        beside: [
          { name: 'ours before it was asked', sample: sample(ours.map(({ known }) => known)) },
          { name: 'gdnsd, as many A records', sample: sample([plain]) },
          {
            name: 'gdnsd, as many names of its plug-in weighted with a resource each',
            sample: sample([checked]),
          },
        ],
        goal: 'reported',
        met: true,
      },
    ];
  } finally {
    await network.dispose();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measureOurs(
  network: Network,
  own: Namespace,
  others: Namespace,
  directory: string,
  tls: object,
): Promise<{ readonly known: number; readonly asked: number }> {
  mkdirSync(directory);
  const gslb = await startManager(network, own, directory, {
    ...{ name: 'hq', plain: false, tls, dataplane: { driver: 'none' }, access: [] },
    notices: { peers: [`${addressOf(0)}:9748`], addresses: [GSLB] },
    gslb: { zones: ['bench'], rate: 0 },
  });
  const last = Array.from({ length: MANAGERS }, (_, manager) => nameOfService(manager, EACH - 1));
  await poll('all is known', async () => (await answered(others, GSLB, last)) === last.length, {
    timeout: 60_000,
    interval: 500,
  });
  // What the start took is given back by and by.
  await new Promise(resolve => setTimeout(resolve, 3000));
  const known = residentMegabytes(gslb.pid);
  await poll('all is answered', async () => (await answered(others, GSLB, names)) === names.length);
  const asked = residentMegabytes(gslb.pid);
  await gslb.stop();
  return { known, asked };
}

async function measureGdnsd(
  network: Network,
  own: Namespace,
  others: Namespace,
  directory: string,
  kind: 'plain' | 'checked',
): Promise<number> {
  for (const part of ['zones', 'run', 'state']) mkdirSync(join(directory, part), { recursive: true });
  const addressFor = (at: number): string => `10.64.${at >> 8}.${at & 255}`;
  const resources = names.map((_, at) => `r${at} => { a => [ ${addressFor(at)}, 10 ] }`).join('\n');
  const plugins = `plugins => { weighted => { service_types => up\n${resources}\n} }`;
  writeFileSync(
    join(directory, 'config'),
    `options => { listen => ${GDNSD}, dns_port => 53, udp_threads => 1, tcp_threads => 1,
  run_dir => ${directory}/run, state_dir => ${directory}/state }
${kind === 'checked' ? plugins : ''}
`,
  );
  const records = names.map((name, at) => {
    const host = name.replace(/\.bench$/, '');
    return kind === 'checked' ? `${host} 20 DYNA weighted!r${at}` : `${host} 20 A ${addressFor(at)}`;
  });
  const lines = ['@ 60 SOA ns root 1 60 10 3600 5', '@ 60 NS ns', 'ns 30 A 192.0.2.1', ...records];
  writeFileSync(join(directory, 'zones', 'bench'), `${lines.join('\n')}\n`);
  const words = ['netns', 'exec', own.name, 'gdnsd', '-c', directory, '-f', 'start'];
  const child: ChildProcess = spawn('ip', words, { stdio: 'ignore' });
  network.adopt(child);
  await poll('gdnsd answers all', async () => (await answered(others, GDNSD, names)) === names.length, {
    timeout: 30_000,
    interval: 500,
  });
  const resident = residentMegabytes(child.pid!);
  const ended = new Promise(resolve => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
  return resident;
}

/** Asks for the addresses of all these by dig, and gives how many have one. */
async function answered(from: Namespace, server: string, asked: readonly string[]): Promise<number> {
  const file = join(tmpdir(), 'bivouac-memory-names');
  writeFileSync(file, `${asked.join('\n')}\n`);
  const words = ['+noall', '+answer', '+tries=2', '+time=1', `@${server}`, '-f', file];
  const { stdout } = await from.run('dig', words, { timeout: 60_000 });
  return new Set([...stdout.matchAll(/^(\S+)\.\s.*\sA\s/gm)].map(match => match[1])).size;
}
