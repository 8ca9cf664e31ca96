/**
 * The main job, end to end, on the reference network: servers boot and are found; clients two routers away never notice what dies.
 */
import { poll, timed } from '../scenario/poll.ts';
import { check, type Measured, type Scenario, type Stage } from '../scenario/scenario.ts';
import { bringUpRouting } from './bringup.ts';
import { callFrom, Flows, pause, Stream, streamFor } from './clients.ts';
import { cut, mend } from './cut.ts';
import { answers, ended, type ServerRow, show, signalPart, startPart, vipOf } from './managers.ts';
import { interfaceTo, ospfRoutes } from './ospf.ts';
import { checkQuery } from './query.ts';
import { differences, type Snapshot, snapshot } from './snapshot.ts';

/** The web farm of cells a and b: one VIP, anycast. */
const SHARED = '10.255.0.80';
const WEB = ['a-web1', 'a-web2', 'a-web3'];
const MCU = ['a-mcu1', 'a-mcu2'];
const FLOWS = 100;

export const story: Scenario = {
  summary: 'servers register, clients reach them by VIP and by anycast ARP, things die',
  // Cell a is started by the story, so that it can be measured and compared with what it leaves.
  hold: node =>
    node.name === 'a-appliance' ||
    node.group === 'mobile' ||
    (node.name.startsWith('a-') && node.group === 'server'),
  async run(stage) {
    await bringUpRouting(stage, ['a-appliance']);
    const found = await startManager(stage);
    const vips = await bootServers(stage);
    await useThem(stage, vips);
    await killServers(stage, vips);
    await anycast(stage);
    await restartManager(stage);
    await leaveNothing(stage, found);
  },
};

/** Gives how the nodes of cell a were found before anything of Bivouac ran there. */
async function startManager({ node, step }: Stage): Promise<ReadonlyMap<string, Snapshot>> {
  const manager = node('a-appliance');
  const cell = ['a-appliance', ...WEB, ...MCU];
  const found = new Map(
    await Promise.all(cell.map(async name => [name, await snapshot(node(name))] as const)),
  );
  await step('the manager of cell a starts', async () => {
    const { ms } = await timed(async () => {
      await startPart(manager, 'manager');
      await answers(manager);
    });
    return { 'ms until it answers': ms };
  });
  return found;
}

interface Vips {
  readonly web: string;
  readonly mcu: string;
}

async function bootServers({ node, step }: Stage): Promise<Vips> {
  let vips: Vips = { web: '', mcu: '' };
  await step('five servers of cell a boot, register, are leased VIPs, and are routed', async () => {
    const start = performance.now();
    await Promise.all([...WEB, ...MCU].map(name => node(name).boot()));
    const manager = node('a-appliance');
    const [web, mcu] = await Promise.all([
      vipOf(manager, 'www.a.bivouac.test', WEB.length),
      vipOf(manager, 'mcu.a.bivouac.test', MCU.length),
      // The one that is shared among cells.
      vipOf(manager, 'www.bivouac.test', WEB.length),
    ]);
    const registered = performance.now() - start;
    vips = { web, mcu };
    await poll(`hq routes ${web} and ${mcu}`, async () => {
      const routes = await ospfRoutes(node('hq'));
      return routes.includes(web) && routes.includes(mcu);
    });
    await node('hq-client1').must(['curl', '-s', '-m', '5', `http://${web}/`]);
    return {
      ...{ web, mcu },
      'all up after ms': registered,
      'fetched by headquarters after ms': performance.now() - start,
    };
  });
  return vips;
}

