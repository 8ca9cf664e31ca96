import { expect, test } from 'vitest';
import { namedFiles, readBundle, renameFiles, writeBundle } from '../../../appliance/box/bundle.ts';
import { type Candidate, chooseConfiguration } from '../../../appliance/box/choose.ts';
import { defaultConfiguration } from '../../../appliance/box/defaults.ts';
import { readKey } from '../../../appliance/box/enrol.ts';
import { renderNetwork } from '../../../appliance/box/networkd.ts';
import { choosePorts, type Nic } from '../../../appliance/box/nics.ts';
import { readHello, unfit } from '../../../appliance/box/ospf-hello.ts';
import { lanName, nameInText, realLinks } from '../../../appliance/box/ports-named.ts';
import { loadConfig } from '../../../appliance/config/load.ts';
import { type Address, type Mac, parsePrefix } from '../../../sdk/wire/address.ts';

const nic = (name: string, more: Partial<Nic> = {}): Nic => ({
  name,
  mac: `52:54:00:00:00:0${name.slice(-1)}` as Mac,
  carrier: true,
  ...more,
});
const lease = '192.0.2.7' as Address;
const UNKNOWN = {};

test.each([
  ['no port', [], UNKNOWN, undefined, [], /no network port/],
  ['one port', [nic('eth0')], UNKNOWN, 'eth0', ['eth0'], /only port/],
  [
    'the one that was given an address',
    [nic('eth0'), nic('eth1', { lease }), nic('eth2')],
    UNKNOWN,
    'eth1',
    ['eth0', 'eth2'],
    /gave it 192.0.2.7/,
  ],
  [
    'the first of two that were',
    [nic('eth10', { lease }), nic('eth2', { lease })],
    UNKNOWN,
    'eth2',
    ['eth10'],
    /gave it/,
  ],
  [
    'the first with a cable',
    [nic('eth0', { carrier: false }), nic('eth1')],
    UNKNOWN,
    'eth1',
    ['eth0'],
    /first port with a cable/,
  ],
  [
    'the first, without any cable',
    [nic('eth1', { carrier: false }), nic('eth0', { carrier: false })],
    UNKNOWN,
    'eth0',
    ['eth1'],
    /first port, and/,
  ],
  [
    'what was found before',
    [nic('eth0', { lease }), nic('eth1')],
    { remembered: '52:54:00:00:00:01' },
    'eth1',
    ['eth0'],
    /found to be before/,
  ],
  [
    'what was found before is gone',
    [nic('eth0'), nic('eth2', { lease })],
    { remembered: '52:54:00:00:00:01' },
    'eth2',
    ['eth0'],
    /gave it/,
  ],
  [
    'what the configuration says',
    [nic('eth0', { lease }), nic('eth1')],
    { configured: 'eth1', remembered: '52:54:00:00:00:00' },
    'eth1',
    ['eth0'],
    /names it/,
  ],
  [
    'its hardware address',
    [nic('eth0'), nic('eth1')],
    { configured: '52:54:00:00:00:01' },
    'eth1',
    ['eth0'],
    /names it/,
  ],
  [
    'what the configuration says is not there',
    [nic('eth0'), nic('eth1')],
    { configured: 'wlan0' },
    'eth0',
    ['eth1'],
    /wlan0, which the configuration names, is not there/,
  ],
])('WAN: %s', (_, nics, known, wan, lan, reason) => {
  const ports = choosePorts(nics, known);
  expect([ports.wan, ports.lan]).toEqual([wan, lan]);
  expect(ports.reason).toMatch(reason);
});

test('only what a lease has shown is remembered, and only a guess is looked into', () => {
  expect(choosePorts([nic('eth0'), nic('eth1', { lease })], {})).toMatchObject({ sure: true, guess: false });
  expect(choosePorts([nic('eth0'), nic('eth1')], {})).toMatchObject({ sure: false, guess: true });
  expect(choosePorts([nic('eth0')], {})).toMatchObject({ sure: false, guess: false });
  expect(choosePorts([nic('eth0', { lease }), nic('eth1')], { configured: 'x' })).toMatchObject({
    sure: false,
  });
});

