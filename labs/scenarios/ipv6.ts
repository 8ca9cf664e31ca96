/**
 * The main job over IPv6: headquarters, core1 and cell a get IPv6 addresses and OSPFv3 beside what they have, and the web servers
 * of cell a are leased a VIP from an IPv6 pool.
 */
import type { LabNode } from '../runner/node.ts';
import { poll } from '../scenario/poll.ts';
import { check, type Scenario, type Stage } from '../scenario/scenario.ts';
import { answers, ended, signalPart, startPart, vipOf } from './managers.ts';
import { checkQuery } from './query.ts';

const NAME = 'www.a.bivouac.test';
const POOL = 'fd00:255::/120';
/** Node → its interfaces' addresses; a router's interfaces to other routers need none but their link-local ones. */
const ADDRESSES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  hq: { eth3: 'fd00:0::1/64' },
  'hq-client1': { eth1: 'fd00:0::101/64' },
  'a-appliance': { eth2: 'fd00:1::1/64' },
  'a-web1': { eth1: 'fd00:1::21/64' },
  'a-web2': { eth1: 'fd00:1::22/64' },
};
const GATEWAYS = { 'hq-client1': 'fd00:0::1', 'a-web1': 'fd00:1::1', 'a-web2': 'fd00:1::1' };
/** Router → its links to other routers, its other interfaces, and how many neighbours it has by OSPFv3. */
const ROUTERS = {
  hq: { links: ['eth1'], stubs: ['eth3', 'lo'], id: '10.254.0.1', neighbors: 1 },
  core1: { links: ['eth1', 'eth3'], stubs: ['lo'], id: '10.254.0.2', neighbors: 2 },
  'a-appliance': { links: ['eth1'], stubs: ['eth2', 'lo'], id: '10.254.0.11', neighbors: 1 },
} as const;
const SERVERS = { 'a-web1': 'fd00:1::21', 'a-web2': 'fd00:1::22' };

export const ipv6: Scenario = {
  summary: 'an IPv6 VIP: leased, routed by OSPFv3, balanced, asked for, taken over, withdrawn',
  hold: node => ['appliance', 'server', 'mobile'].includes(node.group),
  async run(stage) {
    await bringUpOspf6(stage);
    const vip = await lease(stage);
    await use(stage, vip);
    await lose(stage, vip);
  },
};

