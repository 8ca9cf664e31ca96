/**
 * A conference client in the manner of H.323 that knows a GSLB and nothing else: by anycast ARP it learns of managers, and of them the
 * conference servers' unique addresses. Then its way fails, in three ways.
 */
import type { LabNode } from '../runner/node.ts';
import { poll, timed } from '../scenario/poll.ts';
import { check, type Measured, type Scenario, type Stage } from '../scenario/scenario.ts';
import { bringUpRouting } from './bringup.ts';
import { type Call, callFrom } from './clients.ts';
import { cut, mend } from './cut.ts';
import {
  ADDRESS,
  CELLS,
  type Cell,
  explain,
  GSLBS,
  resolveBy,
  startManagers,
  startWan,
  type Vips,
} from './gslb-world.ts';
import { vipOf } from './managers.ts';
import { interfaceTo } from './ospf.ts';

const NAME = 'mcu.bivouac.test';
/** Servers by cell, and their addresses. */
const SERVERS: Readonly<Record<Cell, Readonly<Record<string, string>>>> = {
  a: { 'a-mcu1': '10.1.0.11', 'a-mcu2': '10.1.0.12' },
  b: { 'b-mcu1': '10.2.0.11' },
  c: { 'c-mcu1': '10.3.0.11' },
};
const VIA = GSLBS.map(name => ADDRESS[name]).join(',');
/** Of media, ms. */
const TALK = ['--ms', '400'];
/** Between two transmissions: four times the longest way, ms. */
const PATIENCE = 500;

export const mcuByGslb: Scenario = {
  summary: 'a conference client that knows only a GSLB: managers, servers, a call; and when these fail',
  hold: node => ['appliance', 'gslb', 'server', 'mobile'].includes(node.group),
  async run(stage) {
    await bringUpRouting(
      stage,
      CELLS.map(cell => `${cell}-appliance`),
    );
    await startWan(stage);
    await startManagers(stage);
    const vips = await boot(stage);
    await byName(stage);
    await byApplication(stage);
    await byVip(stage, vips);
    await loseCell(stage);
    await loseAnycastArp(stage, vips);
    await loseGslb(stage);
  },
};

async function boot({ node, step }: Stage): Promise<Vips> {
  let vips: Partial<Vips> = {};
  await step('conference servers boot in all cells; both GSLBs know of them', async () => {
    await Promise.all(CELLS.flatMap(cell => Object.keys(SERVERS[cell])).map(name => node(name).boot()));
    vips = Object.fromEntries(
      await Promise.all(
        CELLS.map(async cell => {
          const count = Object.keys(SERVERS[cell]).length;
          return [cell, await vipOf(node(`${cell}-appliance`), NAME, count)] as const;
        }),
      ),
    );
    await Promise.all(
      GSLBS.map(name =>
        poll(`${name} knows ${NAME} in three cells`, async () => {
          const told = await explain(node(name), NAME, '10.0.0.101');
          return told.length === CELLS.length + 1 && told.slice(1).every(row => Number(row['score']) > 0);
        }),
      ),
    );
    return Object.fromEntries(CELLS.map(cell => [`VIP of cell ${cell}`, vips[cell]!]));
  });
  return vips as Vips;
}

/** The cell whose unique addresses a call was told of. */
function cellOf({ servers = [] }: Call): Cell {
  const told = servers.map(({ address }) => address).sort();
  const cell = CELLS.find(each => Object.values(SERVERS[each]).join() === told.join());
  check(cell !== undefined, `it was told of ${told.join(', ') || 'nobody'}`);
  return cell!;
}

/** A call by way of the GSLBs, as it must have gone: the servers of one cell at their own addresses, and one of them answers. */
async function callByGslb(
  client: LabNode,
  what: string,
): Promise<{ readonly cell: Cell; readonly call: Call }> {
  const call = await callFrom(client, '--ask', what, '--via', VIA, '--timeout', String(PATIENCE), ...TALK);
  const cell = cellOf(call);
  check(Object.keys(SERVERS[cell]).includes(call.server), `told of cell ${cell}, answered by ${call.server}`);
  return { cell, call };
}

const figuresOf = ({
  from,
  via,
  picked = 0,
  servers = [],
  server,
  setup,
  sent,
  returned,
}: Call): Measured => ({
  ...{
    by: `${via} → ${from}`,
    servers: servers.map(({ address, score }) => `${address} ${score}`).join(', '),
  },
  ...{ picked: server, 'after ms': picked, 'call set up in ms': setup, media: `${returned} of ${sent}` },
});

