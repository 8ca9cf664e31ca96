/** The manager at rest: how long it takes from exec to ready, and what it holds in memory then, with a few services. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Network } from '../../test/support/netns.ts';
import { type Row, threeRouters } from '../../test/support/routing.ts';
import { now } from './clock.ts';
import { type Figure, sample } from './figure.ts';
import { REGISTRATION_PORT, residentMegabytes, startManager } from './manager.ts';
import { Role } from './role.ts';
import type { ServerOptions } from './roles/server.ts';

const SERVICES = 3;
/** It has come to rest by then, ms. */
const REST = 1500;

/** Measures; needs root. */
export async function idleFigures({ runs }: { readonly runs: number }): Promise<Figure[]> {
  const network = new Network();
  const directory = mkdtempSync(join(tmpdir(), 'bivouac-idle-'));
  let row: Row | undefined;
  try {
    row = await threeRouters();
    const { namespace, frr } = row.a;
    const servers = network.namespace('servers');
    network.veth(
      { in: namespace, name: 'lan', addresses: ['10.1.0.1/24'] },
      { in: servers, name: 'eth0', addresses: ['10.1.0.2/24'] },
    );
    const options: ServerOptions = {
      name: 'server',
      answer: 80,
      registrations: Array.from({ length: SERVICES }, (_, index) => ({
        name: `server${index}`,
        manager: `10.1.0.1:${REGISTRATION_PORT}`,
        services: [{ name: `s${index}.bench`, protocol: 'http', ports: 80 }],
      })),
    };
    const starts: number[] = [];
    const bareStarts: number[] = [];
    const memory: number[] = [];
    for (let run = 0; run < runs; run++) {
      const home = join(directory, `${run}`);
      mkdirSync(home);
      const manager = await startManager(network, namespace, home, {
        access: ['lan'],
        routing: { sockets: frr.directory },
      });
      starts.push(manager.startMs);
      bareStarts.push(bareNode());
      const role = new Role(network, servers, 'server', options);
      for (let index = 0; index < SERVICES; index++)
        await role.until('up', 0, said => said['registration'] === index);
      await new Promise(resolve => setTimeout(resolve, REST));
      memory.push(residentMegabytes(manager.pid));
      await role.stop();
      await manager.stop();
    }
    return [
      {
        name: `memory of the manager at rest, with ${SERVICES} services`,
        unit: 'MB',
        ours: sample(memory),
        beside: [],
        goal: 'under 80 MB',
        met: sample(memory).median < 80,
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

function bareNode(): number {
  const begun = now();
  execFileSync(process.execPath, ['-e', '']);
  return now() - begun;
}
