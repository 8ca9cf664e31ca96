/** The manager by itself: how long it takes from exec to ready, and what it holds in memory at rest, with a few services. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Namespace, Network } from '../../test/support/netns.ts';
import { type Row, threeRouters } from '../../test/support/routing.ts';
import { now } from './clock.ts';
import { type Figure, sample } from './figure.ts';
import { REGISTRATION_PORT, residentMegabytes, startManager } from './manager.ts';
import { Role } from './role.ts';
import type { ServerOptions } from './roles/server.ts';

const SERVICES = 3;
/** It has come to rest by then, ms: V8 gives back what the start took once it sees that little happens. */
const REST = 15_000;

/** Measures; needs root. */
export async function idleFigures({ runs }: { readonly runs: number }): Promise<Figure[]> {
  const network = new Network();
  const directory = mkdtempSync(join(tmpdir(), 'bivouac-idle-'));
  let row: Row | undefined;
  try {
    row = await threeRouters();
    const start = (namespace: Namespace, name: string): ReturnType<typeof startManager> => {
      const home = join(directory, name);
      mkdirSync(home);
      return startManager(network, namespace, home, {
        access: ['lan'],
        routing: { sockets: row!.a.frr.directory },
      });
    };
    const starts: number[] = [];
    const bareStarts: number[] = [];
    const alone = cell(network);
    for (let run = 0; run < runs; run++) {
      const manager = await start(alone.appliance, `start${run}`);
      starts.push(manager.startMs);
      bareStarts.push(bareNode());
      await manager.stop();
    }
    // They rest all at the same time, each in a cell of its own.
    const resting: number[] = [];
    for (let run = 0; run < runs; run++) {
      const { appliance, servers } = cell(network);
      resting.push((await start(appliance, `rest${run}`)).pid);
      const role = serve(network, servers);
      for (let index = 0; index < SERVICES; index++)
        await role.until('up', 0, said => said['registration'] === index && said['count'] === 1);
    }
    const bare = alone.servers.node('setInterval(() => {}, 1000)').pid;
    await new Promise(resolve => setTimeout(resolve, REST));
    const memory = sample(resting.map(residentMegabytes));
    return [
      {
        name: `memory of the manager at rest, with ${SERVICES} services`,
        unit: 'MB',
        ours: memory,
        beside: [{ name: 'node that does nothing', sample: sample([residentMegabytes(bare)]) }],
        goal: 'under 80 MB',
        met: memory.median < 80,
      },
      {
        name: 'manager, from exec to ready',
        unit: 'ms',
        ours: sample(starts),
        beside: [{ name: 'node that starts and ends', sample: sample(bareStarts) }],
        goal: 'under 500 ms',
        met: sample(starts).median < 500,
      },
    ];
  } finally {
    await network.dispose();
    await row?.dispose();
    rmSync(directory, { recursive: true, force: true });
  }
}

function cell(network: Network): { readonly appliance: Namespace; readonly servers: Namespace } {
  const [appliance, servers] = [network.namespace('appliance'), network.namespace('servers')];
  network.veth(
    { in: appliance, name: 'lan', addresses: ['10.1.0.1/24'] },
    { in: servers, name: 'eth0', addresses: ['10.1.0.2/24'] },
  );
  return { appliance, servers };
}

const serve = (network: Network, servers: Namespace): Role =>
  new Role(network, servers, 'server', {
    name: 'server',
    answer: 80,
    registrations: Array.from({ length: SERVICES }, (_, index) => ({
      name: `server${index}`,
      manager: `10.1.0.1:${REGISTRATION_PORT}`,
      services: [{ name: `s${index}.bench`, protocol: 'http', ports: 80 }],
    })),
  } satisfies ServerOptions);

function bareNode(): number {
  const begun = now();
  execFileSync(process.execPath, ['-e', '']);
  return now() - begun;
}