async function useThem({ node, step }: Stage, { web, mcu }: Vips): Promise<void> {
  for (const [mode, vip] of [
    ['nat', SHARED],
    ['direct', web],
  ] as const)
    await step(`a client two routers away is balanced over the farm (${mode})`, async () => {
      const { servers, answered, failed } = await streamFor(node('hq-client1'), vip, 1000);
      check(failed === 0, `${failed} of ${answered + failed} connections failed`);
      const missing = WEB.filter(name => !servers[name]);
      check(missing.length === 0, `never served by ${missing.join(', ')}`);
      return { connections: answered, ...servers };
    });

  const asks = {
    'on the link of cell a, by anycast ARP': ['a-client', '--link', 'eth1'],
    'from headquarters, by anycast ARP over UDP': ['hq-client1'],
  };
  for (const [where, [client = '', ...link]] of Object.entries(asks))
    await step(`"which conference servers, how healthy?" ${where}; a call to the best`, async () => {
      const call = await callFrom(node(client), '--ask', mcu, ...link);
      const { servers = [], roundTrip = 0, sent, returned, server } = call;
      check(servers.length === MCU.length, `told of ${servers.length} servers, not ${MCU.length}`);
      check(returned === sent, `${sent - returned} of ${sent} media packets were lost`);
      const addresses = servers.map(({ address }) => address);
      await checkQuery(
        node(client),
        { vip: mcu, name: 'mcu.a.bivouac.test', protocol: 'h323', addresses },
        link,
      );
      return {
        'asked in ms': roundTrip,
        scores: servers.map(({ address, score }) => `${address} ${score}`).join(', '),
        ...{ picked: server, 'call set up in ms': call.setup, 'media packets': returned },
      };
    });
}

/** Every way to lose a server, with a client at headquarters that asks each 5 ms. */
async function killServers({ node, step }: Stage, { web }: Vips): Promise<void> {
  const client = node('hq-client1');
  const back = (): Promise<string> => vipOf(node('a-appliance'), 'www.bivouac.test', WEB.length);

  /** Loses the server that a UDP flow is with: the flow's gap, and what new connections see. */
  const lose = async (how: (server: string) => Promise<void> | void, wait: number): Promise<Measured> => {
    const [flow, connections] = await Promise.all([
      Stream.start(client, `${web}:7`, { via: 'udp' }),
      Stream.start(client, SHARED),
    ]);
    await pause(300);
    await how(flow.server);
    await pause(wait);
    const [one, many] = await Promise.all([flow.stop(), connections.stop()]);
    const { from, to, ms } = one.lastMove;
    check(
      one.moves === 1 && from === flow.server,
      `the flow moved ${one.moves} times, last from ${from} to ${to}; it was with ${flow.server}`,
    );
    return {
      'gap of a flow ms': ms,
      'taken over': `${from} → ${to}`,
      'new connections disturbed for ms': many.affected,
      answered: many.answered,
      failed: failuresOf(many.failures),
    };
  };

  await step('a web server is killed', async () => {
    let victim = '';
    const measured = await lose(server => {
      victim = server;
      node(server).crash();
    }, 1000);
    await node(victim).boot();
    await back();
    return measured;
  });

  await step('a server host vanishes silently', async () => {
    let victim = '';
    const measured = await lose(server => {
      victim = server;
      return cut(node(server), 'eth1');
    }, 2500);
    await mend(node(victim), 'eth1');
    await back();
    return measured;
  });

  await step('a server is drained: no connection fails', async () => {
    const stream = await Stream.start(client, SHARED);
    await pause(300);
    await signalPart(node('a-web3'), 'agent', 'TERM');
    await ended(node('a-web3'), 'agent');
    await pause(300);
    const { longestGap, failures, failed, answered } = await stream.stop();
    check(failed === 0, `failed: ${failuresOf(failures)}`);
    const after = await streamFor(client, SHARED, 300);
    check(!after.servers['a-web3'], 'it still gets connections');
    await startPart(node('a-web3'), 'agent');
    await back();
    return { 'longest gap ms': longestGap.ms, answered, failed };
  });
}

