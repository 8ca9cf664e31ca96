/**
 * What a client sees of a server whose process is killed: the manager with either driver, which hears of it by the server's registration, and
 * keepalived, which checks each 100 ms and twice. A client of TCP that is kept at one server by its address asks every few ms.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Network } from '../../../test/support/netns.ts';
import { addressOf, type Cell, makeCell, SERVERS, type ServerName, VIP } from '../cell.ts';
import { REGISTRATION_PORT, startManager } from '../manager.ts';
import { Role } from '../role.ts';
import type { ClientOptions } from '../roles/client.ts';
import type { ServerOptions } from '../roles/server.ts';
import {
  BALANCERS,
  type Balancer,
  inTurn,
  type Measured,
  nothing,
  startKeepalived,
  untilServed,
} from './balancers.ts';

/** ms between two requests. */
const INTERVAL = 20;
/** A client is served that long before anything happens, ms. */
const STEADY = 1000;
/** Seconds. */
const PERSISTENCE = 600;
/** ms; emulation is slow to start a program. */
const LONG = 120_000;

interface Side {
  readonly balancer: Balancer;
  readonly network: Network;
  readonly cell: Cell;
  readonly processes: Map<ServerName, Role>;
}

export async function measureFailover({ runs }: { readonly runs: number }): Promise<Measured> {
  const network = new Network();
  const gaps = nothing();
  try {
    const sides = new Map<Balancer, Side>();
    for (const balancer of BALANCERS) sides.set(balancer, await makeSide(network, balancer));
    for (let run = 0; run < runs; run++)
      for (const balancer of inTurn(run)) gaps[balancer].push(await kill(sides.get(balancer)!));
    return gaps;
  } finally {
    await network.dispose();
  }
}

async function makeSide(network: Network, balancer: Balancer): Promise<Side> {
  const directory = mkdtempSync(join(tmpdir(), `bivouac-${balancer}-`));
  const cell = makeCell(network);
  const side: Side = { balancer, network, cell, processes: new Map() };
  if (balancer !== 'keepalived') {
    // What is emulated may be silent for long; a connection that ends says at once that its server has.
    const sessions = { heartbeat: 5000 };
    const config = { access: ['lan'], dataplane: { driver: balancer }, sessions };
    await startManager(network, cell.appliance, directory, config, LONG);
  }
  for (const name of SERVERS) await start(side, name);
  if (balancer === 'keepalived')
    await startKeepalived(cell.appliance, directory, {
      ...{ vip: VIP, ports: [80], servers: SERVERS.map(addressOf), kind: 'NAT' },
      ...{ persistence: PERSISTENCE, checks: true },
    });
  return side;
}

/** Starts a server, and waits until it is served. */
async function start({ balancer, network, cell, processes }: Side, name: ServerName): Promise<void> {
  const forward = { mode: 'nat', affinity: PERSISTENCE } as const;
  const check = { kind: 'none' } as const;
  const services = [{ name: 'www.bench', protocol: 'http', ports: 80, vip: VIP, check, forward }];
  const registered = balancer !== 'keepalived';
  const options: ServerOptions = {
    ...{ name, answer: 80 },
    ...(registered && { registrations: [{ name, manager: `10.1.0.1:${REGISTRATION_PORT}`, services }] }),
  };
  const role = new Role(network, cell.servers[name], 'server', options);
  processes.set(name, role);
  if (registered) await role.until('up', 0, said => said['count'] === 1, LONG);
}

/** One failure, and the repair after it. */
async function kill(side: Side): Promise<number> {
  const { network, cell, processes, balancer } = side;
  const options = { address: VIP, port: 80, via: 'tcp', interval: INTERVAL } satisfies ClientOptions;
  const client = new Role(network, cell.client, 'client', options);
  client.tell('start');
  await client.until('answered', 0, () => true, LONG);
  await new Promise(resolve => setTimeout(resolve, STEADY));
  const { mark } = client;
  client.tell('who');
  const { server } = await client.until<{ server: ServerName }>('served', mark, () => true, LONG);
  processes.get(server)!.child.kill('SIGKILL');
  const { gap } = await client.until<{ gap: number }>(
    'switched',
    mark,
    said => said['from'] === server,
    LONG,
  );
  client.child.kill('SIGKILL');
  await start(side, server);
  if (balancer === 'keepalived') await untilServed(cell.appliance, SERVERS.map(addressOf));
  return gap;
}