const MAC = '52:54:00:12:34:56' as Mac;
const two = choosePorts([nic('eth0', { lease }), nic('eth1')], {});

/** The defaults as the daemon reads them. */
function defaults(found: Parameters<typeof defaultConfiguration>[0]) {
  const { wan, lan } = found.ports;
  const text = defaultConfiguration(found);
  const own = loadConfig(text);
  const named = loadConfig(nameInText(text, { wan, lan: lanName(lan) }));
  if ('faults' in own || 'faults' in named) throw new Error(JSON.stringify([own, named]));
  return { box: own.config.box!, config: named.config };
}

test('a box that nobody has told anything serves its cell', () => {
  const { config, box } = defaults({ mac: MAC, ports: two, taken: [] });
  expect(config).toMatchObject({
    name: 'bivouac-123456',
    plain: true,
    access: ['eth1'],
    // Nobody was heard who speaks OSPF.
    routing: { driver: 'none' },
    dhcp: [{ interface: 'eth1', range: { first: '10.254.9.100', last: '10.254.9.199' } }],
  });
  expect(box.links).toEqual({
    wan: { dhcp: true, addresses: [] },
    lan: { dhcp: false, addresses: ['10.254.9.1/24'] },
  });
});

test('its own network is not where the WAN is', () => {
  const { box } = defaults({ mac: MAC, ports: two, taken: [parsePrefix('10.254.9.0/24')!] });
  expect(box.links['lan']!.addresses).toEqual(['10.254.10.1/24']);
  const all = defaults({ mac: MAC, ports: two, taken: [parsePrefix('10.0.0.0/8')!] });
  expect(all.box.links['lan']!.addresses).toEqual(['192.168.9.1/24']);
});

test('with one port it serves there, but no DHCP; with several access ports they are one link', () => {
  const one = defaults({ mac: MAC, ports: choosePorts([nic('eth0')], {}), taken: [] });
  expect(one.config).toMatchObject({ access: ['eth0'], dhcp: [] });
  const three = defaults({
    mac: MAC,
    ports: choosePorts([nic('eth0', { lease }), nic('eth1'), nic('eth2')], {}),
    taken: [],
  });
  expect(three.config).toMatchObject({ access: ['lan0'], dhcp: [{ interface: 'lan0' }] });
});

/** A hello of 198.51.100.1 in area 0.0.0.7, as on the wire. */
function hello(change: Readonly<Record<number, number>> = {}): Uint8Array {
  const packet = new Uint8Array(48);
  const put: Record<number, number> = {
    0: 2,
    1: 1,
    3: 44,
    4: 198,
    5: 51,
    6: 100,
    7: 1,
    11: 7,
    29: 5,
    35: 20,
    ...change,
  };
  for (const [at, byte] of Object.entries(put)) packet[Number(at)] = byte;
  return packet;
}

test('a neighbour that speaks OSPF is joined as it speaks', () => {
  const heard = readHello(hello())!;
  expect(heard).toEqual({
    router: '198.51.100.1',
    area: '0.0.0.7',
    hello: 5,
    dead: 20,
    authenticated: false,
    broadcast: false,
  });
  expect(unfit(heard)).toBeUndefined();
  const { config } = defaults({ mac: MAC, ports: two, taken: [], hello: heard });
  expect(config.routing).toMatchObject({ driver: 'frr', interfaces: ['eth0'], area: '0.0.0.7', hello: 5 });
});

test('where there is a designated router the link is a broadcast network', () => {
  const heard = readHello(hello({ 39: 1 }))!;
  expect(unfit(heard)).toBeUndefined();
  expect(defaults({ mac: MAC, ports: two, taken: [], hello: heard }).config.routing.network).toBe(
    'broadcast',
  );
});

test.each([
  ['a key', { 15: 2 }, /with a key/],
  ['another dead interval', { 35: 40 }, /dead interval of 40 s/],
])('a neighbour with %s cannot be, and it is said why', (_, change, reason) => {
  expect(unfit(readHello(hello(change as never))!)).toMatch(reason);
});

