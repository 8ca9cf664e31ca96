/**
 * What a client sees of a server that dies: the time from the last answer of one server to the first of another, for a client that
 * sends every 5 ms and is kept at one server by its address. Ours and haproxy each have a cell of their own, and take turns.
 *
 * `killed`: the server's process, which has registered itself by the SDK, gets SIGKILL. `cut off`: its port of the switch goes down, so
 * that neither appliance nor client is told. By UDP all comes from one port, so that an established flow has to move; haproxy has no UDP.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServiceOptions } from '../../sdk/index.ts';
import { Network } from '../../test/support/netns.ts';
import { type Cell, makeCell, SERVERS, type ServerName, VIP } from './cell.ts';
import { type Figure, ratios, sample } from './figure.ts';
import { startHaproxy } from './haproxy.ts';
import { REGISTRATION_PORT, startManager } from './manager.ts';
import { Role } from './role.ts';
import type { ClientOptions } from './roles/client.ts';
import type { ServerOptions } from './roles/server.ts';

const INTERVAL = 5;
/** A client is served that long before anything happens, ms. */
const STEADY = 300;

type Via = ClientOptions['via'];
type Failure = 'killed' | 'cut';

/** A cell in which something balances two servers. */
interface Side {
  readonly cell: Cell;
  readonly clients: Readonly<Partial<Record<Via, Role>>>;
  readonly processes: Record<ServerName, Role>;
  /** What its servers register, if they do. */
  readonly registrations: (name: ServerName) => ServerOptions['registrations'];
  /** What the balancer last logged, for a failure. */
  readonly log: () => string;
  /** Waits until the server, which has just been started or connected, is served again. */
  readonly untilUp: (name: ServerName, since: number) => Promise<void>;
}