async function byName({ node, step }: Stage): Promise<void> {
  await step(
    'headquarters knows the GSLB and a name: managers, best first for it, then servers, then the call',
    async () => {
      const client = node('hq-client1');
      const call = await poll('it is called where the GSLB explains that it is best', async () => {
        const told = await explain(node('gslb1'), NAME, '10.0.0.101');
        const asked = await callByGslb(client, NAME);
        const best = told[1]!['site'] === `cell-${asked.cell}`;
        return best && asked.call.via === ADDRESS.gslb1 && asked.call;
      });
      return figuresOf(call);
    },
  );

  await step('a client in each cell does the same, and is sent to its own', async () => {
    const calls = await Promise.all(
      CELLS.map(async (own): Promise<[string, string]> => {
        const call = await poll(`the client of cell ${own} is sent to its own`, async () => {
          const asked = await callByGslb(node(`${own}-client`), NAME);
          return asked.cell === own && asked.call;
        });
        return [`cell ${own}`, `${call.server} after ${call.picked!.toFixed(0)} ms`];
      }),
    );
    return Object.fromEntries(calls);
  });
}

async function byApplication({ node, step }: Stage): Promise<void> {
  await step('who knows not even a name asks the GSLB for the application', async () => {
    const { call } = await callByGslb(node('hq-client1'), 'any');
    const words = ['bivouac', 'query', '--protocol', 'h323', '--via', ADDRESS.gslb2, '--json'];
    const printed = JSON.parse(await node('hq-client2').must(words)) as {
      readonly servers: readonly object[];
    };
    check(printed.servers.length > 0, 'bivouac query is told of nobody');
    return figuresOf(call);
  });
}

async function byVip({ node, step }: Stage, vips: Vips): Promise<void> {
  await step('who knows the anycast address asks that, wherever it leads, and no GSLB', async () => {
    const call = await callFrom(node('hq-client1'), '--ask', vips.b, '--timeout', String(PATIENCE), ...TALK);
    check(cellOf(call) === 'b' && call.via === undefined, `it was sent by ${call.via}`);
    return { ...figuresOf(call), by: `${vips.b} → ${call.from}` };
  });
}

async function loseCell({ lab, node, step }: Stage): Promise<void> {
  const client = node('hq-client1');
  const { cell } = await callByGslb(client, NAME);
  const router = cell === 'a' ? 'core1' : 'core2';
  const uplink = interfaceTo(lab.topology, router, `${cell}-appliance`);

  await step(`cell ${cell} dies without a word: the next call is answered by another manager`, async () => {
    await cut(node(router), uplink);
    const { cell: next, call } = await callByGslb(client, NAME);
    check(next !== cell, `cell ${cell} answered although it was cut off`);
    return figuresOf(call);
  });

  await step('the GSLB has noticed: calls do not wait for who is dead', async () => {
    await poll(`no answer of gslb1 names cell ${cell}`, async () => {
      const told = await explain(node('gslb1'), NAME, '10.0.0.101');
      return told.slice(1).every(row => row['site'] !== `cell-${cell}`);
    });
    const { cell: next, call } = await callByGslb(client, NAME);
    check(next !== cell, `cell ${cell} answered although it was cut off`);
    const { ms } = await timed(async () => {
      await mend(node(router), uplink);
      await poll(
        `headquarters is sent to cell ${cell} again`,
        async () => (await callByGslb(client, NAME)).cell === cell,
        {
          timeout: 30_000,
        },
      );
    });
    return { ...figuresOf(call), 'back after ms': ms };
  });
}

/**
 * Between the client and everybody else there is something that lets no anycast ARP through. Media do not come back: through a VIP goes
 * what its farm was told of, which is the port of signalling, and that is why such clients ask for unique addresses.
 */
async function loseAnycastArp({ node, step }: Stage, vips: Vips): Promise<void> {
  await step(
    'no anycast ARP comes through: by SRV records the client finds the VIP, good for signalling alone',
    async () => {
      const client = node('hq-client2');
      await resolveBy(client);
      const input =
        'table netdev silence { chain out { type filter hook egress device "eth1" priority 0; udp dport 9747 drop; }; }';
      await client.must(['nft', '-f', '-'], { input });
      const call = await callFrom(client, '--ask', NAME, '--via', VIA, '--timeout', '200', ...TALK);
      await client.must(['nft', 'delete', 'table', 'netdev', 'silence']);
      const told = call.servers!.map(({ address }) => address);
      check(
        call.manager === '' && told.every(address => Object.values(vips).includes(address)),
        `it was told of ${told.join()}`,
      );
      return {
        by: `_h323cs._tcp.${NAME}`,
        VIP: told.join(),
        'after ms': call.picked!,
        ...{ 'call set up in ms': call.setup, answered: call.server },
        media: `${call.returned} of ${call.sent}`,
      };
    },
  );
}

async function loseGslb({ node, step }: Stage): Promise<void> {
  await step('the first GSLB dies: the other one is asked', async () => {
    node('gslb1').crash();
    const { call } = await callByGslb(node('hq-client1'), NAME);
    check(call.via === ADDRESS.gslb2, `it was sent by ${call.via}`);
    return figuresOf(call);
  });
}