test('what is no hello is passed over', () => {
  expect(readHello(hello({ 1: 4 }))).toBeUndefined();
  expect(readHello(hello({ 0: 3 }))).toBeUndefined();
  expect(readHello(hello({ 29: 0 }))).toBeUndefined();
  expect(readHello(hello().subarray(0, 43))).toBeUndefined();
});

const MISSION = JSON.stringify({
  name: 'cell-a',
  tls: { ca: 'ca.pem', certificate: 'cell-a.pem', key: 'cell-a.key' },
  access: ['lan'],
  pools: ['10.255.1.0/24'],
  dhcp: [{ interface: 'lan', range: '10.1.0.100-10.1.0.199' }],
  routing: { interfaces: ['wan'], password: 'ospf.key' },
  notices: { interfaces: ['wan'] },
  links: [{ interface: 'wan' }],
  box: { wan: 'eth0', links: { wan: { dhcp: true }, lan: { addresses: ['10.1.0.1/24'] } } },
});

test('wan and lan are put right everywhere, and nothing else is touched', () => {
  const names = { wan: 'enp1s0', lan: 'lan0' };
  const whole = JSON.parse(nameInText(MISSION, names));
  expect(whole).toMatchObject({
    access: ['lan0'],
    dhcp: [{ interface: 'lan0', range: '10.1.0.100-10.1.0.199' }],
    routing: { interfaces: ['enp1s0'], password: 'ospf.key' },
    notices: { interfaces: ['enp1s0'] },
    links: [{ interface: 'enp1s0' }],
  });
  expect(whole.box).toBeUndefined();
  expect(
    JSON.parse(nameInText('{"name":"a","access":["eth7","wan"]}', { wan: undefined, lan: undefined })).access,
  ).toEqual(['eth7', 'wan']);
  const loaded = loadConfig(MISSION);
  if ('faults' in loaded) throw new Error('unreachable');
  expect(Object.keys(realLinks(loaded.config, names))).toEqual(['enp1s0', 'lan0']);
});

test('networkd: access ports are put together, and keep their addresses without a cable', () => {
  const ports = { wan: 'eth0', lan: ['eth1', 'eth2'], reason: '', sure: true, guess: false };
  const files = new Map(
    renderNetwork(ports, {
      eth0: { dhcp: true, addresses: [] },
      lan0: { dhcp: false, addresses: ['10.1.0.1/24'] },
    }).map(({ name, text }) => [name, text]),
  );
  expect([...files.keys()]).toEqual([
    '10-lan0.netdev',
    '20-eth1.network',
    '20-eth2.network',
    '30-eth0.network',
    '30-lan0.network',
  ]);
  expect(files.get('20-eth2.network')).toContain('Bridge=lan0');
  expect(files.get('30-eth0.network')).toContain('DHCP=ipv4');
  expect(files.get('30-lan0.network')).toMatch(
    /DHCP=no\nConfigureWithoutCarrier=yes[\s\S]*Address=10\.1\.0\.1\/24/,
  );
});

test('networkd: one access port needs no bridge; a gateway is set', () => {
  const ports = { wan: 'eth0', lan: ['eth1'], reason: '', sure: true, guess: false };
  const files = renderNetwork(ports, {
    eth0: { dhcp: false, addresses: ['192.0.2.2/24'], gateway: '192.0.2.1' as Address },
  });
  expect(files.map(({ name }) => name)).toEqual(['30-eth0.network', '30-eth1.network']);
  expect(files[0]!.text).toContain('Gateway=192.0.2.1');
});

const FILES = new Map([
  ['bivouac.json', MISSION],
  ...['ca.pem', 'cell-a.pem', 'cell-a.key', 'ospf.key'].map(name => [name, name] as const),
]);
const fine = () => [];
const defaultCandidate: Candidate = {
  place: 'defaults',
  path: 'defaults',
  files: new Map([['bivouac.json', defaultConfiguration({ mac: MAC, ports: two, taken: [] })]]),
};

