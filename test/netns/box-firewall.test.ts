/**
 * The box's firewall on the real kernel, beside the data plane's table: what the configuration serves answers, and nothing else does; what is
 * balanced, or only forwarded, passes.
 *
 *     client 10.9.0.2 ── 10.9.0.1 wan  appliance  lan 10.1.0.1 ── 10.1.0.11 server
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { renderFirewall } from '../../appliance/box/firewall.ts';
import type { Config } from '../../appliance/config/config.ts';
import { loadConfig } from '../../appliance/config/load.ts';
import { renderLayout } from '../../appliance/dataplane/layout.ts';
import { type Namespace, Network, poll } from '../support/netns.ts';

const network = new Network();
let client: Namespace;
let appliance: Namespace;
let server: Namespace;

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl5';

function config(more: object): Config {
  const loaded = loadConfig(
    JSON.stringify({ name: 'cell-a', pools: ['10.255.1.0/24'], plain: true, access: ['lan'], ...more }),
  );
  if ('faults' in loaded) throw new Error(JSON.stringify(loaded.faults));
  return loaded.config;
}

const load = (given: Config | undefined): string =>
  appliance.runSync('nft', ['-f', '-'], renderFirewall(given));

/** Says its own port to whoever connects or sends; on all addresses. */
const LISTEN = `
const [kind, ...ports] = process.argv.slice(1);
for (const port of ports) {
  if (kind === 'tcp') require('net').createServer(s => s.end(port)).listen(Number(port), '::');
  else {
    const socket = require('dgram').createSocket({ type: 'udp6' });
    socket.on('message', (_, from) => socket.send(port, from.port, from.address)).bind(Number(port), '::');
  }
}
console.log('ready');
`;
const ASK = `
const [kind, address, port] = process.argv.slice(1);
const tell = what => { console.log(what); process.exit(); };
setTimeout(() => tell('nothing'), 5000);
if (kind === 'tcp') {
  const s = require('net').connect(Number(port), address);
  s.on('data', d => tell(String(d))).on('error', e => tell(e.code));
} else {
  const socket = require('dgram').createSocket('udp4');
  socket.on('message', d => tell(String(d))).on('error', e => tell(e.code)).connect(Number(port), address, () => socket.send('?'));
}
`;

async function asks(from: Namespace, kind: 'tcp' | 'udp', address: string, port: number): Promise<string> {
  const asking = from.node(ASK, [kind, address, String(port)]);
  await asking.exited;
  return asking.stdout().trim();
}

beforeAll(async () => {
  client = network.namespace('client');
  appliance = network.namespace('appl');
  server = network.namespace('server');
  network.veth(
    { in: client, name: 'eth0', addresses: ['10.9.0.2/24'] },
    { in: appliance, name: 'wan', addresses: ['10.9.0.1/24'] },
  );
  network.veth(
    { in: server, name: 'eth0', addresses: ['10.1.0.11/24'] },
    { in: appliance, name: 'lan', addresses: ['10.1.0.1/24'] },
  );
  client.ip('route add default via 10.9.0.1');
  server.ip('route add default via 10.1.0.1');
  appliance.sysctl({ 'net.ipv4.ip_forward': 1 });
  const listeners = [
    appliance.node(LISTEN, ['tcp', '22', '53', '9746', '9748', '7777']),
    appliance.node(LISTEN, ['udp', '53', '67', '3784', '7777', '9747', '9748']),
    server.node(LISTEN, ['tcp', '80']),
  ];
  for (const listener of listeners)
    await poll(() => listener.stdout().includes('ready'), 30_000, 'they listen');
});
afterAll(() => network.dispose());

test('closed until it is configured: nothing answers but ping', async () => {
  load(undefined);
  expect(await asks(client, 'tcp', '10.9.0.1', 22)).toBe('nothing');
  expect(await asks(client, 'udp', '10.9.0.1', 9747)).toBe('nothing');
  expect((await client.run('ping', ['-c1', '-W20', '10.9.0.1'])).status).toBe(0);
});