async function anycast({ lab, node, step }: Stage): Promise<void> {
  const uplink = interfaceTo(lab.topology, 'core1', 'a-appliance');

  await step('one VIP at cells a and b: each client gets the nearest', async () => {
    const [near, far] = await Promise.all([
      streamFor(node('hq-client1'), SHARED, 300),
      streamFor(node('c-client'), SHARED, 300),
    ]);
    for (const [who, { servers }, cell] of [
      ['headquarters', near, 'a-'],
      ['cell c', far, 'b-'],
    ] as const)
      check(
        Object.keys(servers).every(name => name.startsWith(cell)),
        `${who} was served by ${Object.keys(servers).join(', ')}`,
      );
    return {
      'headquarters by': Object.keys(near.servers).length,
      'cell c by': Object.keys(far.servers).length,
    };
  });

  await step('cell a is cut off: its clients are served by cell b, and come back', async () => {
    const stream = await Stream.start(node('hq-client1'), SHARED);
    await pause(300);
    await cut(node('core1'), uplink);
    await pause(3000);
    const { longestGap, failures, servers, affected } = await stream.stop();
    check(
      Object.keys(servers).some(name => name.startsWith('b-')),
      'cell b never served',
    );
    await mend(node('core1'), uplink);
    const { ms } = await timed(() =>
      poll('headquarters is served by cell a again', async () => {
        const name = await node('hq-client1').must(['curl', '-s', '-m', '2', `http://${SHARED}/`]);
        return name.startsWith('a-');
      }),
    );
    return {
      'longest gap ms': longestGap.ms,
      'disturbed for ms': affected,
      failed: failuresOf(failures),
      'back after ms': ms,
    };
  });
}

async function restartManager({ node, step }: Stage): Promise<void> {
  await step(`the manager is killed and restarted under ${FLOWS} established flows`, async () => {
    const manager = node('a-appliance');
    const flows = await Flows.start(node('hq-client1'), `${SHARED}:7`, FLOWS);
    await signalPart(manager, 'manager', 'KILL');
    await pause(1000);
    const { ms } = await timed(async () => {
      await startPart(manager, 'manager');
      await poll('all servers are connected again', async () => {
        const servers = await show<ServerRow>(manager, 'servers');
        const connected = servers.filter(server => server.state === 'connected');
        return connected.length === WEB.length + MCU.length;
      });
    });
    await pause(500);
    const { alive, lost, stuck, longestGap } = await flows.stop();
    check(alive === FLOWS && stuck === 0, `${alive} alive, ${stuck} stuck, lost: ${failuresOf(lost)}`);
    return { alive, 'longest gap ms': longestGap, 'all servers back after ms': ms };
  });
}

async function leaveNothing({ node, step }: Stage, found: ReadonlyMap<string, Snapshot>): Promise<void> {
  const changes = async (names: readonly string[]): Promise<string[]> => {
    const changed = await Promise.all(
      names.map(async name => {
        const now = await snapshot(node(name));
        return differences(found.get(name)!, now).map(line => `${name}: ${line}`);
      }),
    );
    return changed.flat();
  };

  await step('the manager stops in good order: its clients go to cell b, and it leaves nothing', async () => {
    const manager = node('a-appliance');
    const stream = await Stream.start(node('hq-client1'), SHARED);
    await pause(300);
    await signalPart(manager, 'manager', 'TERM');
    await ended(manager, 'manager');
    await pause(500);
    const { failures, longestGap, servers } = await stream.stop();
    check(
      Object.keys(servers).some(name => name.startsWith('b-')),
      `cell b never served, only ${Object.keys(servers).join(', ')}`,
    );
    await poll('hq has no route to a VIP of cell a', async () => {
      const routes = await ospfRoutes(node('hq'));
      return !routes.some(route => route.startsWith('10.255.1.'));
    });
    const left = await changes(['a-appliance']);
    check(left.length === 0, `left behind: ${left.join('; ')}`);
    return { 'longest gap ms': longestGap.ms, failed: failuresOf(failures) };
  });

  await step('the agents stop in good order, and leave nothing', async () => {
    const servers = [...WEB, ...MCU];
    const { ms } = await timed(() =>
      Promise.all(
        servers.map(async name => {
          await signalPart(node(name), 'agent', 'TERM');
          await ended(node(name), 'agent');
        }),
      ),
    );
    const left = await changes(servers);
    check(left.length === 0, `left behind: ${left.join('; ')}`);
    return { ms: ms };
  });
}

/** `ECONNRESET 3, timeout 1`; `none` when there are none. */
const failuresOf = (failures: Readonly<Record<string, number>>): string =>
  Object.entries(failures)
    .map(([reason, count]) => `${reason} ${count}`)
    .join(', ') || 'none';