/** Measures; needs root, and haproxy for the peer. */
export async function failoverFigures({ runs }: { readonly runs: number }): Promise<Figure[]> {
  const network = new Network();
  const directory = mkdtempSync(join(tmpdir(), 'bivouac-failover-'));
  try {
    const ours = await makeOurs(network, directory);
    const peer = await makePeer(network, join(directory, 'plain'), false);
    const eager = await makePeer(network, join(directory, 'eager'), true);
    const gaps = new Map<string, number[]>();
    const note = async (name: string, side: Side, via: Via, failure: Failure): Promise<void> => {
      const gap = await measure(network, side, via, failure).catch((error: Error) => {
        throw new Error(`${name}, run ${(gaps.get(name)?.length ?? 0) + 1}: ${error.message}${side.log()}`);
      });
      gaps.set(name, [...(gaps.get(name) ?? []), gap]);
    };
    for (let run = 0; run < runs; run++)
      for (const failure of ['killed', 'cut'] as const) {
        await note(`ours tcp ${failure}`, ours, 'tcp', failure);
        await note(`peer tcp ${failure}`, peer, 'tcp', failure);
        await note(`eager tcp ${failure}`, eager, 'tcp', failure);
        await note(`ours udp ${failure}`, ours, 'udp', failure);
      }
    const of = (name: string): readonly number[] => gaps.get(name)!;
    const figure = (name: string, via: Via, failure: Failure, limit: number): Figure => {
      const mine = sample(of(`ours ${via} ${failure}`));
      const ratio = ratios(of(`ours ${via} ${failure}`), of(`peer tcp ${failure}`));
      const killed = failure === 'killed';
      return {
        name,
        unit: 'ms',
        ours: mine,
        beside: [
          {
            name: `haproxy, inter 100ms fall 2${via === 'udp' ? ' (by TCP)' : ''}`,
            sample: sample(of(`peer tcp ${failure}`)),
          },
          {
            name: 'haproxy, the same with redispatch at once',
            sample: sample(of(`eager tcp ${failure}`)),
          },
        ],
        ratio,
        goal: killed ? `under ${limit} ms, and under 0.25 × haproxy's` : `under ${limit} ms`,
        met: mine.median < limit && (!killed || ratio.median < 0.25),
      };
    };
    return [
      figure('server process killed: last answer → first from another, TCP', 'tcp', 'killed', 25),
      figure('server process killed: last answer → first from another, UDP', 'udp', 'killed', 25),
      figure('server host cut off silently: last answer → first from another, TCP', 'tcp', 'cut', 350),
      figure('server host cut off silently: last answer → first from another, UDP', 'udp', 'cut', 350),
    ];
  } finally {
    await network.dispose();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** One failure, and the repair after it. */
async function measure(network: Network, side: Side, via: Via, failure: Failure): Promise<number> {
  const { cell, processes } = side;
  const client = side.clients[via]!;
  await client.ask('start', 'answered');
  // A farm that has just changed may still move it.
  await new Promise(resolve => setTimeout(resolve, STEADY));
  const { server } = await client.ask<{ server: ServerName }>('who', 'served');
  const { mark } = client;
  const victim = processes[server];
  const since = victim.mark;
  if (failure === 'killed') victim.child.kill('SIGKILL');
  else cell.cable(server, false);
  const { gap } = await client.until<{ gap: number }>('switched', mark, said => said['from'] === server);
  await client.ask('stop', 'stopped');
  if (failure === 'killed') {
    processes[server] = serve(network, side, server);
    await side.untilUp(server, 0);
  } else {
    // Whoever watches it has given it up before it comes back.
    await new Promise(resolve => setTimeout(resolve, 2 * STEADY));
    cell.cable(server, true);
    await side.untilUp(server, since);
  }
  return gap;
}

const serve = (
  network: Network,
  { cell, registrations }: Omit<Side, 'processes'>,
  name: ServerName,
): Role => {
  const registered = registrations(name);
  const options: ServerOptions = { name, answer: 80, ...(registered && { registrations: registered }) };
  return new Role(network, cell.servers[name], 'server', options);
};

const client = (network: Network, cell: Cell, via: Via): Role =>
  new Role(network, cell.client, 'client', {
    address: VIP,
    port: 80,
    via,
    interval: INTERVAL,
  } satisfies ClientOptions);

async function makeOurs(network: Network, directory: string): Promise<Side> {
  const cell = makeCell(network);
  const manager = await startManager(network, cell.appliance, directory, { access: ['lan'] });
  const service: Omit<ServiceOptions, 'transport'> = {
    name: 'www.bench',
    protocol: 'http',
    ports: 80,
    vip: VIP,
    check: { kind: 'tcp', port: 80, interval: 1000 },
    forward: { scheduler: 'source-hash' },
  };
  const base = {
    cell,
    clients: { tcp: client(network, cell, 'tcp'), udp: client(network, cell, 'udp') },
    registrations: (name: ServerName): ServerOptions['registrations'] => [
      {
        name,
        manager: `10.1.0.1:${REGISTRATION_PORT}`,
        services: [
          { ...service, transport: 'tcp' },
          { ...service, transport: 'udp' },
        ],
      },
    ],
  };
  const processes = {} as Record<ServerName, Role>;
  const side: Side = {
    ...base,
    processes,
    log: () => `\n${manager.log().slice(-3000)}`,
    untilUp: async (name, since) =>
      void (await processes[name].until('up', since, said => said['count'] === 2)),
  };
  return started(network, side);
}

async function makePeer(network: Network, directory: string, redispatch: boolean): Promise<Side> {
  const cell = makeCell(network);
  mkdirSync(directory, { recursive: true });
  const haproxy = await startHaproxy(network, cell.appliance, directory, redispatch);
  return started(network, {
    cell,
    clients: { tcp: client(network, cell, 'tcp') },
    processes: {} as Record<ServerName, Role>,
    registrations: () => undefined,
    log: () => '',
    untilUp: name => haproxy.untilUp(name),
  });
}

async function started(network: Network, side: Side): Promise<Side> {
  for (const name of SERVERS) side.processes[name] = serve(network, side, name);
  for (const name of SERVERS) await side.untilUp(name, 0);
  return side;
}
