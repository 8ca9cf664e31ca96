/**
 * 1,000 established TCP flows through one VIP, by a client two OSPF hops away: how many are lost when the farm changes, the
 * configuration is read again, the daemon is killed and started anew, FRR is restarted (after a word to its neighbours, and without). Each flow's bytes are looked at.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Network } from '../../test/support/netns.ts';
import { type Row, threeRouters } from '../../test/support/routing.ts';
import { poll } from '../scenario/poll.ts';
import { type Figure, sample } from './figure.ts';
import { type BenchManager, REGISTRATION_PORT, startManager } from './manager.ts';
import { Role } from './role.ts';
import type { FlowsChecked, FlowsOptions } from './roles/flows.ts';
import type { ServerOptions } from './roles/server.ts';

const VIP = '10.50.0.1';
const COUNT = 1000;

/** Measures; needs root. */
export async function flowFigures({ runs }: { readonly runs: number }): Promise<Figure[]> {
  const network = new Network();
  const directory = mkdtempSync(join(tmpdir(), 'bivouac-flows-'));
  let row: Row | undefined;
  try {
    row = await threeRouters({
      graceful: true,
      extra: { a: 'router ospf\n redistribute kernel metric-type 1\n redistribute connected\nexit\n' },
    });
    const { a, c } = row;
    const launch = (): Promise<BenchManager> =>
      startManager(network, a.namespace, directory, {
        access: ['lan'],
        routing: { kind: 'external', sockets: a.frr.directory },
      });
    let manager = await launch();
    const start = serversOf(network, row);
    const servers = [start(1), start(2)];
    for (const server of servers) await server.until('up', 0, said => said['count'] === 1);
    await poll('the VIP is routed', () => c.namespace.ip(`route show ${VIP}`).includes('via'), {
      timeout: 30_000,
    });
    const client = new Role(network, c.namespace, 'flows', {
      address: VIP,
      port: 7,
      count: COUNT,
      interval: 250,
      patience: 30_000,
    } satisfies FlowsOptions);
    const check = (): Promise<FlowsChecked> => client.ask<FlowsChecked>('check', 'checked', 60_000);
    await poll('all flows are established', async () => (await check()).alive === COUNT);

    const restarted = async (signal?: NodeJS.Signals): Promise<void> => {
      await a.frr.restart(signal);
      await poll('the VIP is routed again', () => c.namespace.ip(`route show ${VIP}`).includes('via'), {
        timeout: 60_000,
      });
    };
    const events: Readonly<Record<string, (run: number) => Promise<void>>> = {
      'the farm changing (a third server comes, the second drains and is back, the third goes)': async () => {
        const third = start(3);
        await third.until('up', 0, said => said['count'] === 1);
        const { mark } = servers[1]!;
        servers[1]!.tell('report draining 0');
        await servers[1]!.until('up', mark, said => said['count'] === 0);
        await check();
        servers[1]!.tell('report up 0');
        await servers[1]!.until('up', mark, said => said['count'] === 1);
        await third.ask('stop 0', 'stopped');
        await third.stop();
      },
      'a reload with a changed configuration': run =>
        manager.reload({ pools: ['10.50.0.0/16', `10.51.${run}.0/24`], lease: { duration: 1800 + run } }),
      'the daemon killed (SIGKILL) and started again': async () => {
        const marks = servers.map(server => server.mark);
        await manager.stop('SIGKILL');
        manager = await launch();
        for (const [index, server] of servers.entries())
          await server.until('state', marks[index], said => said['state'] === 'registered');
      },
      'a graceful restart of FRR (RFC 3623)': () => restarted(),
      'a restart of FRR that its neighbours are not told of': () => restarted('SIGTERM'),
    };
    const lost = new Map<string, number[]>(Object.keys(events).map(name => [name, []]));
    const waits = new Map<string, number[]>(Object.keys(events).map(name => [name, []]));
    for (let run = 0; run < runs; run++)
      for (const [name, happen] of Object.entries(events)) {
        const logged = manager.log().length;
        const before = manager;
        await happen(run);
        const { alive, lost: reasons, longest } = await check();
        if (alive < COUNT) {
          const log = manager === before ? manager.log().slice(logged) : manager.log();
          console.log(`${name}, run ${run + 1}: lost ${JSON.stringify(reasons)}\n${log.slice(-2000)}`);
        }
        lost.get(name)!.push(COUNT - alive);
        waits.get(name)!.push(longest);
      }
    return Object.keys(events).map(name => ({
      name: `flows of ${COUNT} lost by ${name}`,
      unit: 'flows',
      ours: sample(lost.get(name)!),
      beside: [
        { name: 'the longest that a flow waited for its echo', unit: 'ms', sample: sample(waits.get(name)!) },
      ],
      goal: 'none lost, ever',
      met: sample(lost.get(name)!).max === 0,
    }));
  } finally {
    await network.dispose();
    await row?.dispose();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Servers behind the row's first router, by number: 10.1.0.11, 10.1.0.12… */
function serversOf(network: Network, row: Row): (number: number) => Role {
  const lan = network.lan('switch', { in: row.a.namespace, name: 'lan', addresses: ['10.1.0.1/24'] });
  const namespaces = [1, 2, 3].map(number => {
    const namespace = network.namespace(`server${number}`);
    network.plug(lan, { in: namespace, name: 'eth0', addresses: [`10.1.0.${10 + number}/24`] });
    namespace.ip('route add default via 10.1.0.1');
    return namespace;
  });
  return number => {
    const options: ServerOptions = {
      name: `server${number}`,
      echo: 7,
      registrations: [
        {
          name: `server${number}`,
          manager: `10.1.0.1:${REGISTRATION_PORT}`,
          services: [{ name: 'echo.bench', protocol: 'echo', ports: 7, vip: VIP, check: { kind: 'tcp' } }],
        },
      ],
    };
    return new Role(network, namespaces[number - 1]!, 'server', options);
  };
}
