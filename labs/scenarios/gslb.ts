/**
 * Global load balancing: one service in all cells, each with a VIP of its own. Clients ask either of two GSLBs by ordinary DNS, over lines
 * with delays and rates, and go where they are served best; then load, lines and cells change under way.
 */
import { poll } from '../scenario/poll.ts';
import { check, type Scenario, type Stage } from '../scenario/scenario.ts';
import { bringUpRouting } from './bringup.ts';
import { congestLine, gatherCrowd, loseCell, moveLoad } from './gslb-moves.ts';
import { copyFollows, copyZone } from './gslb-secondary.ts';
import {
  ADDRESS,
  agreement,
  CELLS,
  type Cell,
  dig,
  explain,
  GSLBS,
  type GslbWorld,
  HOSTED,
  PORTAL,
  resolveBy,
  rows,
  startManagers,
  startWan,
  type Vips,
} from './gslb-world.ts';
import { Lookups } from './lookups.ts';
import { vipOf } from './managers.ts';

/** Servers by cell. */
const SERVERS: Readonly<Record<Cell, readonly string[]>> = {
  a: ['a-web1', 'a-web2', 'a-web3'],
  b: ['b-web1', 'b-web2'],
  c: ['c-web1'],
};
/** Cell → its client. */
const CLIENTS: Readonly<Record<Cell, string>> = { a: '10.1.0.101', b: '10.2.0.101', c: '10.3.0.101' };
/** One of each part in which a place's clients are dealt out. */
const allOf = (place: number): readonly string[] =>
  Array.from({ length: 32 }, (_, slot) => `10.${place}.0.${96 + slot}`);
const HEADQUARTERS = allOf(0);
const OF_CELL_C = allOf(3);

export const gslb: Scenario = {
  summary: 'two GSLBs send clients of three cells to the best one: load moves, a line fills, a cell is lost',
  hold: node => ['appliance', 'gslb', 'server', 'mobile'].includes(node.group),
  async run(stage) {
    await bringUpRouting(
      stage,
      CELLS.map(cell => `${cell}-appliance`),
    );
    const wan = await startWan(stage);
    await startManagers(stage);
    const world = await comeUp(stage);
    await askAsClients(world);
    await askOnBehalf(world);
    await copyZone(world);
    const crowd = await gatherCrowd(world);
    await loseCell(world);
    await moveLoad(world, crowd);
    await congestLine(world);
    await copyFollows(world, wan);
  },
};

async function comeUp(stage: Stage): Promise<GslbWorld> {
  const { node, step } = stage;
  const everybody = [...new Set([...Object.values(CLIENTS), ...HEADQUARTERS, ...OF_CELL_C])];
  let vips: Partial<Record<Cell, string>> = {};
  let lookups: readonly Lookups[] = [];
  await step(`${PORTAL} comes up in all cells: both GSLBs have it by themselves`, async () => {
    lookups = await Promise.all(GSLBS.map(name => Lookups.start(node(name), PORTAL, everybody)));
    const start = performance.timeOrigin + performance.now();
    await Promise.all(
      Object.values(SERVERS)
        .flat()
        .map(name => node(name).boot()),
    );
    const up = await Promise.all(
      CELLS.map(
        async cell => [cell, await vipOf(node(`${cell}-appliance`), PORTAL, SERVERS[cell].length)] as const,
      ),
    );
    vips = Object.fromEntries(up);
    const first = await Promise.all(
      lookups.map(async one => {
        for (const cell of CELLS)
          await one.until(CLIENTS[cell], `${vips[cell]}, of its own cell`, address => address === vips[cell]);
        return one.turns.find(({ addresses }) => addresses.length > 0)!.at - start;
      }),
    );
    return {
      VIPs: CELLS.map(cell => `${cell} ${vips[cell]}`).join(', '),
      'first answer of gslb1 after ms': first[0]!,
      'of gslb2': first[1]!,
      'apart ms': Math.abs(first[0]! - first[1]!),
    };
  });
  return {
    ...{ ...stage, vips: vips as Vips, clients: CLIENTS, headquarters: HEADQUARTERS, ofCellC: OF_CELL_C },
    lookups: lookups as [Lookups, Lookups],
  };
}

