/**
 * What people use today for a VIP that moves: keepalived on two servers that share one subnet. The server that has the VIP is unplugged;
 * the figure is the time without an answer at a client one router away that sends each 5 ms by UDP.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Network } from '../../test/support/netns.ts';
import { poll } from '../scenario/poll.ts';
import { type Cell, makeCell, SERVERS, type ServerName } from './cell.ts';
import { Role } from './role.ts';
import type { ClientOptions } from './roles/client.ts';
import type { ServerOptions } from './roles/server.ts';

/** In the servers' own subnet: keepalived's VIPs cannot be anywhere else. */
const SHARED_VIP = '10.1.0.100';
/** A client is served that long before anything happens, ms. */
const STEADY = 300;

/** Times without an answer, ms; `interval`: of its advertisements, s (1 unless told; below that VRRP has to be of version 3). */
export async function keepalivedMoves(runs: number, interval: number): Promise<number[]> {
  const network = new Network();
  const directory = mkdtempSync(join(tmpdir(), 'bivouac-keepalived-'));
  try {
    const cell = makeCell(network);
    for (const name of SERVERS) {
      new Role(network, cell.servers[name], 'server', { name, answer: 80 } satisfies ServerOptions);
      start(network, cell, name, directory, interval);
    }
    const options = { address: SHARED_VIP, port: 80, via: 'udp', interval: 5 } satisfies ClientOptions;
    const client = new Role(network, cell.client, 'client', options);
    const gaps: number[] = [];
    for (let run = 0; run < runs; run++) gaps.push(await move(cell, client, interval));
    return gaps;
  } finally {
    await network.dispose();
    rmSync(directory, { recursive: true, force: true });
  }
}

function start(
  network: Network,
  cell: Cell,
  name: ServerName,
  directory: string,
  interval: number,
): ChildProcess {
  const own = join(directory, name);
  mkdirSync(own);
  const file = join(own, 'keepalived.conf');
  writeFileSync(
    file,
    `global_defs {
  router_id ${name}
  vrrp_version 3
}
vrrp_instance shared {
  state BACKUP
  nopreempt
  interface eth0
  virtual_router_id 7
  priority ${100 + SERVERS.indexOf(name)}
  advert_int ${interval}
  virtual_ipaddress {
    ${SHARED_VIP}/32 dev eth0
  }
}
`,
  );
  const words = ['--dont-fork', '--vrrp', '--log-console', '--use-file', file];
  const files = ['--pid', join(own, 'pid'), '--vrrp_pid', join(own, 'vrrp.pid')];
  const child = spawn('ip', ['netns', 'exec', cell.servers[name].name, 'keepalived', ...words, ...files], {
    stdio: 'ignore',
  });
  network.adopt(child);
  return child;
}

async function move(cell: Cell, client: Role, interval: number): Promise<number> {
  await client.ask('start', 'answered');
  await new Promise(resolve => setTimeout(resolve, STEADY));
  const { server } = await client.ask<{ server: ServerName }>('who', 'served');
  const { mark } = client;
  cell.cable(server, false);
  const { gap } = await client.until<{ gap: number }>('switched', mark, said => said['from'] === server);
  await client.ask('stop', 'stopped');
  cell.cable(server, true);
  // It is a backup again once it has heard the other one: it must not have the VIP any more.
  await poll(`${server} is a backup`, () => !cell.servers[server].ip('-4 address').includes(SHARED_VIP));
  await new Promise(resolve => setTimeout(resolve, STEADY + 1000 * interval));
  return gap;
}
