import { expect, test } from 'vitest';
import { missing, type Report, renderScreen, type Sight } from '../../../appliance/box/screen.ts';

const report: Report = {
  ...{
    name: 'cell-a',
    place: 'usb',
    path: 'sda1:/mission.tar',
    refused: [],
    tls: true,
    link: 'eth1',
    keys: ['SHA256:abc'],
  },
  ports: { wan: 'eth0', lan: ['eth1'], reason: 'a DHCP server gave it 192.0.2.7' },
};
const sight: Sight = {
  box: { profile: 'x86_64-uefi', version: '0.1.0+202611210847.d2f8804', slot: 'b' },
  report,
  ports: [
    { name: 'eth0', role: 'wan', carrier: true, addresses: ['192.0.2.7/24'] },
    { name: 'eth1', role: 'lan', carrier: false, addresses: ['10.1.0.1/24'] },
  ],
  manager: { servers: 3, services: 5, up: 4, neighbours: ['10.200.0.1 Full (eth0)'], problems: [] },
  trial: undefined,
  state: [],
  hostKey: 'SHA256:xyz',
};

test('it says what the box is, what it found, and how it is', () => {
  expect(renderScreen(sight)).toBe(`Bivouac 0.1.0+202611210847.d2f8804 (x86_64-uefi), slot b

Manager cell-a, configured by a USB stick (sda1:/mission.tar)
WAN is eth0: a DHCP server gave it 192.0.2.7

  wan eth0       up        192.0.2.7/24
  lan eth1       no cable  10.1.0.1/24

The manager runs: servers 3, services 5, up 4.
  OSPF neighbour 10.200.0.1 Full (eth0)

! SSH for 1 keys; this host is SHA256:xyz
`);
});

test.each([
  ['a certificate', { report: { ...report, tls: false } }, 'no certificate: ANYBODY'],
  ['a key', { report: { ...report, keys: [] } }, 'no SSH key: paste a public key here'],
  ['a neighbour', { manager: { ...sight.manager!, neighbours: [] } }, 'no OSPF neighbour'],
  ['a WAN', { ports: [{ ...sight.ports[0]!, addresses: [] }] }, 'the WAN has no address'],
  ['any port', { ports: [] }, 'no network port'],
  ['the state', { state: ['STATE LOST: it was made anew'] }, 'STATE LOST: it was made anew'],
  ['a good configuration', { report: { ...report, refused: ['esp:1: bad'] } }, 'refused: esp:1: bad'],
  [
    'a neighbour as it should be',
    { report: { ...report, ospf: '10.0.0.1 speaks OSPF with a key' } },
    '10.0.0.1 speaks OSPF with a key',
  ],
  ['what the manager wants', { manager: { ...sight.manager!, problems: ['no nft'] } }, 'no nft'],
])('it says that it misses %s', (_, change, sentence) => {
  expect(missing({ ...sight, ...change } as Sight).some(line => line.startsWith(sentence))).toBe(true);
  expect(renderScreen({ ...sight, ...change } as Sight)).toContain(`! ${sentence}`);
});

test('what befell the state, which the manager tells of as well, is said once', () => {
  const state = ['STATE LOST: it was made anew'];
  const manager = { ...sight.manager!, problems: [...state, 'no nft'] };
  expect(missing({ ...sight, state, manager }).slice(0, 2)).toEqual([...state, 'no nft']);
});

test('before it is configured, and without a manager, it says so', () => {
  const text = renderScreen({ ...sight, report: undefined, manager: undefined, box: undefined });
  expect(text).toContain('It has not been configured yet.');
  expect(text).toContain('The manager is not running.');
});

test('an image on trial is shown as such', () => {
  expect(renderScreen({ ...sight, trial: 2 })).toContain('slot b, on trial (2 left)');
});

test('it fits a terminal, and nothing in it moves the cursor', () => {
  const long = `${'x'.repeat(200)}\x1b[2J\x07`;
  const refused = Array.from({ length: 40 }, () => long);
  const text = renderScreen({ ...sight, report: { ...report, name: long, refused } });
  const lines = text.trimEnd().split('\n');
  expect(lines.length).toBeLessThanOrEqual(23);
  expect(lines.every(line => line.length <= 79 && /^[ -~]*$/.test(line))).toBe(true);
});