async function askAsClients({ node, step, vips }: GslbWorld): Promise<void> {
  await step(
    'a client in each cell, by dig and by the resolver of its system, is served by its own cell',
    async () => {
      const served = await Promise.all(
        CELLS.map(async (cell): Promise<[string, string]> => {
          const client = node(`${cell}-client`);
          for (const name of GSLBS)
            await poll(`${name} tells ${client.name} of its own cell`, async () => {
              const [told] = await dig(client, ADDRESS[name], PORTAL);
              return told === vips[cell];
            });
          const [service = ''] = await dig(client, ADDRESS.gslb1, `_http._tcp.${PORTAL}`, 'SRV');
          check(/^0 \d+ 80 portal\.bivouac\.test\.$/.test(service), `its SRV record is '${service}'`);
          await resolveBy(client);
          const who = await client.must(['curl', '-s', '-m', '5', `http://${PORTAL}/`]);
          check(who.startsWith(`${cell}-`), `${client.name} was served by ${who}`);
          return [client.name, who.trim()];
        }),
      );
      return Object.fromEntries(served);
    },
  );

  await step(
    'headquarters has no server: its clients go where it costs least, and are told why',
    async () => {
      const ranked = await poll('what dig is told is what is explained', async () => {
        const told = (await explain(node('gslb1'), PORTAL, '10.0.0.101')).slice(1);
        const [answer] = await dig(node('hq-client1'), ADDRESS.gslb1, PORTAL);
        return told.length === CELLS.length && answer === told[0]!['vip'] && told;
      });
      const [best] = [...ranked].sort(
        (one, other) => Number.parseInt(`${other['share']}`, 10) - Number.parseInt(`${one['share']}`, 10),
      );
      check(best!['site'] === 'cell-a', `most go to ${best!['site']}, not to the nearest and largest`);
      return {
        shares: ranked.map(row => `${row['site']} ${row['share']}`).join(', '),
        why: `${best!['reason']}`,
      };
    },
  );
}

async function askOnBehalf(world: GslbWorld): Promise<void> {
  const { node, step, vips } = world;
  await step(
    'a resolver that asks for others is answered for where they are (EDNS Client Subnet)',
    async () => {
      const asker = node('hq-client1');
      const scopes = await Promise.all(
        CELLS.map(async (cell, at): Promise<[string, string]> => {
          const subnet = `10.${at + 1}.0.0/24`;
          const words = ['dig', `@${ADDRESS.gslb2}`, PORTAL, `+subnet=${subnet}`, '+time=2'];
          const text = await asker.must(words, HOSTED);
          const scope = /CLIENT-SUBNET: (\S+)/.exec(text)?.[1] ?? 'none';
          check(text.includes(`A\t${vips[cell]}\n`), `for ${subnet} it answers ${text}`);
          check(Number(scope.split('/')[2]) > 0, `the answer for ${subnet} has the scope ${scope}`);
          return [`cell ${cell}`, scope];
        }),
      );
      const stranger = await dig(asker, ADDRESS.gslb1, PORTAL, '+subnet=192.0.2.0/24');
      check(Object.values(vips).includes(stranger[0] ?? ''), `a stranger is told ${stranger.join()}`);
      return { ...Object.fromEntries(scopes), 'nobody knows where': stranger[0]! };
    },
  );

  await step('both GSLBs answer the clients of the cells alike, and show what they decided', async () => {
    const measured = await agreement(world, PORTAL, Object.values(world.clients));
    const verdicts = await poll('decisions are shown', async () => {
      const all = await Promise.all(GSLBS.map(name => rows(node(name), 'decisions')));
      const own = all.map(list => list.filter(row => row['name'] === PORTAL));
      return (
        own.every(list => list.length > CELLS.length && list.every(row => row['verdict'] === 'served')) && own
      );
    });
    // Of headquarters, which has no manager that measures, each goes by its own round trips.
    const [one, other] = world.lookups;
    const alike = world.headquarters.filter(
      client => one.now(client)!.addresses[0] === other.now(client)!.addresses[0],
    );
    return {
      ...measured,
      [`of ${world.headquarters.length} at headquarters`]: alike.length,
      'decisions shown': verdicts.flat().length,
    };
  });
}