test('the stick goes before the boot partition, that before what was kept, and the defaults come last', () => {
  const at = (place: Candidate['place']): Candidate => ({ place, path: place, files: FILES });
  const all = [defaultCandidate, at('kept'), at('esp'), at('usb')];
  const places: (string | undefined)[] = [];
  for (let left = all; left.length > 0; ) {
    const { chosen } = chooseConfiguration(left, fine);
    places.push(chosen?.place);
    left = left.filter(({ place }) => place !== chosen?.place);
  }
  expect(places).toEqual(['usb', 'esp', 'kept', 'defaults']);
  expect(chooseConfiguration([], fine)).toEqual({ chosen: undefined, refused: [] });
});

test('what is not good is refused with its faults, and the last good one is taken', () => {
  const broken = new Map(FILES).set('bivouac.json', MISSION.replace('10.255.1.0/24', '10.255.1.0/33'));
  const keyless = new Map(FILES);
  keyless.delete('cell-a.key');
  const { chosen, refused } = chooseConfiguration(
    [
      defaultCandidate,
      { place: 'kept', path: 'kept', files: FILES },
      { place: 'esp', path: 'esp/bivouac.json', files: keyless },
      { place: 'usb', path: 'sda1/bivouac.json', files: broken },
      { place: 'usb', path: 'sdb1/mission.tar', files: { fault: 'it ends early' } },
    ],
    fine,
  );
  expect(chosen).toMatchObject({ place: 'kept', config: { name: 'cell-a' } });
  expect(refused.map(({ path }) => path)).toEqual([
    'sda1/bivouac.json',
    'sdb1/mission.tar',
    'esp/bivouac.json',
  ]);
  expect(refused[0]!.faults[0]).toMatch(/^sda1\/bivouac.json:1: \/pools\/0: '10.255.1.0\/33'/);
  expect(refused[2]!.faults).toEqual([
    expect.stringContaining('tls.key names cell-a.key, which is not there'),
  ]);
});

test('certificates that are of no use are faults', () => {
  const check = (_: unknown, text: (purpose: string) => string) => [
    `key is ${text('tls.key')}, crl is '${text('tls.crl')}'`,
  ];
  const { chosen, refused } = chooseConfiguration(
    [defaultCandidate, { place: 'esp', path: 'esp', files: FILES }],
    (config, text) => (config.tls === undefined ? [] : check(config, text)),
  );
  expect(chosen?.place).toBe('defaults');
  expect(refused[0]!.faults).toEqual(["esp: key is cell-a.key, crl is ''"]);
});

test('a bundle holds what the configuration names, and its bytes do not depend on the order', () => {
  const turned = new Map([...FILES].reverse());
  expect(Buffer.compare(writeBundle(FILES), writeBundle(turned))).toBe(0);
  expect(new Map([...readBundle(writeBundle(FILES))].sort())).toEqual(new Map([...FILES].sort()));
  expect(() => readBundle(writeBundle(new Map([['x', 'y']])))).toThrow('no bivouac.json');
  expect(() => readBundle(new Uint8Array(5 * 1024 * 1024))).toThrow('larger');
  expect(Object.fromEntries(namedFiles(MISSION))).toEqual({
    'tls.ca': 'ca.pem',
    'tls.certificate': 'cell-a.pem',
    'tls.key': 'cell-a.key',
    'routing.password': 'ospf.key',
  });
  expect(JSON.parse(renameFiles(MISSION, new Map([['tls.key', 'x.key']]))).tls).toMatchObject({
    ca: 'ca.pem',
    key: 'x.key',
  });
});

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl5 admin@hq';

test('a public key is taken, whatever line ends a terminal makes of it', () => {
  expect(readKey(`  ${KEY}\r\n`)).toBe(KEY);
});

test.each([
  ['a private one', '-----BEGIN OPENSSH PRIVATE KEY-----', /private key/],
  ['options in front of it', `command="reboot" ${KEY}`, /no SSH public key/],
  ['no key', 'hello', /no SSH public key/],
  ['a key of another kind inside', KEY.replace('ssh-ed25519 ', 'ssh-rsa '), /damaged/],
  ['an escape in its comment', `${KEY}\x1b[2J`, /no SSH public key/],
])('%s is not', (_, text, fault) => {
  expect(readKey(text)).toEqual({ fault: expect.stringMatching(fault) });
});
