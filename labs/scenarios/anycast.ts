/** One VIP in three cells: each client gets the nearest, and the next one when that dies, in whatever way it dies. */
import { poll, timed } from '../scenario/poll.ts';
import { check, type Scenario, type Stage } from '../scenario/scenario.ts';
import { bringUpRouting } from './bringup.ts';
import { pause, Stream, type StreamEnd, streamFor } from './clients.ts';
import { cut, mend } from './cut.ts';
import { answers, vipOf } from './managers.ts';
import { interfaceTo } from './ospf.ts';

const VIP = '10.255.0.80';
const NAME = 'www.bivouac.test';
/** Cell → its servers. */
const SERVERS: Readonly<Record<string, readonly string[]>> = {
  a: ['a-web1', 'a-web2', 'a-web3'],
  b: ['b-web1', 'b-web2'],
  c: ['c-web1'],
};
const CLIENTS = { 'hq-client1': 'a', 'a-client': 'a', 'b-client': 'b', 'c-client': 'c' } as const;

export const anycast: Scenario = {
  summary: 'one VIP in three cells: clients go to the nearest; the nearest dies',
  hold: node => node.name.includes('mcu') || node.group === 'mobile' || node.name === 'c-web1',
  async run(stage) {
    await bringUpRouting(stage, []);
    await boot(stage);
    await loseServers(stage);
    await loseAppliance(stage);
  },
};

async function boot({ node, step }: Stage): Promise<void> {
  await step(`the servers of all cells share ${VIP}`, async () => {
    // In the other scenarios cell c has no part in it.
    const files = ['/etc/bivouac/anycast.json', '/etc/bivouac/agent.json'];
    await node('c-web1').must(['mount', '--bind', ...files]);
    await node('c-web1').boot();
    const counts = await Promise.all(
      Object.entries(SERVERS).map(async ([cell, { length }]) => {
        const vip = await vipOf(node(`${cell}-appliance`), NAME, length);
        check(vip === VIP, `cell ${cell} has it at ${vip}`);
        return length;
      }),
    );
    return { servers: counts.reduce((sum, count) => sum + count, 0) };
  });

  await step('each client gets the nearest cell', async () => {
    const served = await Promise.all(
      Object.entries(CLIENTS).map(async ([client, cell]) => {
        const { servers, failed } = await streamFor(node(client), VIP, 500);
        check(failed === 0, `${client}: ${failed} connections failed`);
        check(onlyOf(cell, servers), `${client} was served by ${Object.keys(servers).join(', ')}`);
        return [client, cell] as const;
      }),
    );
    return Object.fromEntries(served);
  });
}

const onlyOf = (cell: string, servers: StreamEnd['servers']): boolean =>
  Object.keys(servers).length > 0 && Object.keys(servers).every(name => name.startsWith(`${cell}-`));

async function loseServers({ node, step }: Stage): Promise<void> {
  await step('all servers of the nearest cell die: its route goes, the next cell serves', async () => {
    const stream = await Stream.start(node('b-client'), VIP);
    await pause(300);
    for (const name of SERVERS['b']!) node(name).crash();
    await pause(1500);
    const { longestGap, failed, affected, servers } = await stream.stop();
    const next = await streamFor(node('b-client'), VIP, 300);
    check(next.failed === 0, `${next.failed} connections failed afterwards`);
    check(!Object.keys(next.servers).some(name => name.startsWith('b-')), 'dead servers answered');
    return {
      'longest gap ms': longestGap.ms,
      'disturbed for ms': affected,
      failed,
      by: Object.keys({ ...servers, ...next.servers }).join(', '),
    };
  });

  await step('they are back: so are its clients', async () => {
    const { ms } = await timed(async () => {
      await Promise.all(SERVERS['b']!.map(name => node(name).boot()));
      await servedBy(node('b-client'), 'b');
    });
    return { 'back after ms': ms };
  });
}

async function loseAppliance({ lab, node, step }: Stage): Promise<void> {
  const uplink = interfaceTo(lab.topology, 'core1', 'a-appliance');
  await step('the nearest appliance dies with all that runs on it', async () => {
    const stream = await Stream.start(node('hq-client1'), VIP);
    await pause(300);
    // As without power: nothing runs there, and nothing comes through.
    await cut(node('core1'), uplink);
    node('a-appliance').crash();
    await pause(3000);
    const { longestGap, failed, affected, servers } = await stream.stop();
    const next = await streamFor(node('hq-client1'), VIP, 300);
    check(
      next.failed === 0 && !onlyOf('a', next.servers),
      `served by ${Object.keys(next.servers).join(', ')}`,
    );
    return {
      'longest gap ms': longestGap.ms,
      'disturbed for ms': affected,
      failed,
      by: Object.keys(servers).join(', '),
    };
  });

  await step('it is back: so are its clients', async () => {
    const { ms } = await timed(async () => {
      await mend(node('core1'), uplink);
      await node('a-appliance').boot();
      await answers(node('a-appliance'));
      await servedBy(node('hq-client1'), 'a');
    });
    return { 'back after ms': ms };
  });
}

async function servedBy(client: ReturnType<Stage['node']>, cell: string): Promise<void> {
  await poll(
    `${client.name} is served by cell ${cell}`,
    async () => (await client.must(['curl', '-s', '-m', '2', `http://${VIP}/`])).startsWith(`${cell}-`),
    { timeout: 30_000 },
  );
}