async function bringUpOspf6({ node, step }: Stage): Promise<void> {
  await step('OSPFv3 is up between headquarters and cell a', async () => {
    await node('a-appliance').must(['/lab/start.sh', 'routing']);
    await Promise.all(
      Object.entries(ADDRESSES).map(([name, addresses]) => addressNode(node(name), addresses)),
    );
    for (const [name, gateway] of Object.entries(GATEWAYS))
      await node(name).must(['ip', '-6', 'route', 'add', 'default', 'via', gateway]);
    await Promise.all(
      Object.entries(ROUTERS).map(async ([name, { neighbors, ...router }]) => {
        await startOspf6(node(name), router);
        await poll(`the OSPFv3 neighbours of ${name} are full`, async () => {
          const text = await node(name).must(['vtysh', '-c', 'show ipv6 ospf6 neighbor']);
          return (text.match(/ Full\//g)?.length ?? 0) === neighbors;
        });
      }),
    );
    await poll('headquarters knows cell a', async () => (await routes6(node('hq'))).includes('fd00:1::/64'));
    return undefined;
  });
}

async function addressNode(node: LabNode, addresses: Readonly<Record<string, string>>): Promise<void> {
  // Nobody else is on these links: no time goes by with looking for duplicates.
  for (const [link, address] of Object.entries(addresses))
    await node.must(['ip', '-6', 'address', 'add', address, 'dev', link, 'nodad']);
}

async function startOspf6(
  node: LabNode,
  { links, stubs, id }: { links: readonly string[]; stubs: readonly string[]; id: string },
): Promise<void> {
  await node.must(['sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding']);
  await node.must(['sh', '-c', '/usr/lib/frr/ospf6d --daemon --log file:/var/log/ospf6d.log -A 127.0.0.1']);
  const interfaces = [
    ...links.map(link => [
      ...[`interface ${link}`, 'ipv6 ospf6 area 0', 'ipv6 ospf6 network point-to-point'],
      ...['ipv6 ospf6 hello-interval 1', 'ipv6 ospf6 dead-interval 4'],
    ]),
    ...stubs.map(stub => [`interface ${stub}`, 'ipv6 ospf6 area 0', 'ipv6 ospf6 passive']),
  ];
  const router = ['router ospf6', `ospf6 router-id ${id}`, 'timers throttle spf 0 0 50'];
  const lines = [
    ...router,
    'timers lsa min-arrival 0',
    'exit',
    ...interfaces.flatMap(lines => [...lines, 'exit']),
  ];
  await node.must(['vtysh', ...['configure terminal', ...lines].flatMap(line => ['-c', line])]);
}

async function routes6(node: LabNode): Promise<string[]> {
  const text = await node.must(['ip', '-json', '-6', 'route', 'show', 'proto', 'ospf']);
  return (JSON.parse(text) as { readonly dst: string }[]).map(route => route.dst);
}

async function lease({ node, step }: Stage): Promise<string> {
  let vip = '';
  await step('two servers are leased an IPv6 VIP, and headquarters routes it', async () => {
    const manager = node('a-appliance');
    await rewrite(manager, '/etc/bivouac/bivouac.json', settings => ({
      ...settings,
      pools: [POOL],
      static: [],
    }));
    await startPart(manager, 'manager');
    await answers(manager);
    const service = {
      name: NAME,
      protocol: 'http',
      ports: 80,
      shared: true,
      family: 6,
      forward: { mode: 'nat' },
    };
    const check = { kind: 'http', target: '/healthz', interval: 500, timeout: 300 };
    for (const name of Object.keys(SERVERS)) {
      await rewrite(node(name), '/etc/bivouac/agent.json', settings => ({
        ...settings,
        services: [{ ...service, check }],
      }));
      await startPart(node(name), 'service');
      await startPart(node(name), 'agent');
    }
    vip = await vipOf(manager, NAME, Object.keys(SERVERS).length);
    await poll(`headquarters routes ${vip}`, async () => (await routes6(node('hq'))).includes(vip));
    return { vip };
  });
  return vip;
}

/** Puts a changed copy of a configuration in the place of the node's own. */
async function rewrite(node: LabNode, file: string, change: (settings: object) => object): Promise<void> {
  const settings = JSON.parse(await node.must(['cat', file])) as object;
  const copy = `/run/${file.split('/').at(-1)}`;
  await node.must(['sh', '-c', `cat > ${copy}; mount --bind ${copy} ${file}`], {
    input: JSON.stringify(change(settings)),
  });
}

async function use({ node, step }: Stage, vip: string): Promise<void> {
  const client = node('hq-client1');

  await step('a client two routers away is balanced over them (nat)', async () => {
    const served = await fetches(client, vip, 40);
    const missing = Object.keys(SERVERS).filter(name => !served.get(name));
    check(missing.length === 0, `never served by ${missing.join(', ')}`);
    check(!served.get(''), `${served.get('')} of 40 connections failed`);
    return Object.fromEntries(served);
  });

  await step('"which servers, how healthy?" by anycast ARP over UDP, at the VIP', async () => {
    const addresses = Object.values(SERVERS);
    await checkQuery(client, { vip, name: NAME, protocol: 'http', addresses }, []);
    return { servers: addresses.join(', ') };
  });
}

/** How many of so many new connections each server has answered; '' for those that failed. */
async function fetches(client: LabNode, vip: string, count: number): Promise<Map<string, number>> {
  const script = `for i in $(seq ${count}); do curl -s -m 3 'http://[${vip}]/' || echo; done`;
  const tally = new Map<string, number>();
  for (const name of (await client.must(['sh', '-c', script])).trimEnd().split('\n'))
    tally.set(name, (tally.get(name) ?? 0) + 1);
  return tally;
}

async function lose({ node, step }: Stage, vip: string): Promise<void> {
  const [victim = '', survivor = ''] = Object.keys(SERVERS);
  const manager = node('a-appliance');

  await step('a server is killed: the other one serves', async () => {
    node(victim).crash();
    await vipOf(manager, NAME, 1);
    const served = await fetches(node('hq-client1'), vip, 20);
    check(served.get(survivor) === 20, `served: ${JSON.stringify(Object.fromEntries(served))}`);
    return Object.fromEntries(served);
  });

  await step('the manager stops in good order: the route is gone', async () => {
    await signalPart(manager, 'manager', 'TERM');
    await ended(manager, 'manager');
    await poll(`headquarters has no route to ${vip}`, async () => !(await routes6(node('hq'))).includes(vip));
    const addresses = await manager.must(['ip', '-6', '-oneline', 'address', 'show', 'dev', 'lo']);
    check(!addresses.includes(vip), `${vip} is still on loopback: ${addresses}`);
    return undefined;
  });
}