test('what the configuration serves answers where it is served, and nothing else', async () => {
  load(
    config({
      gslb: { zones: ['mission'] },
      dhcp: [{ interface: 'lan', range: '10.1.0.100-10.1.0.199' }],
      routing: { interfaces: ['wan'] },
      box: { ssh: { keys: [KEY], from: ['10.1.0.0/24'] } },
    }),
  );
  const asked = async (from: Namespace, address: string): Promise<Record<string, string>> => {
    const all = [
      ...[22, 53, 9746, 7777, 9748].map(port => ['tcp', port] as const),
      ...[53, 67, 3784, 7777, 9747, 9748].map(port => ['udp', port] as const),
    ];
    const answers = await Promise.all(all.map(([kind, port]) => asks(from, kind, address, port)));
    return Object.fromEntries(all.map(([kind, port], at) => [`${kind}/${port}`, answers[at]!]));
  };
  const [wan, lan] = await Promise.all([asked(client, '10.9.0.1'), asked(server, '10.1.0.1')]);
  const silent = {
    'tcp/7777': 'nothing',
    'tcp/9748': 'nothing',
    'udp/7777': 'nothing',
    'udp/9748': 'nothing',
  };
  expect(wan).toEqual({
    ...{
      ...silent,
      'tcp/22': 'nothing',
      'tcp/53': '53',
      'tcp/9746': 'nothing',
      'udp/53': '53',
      'udp/67': 'nothing',
    },
    ...{ 'udp/3784': '3784', 'udp/9747': '9747' },
  });
  expect(lan).toEqual({
    ...{ ...silent, 'tcp/22': '22', 'tcp/53': '53', 'tcp/9746': '9746', 'udp/53': '53', 'udp/67': '67' },
    ...{ 'udp/3784': 'nothing', 'udp/9747': '9747' },
  });
});

test('what is forwarded, and what the data plane takes, passes beside it', async () => {
  appliance.runSync('nft', ['-f', '-'], renderLayout(9747));
  load(config({}));
  expect(await asks(client, 'tcp', '10.1.0.11', 80)).toBe('80');
  // As the driver does it: a slot, its member, the server's address.
  appliance.runSync(
    'nft',
    ['-f', '-'],
    [
      'add chain inet bivouac f1',
      'add rule inet bivouac f1 meta mark set 0xa0001001',
      'add element inet bivouac vips4 { 10.255.1.1 }',
      'add element inet bivouac live { 0xa0001001 }',
      'add element inet bivouac slots { 0xa0001001 : 0xa0001001 }',
      'add element inet bivouac servers4 { 0xa0001001 : 10.1.0.11 }',
      'add element inet bivouac mapped4 { 0xa0001001 : 10.1.0.11 . 80 }',
      'add element inet bivouac farms4 { 10.255.1.1 . tcp . 80 : jump f1 }',
      '',
    ].join('\n'),
  );
  expect(await asks(client, 'tcp', '10.255.1.1', 80)).toBe('80');
});

test('the whole table is replaced at once, and only that', async () => {
  const before = appliance.runSync('nft', ['-s', 'list', 'table', 'inet', 'bivouac']);
  load(config({}));
  const first = appliance.runSync('nft', ['-s', 'list', 'table', 'inet', 'bivouac_firewall']);
  load(config({ gslb: { zones: ['mission'] } }));
  load(config({}));
  expect(appliance.runSync('nft', ['-s', 'list', 'table', 'inet', 'bivouac_firewall'])).toBe(first);
  expect(appliance.runSync('nft', ['-s', 'list', 'table', 'inet', 'bivouac'])).toBe(before);
});

test('answers to what the appliance itself began come back', async () => {
  load(undefined);
  expect(await asks(appliance, 'tcp', '10.1.0.11', 80)).toBe('80');
});
