import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { renderFirewall } from '../../../appliance/box/firewall.ts';
import type { Config } from '../../../appliance/config/config.ts';
import { loadConfig } from '../../../appliance/config/load.ts';

function config(more: object): Config {
  const loaded = loadConfig(
    JSON.stringify({ name: 'cell-a', pools: ['10.255.1.0/24'], plain: true, ...more }),
  );
  if ('faults' in loaded) throw new Error(JSON.stringify(loaded.faults));
  return loaded.config;
}

/** The rules that let something in, without what every host needs. */
const admitted = (more: object): string[] => rulesOf(config(more)).filter(rule => !common.includes(rule));
const rulesOf = (given: Config | undefined): string[] =>
  renderFirewall(given)
    .split('\n')
    .map(line => line.trim())
    .filter(line => / accept\b| drop$/.test(line));
const common = rulesOf(undefined);

test('what closes the box until it is configured is the same text', () => {
  const file = join(import.meta.dirname, '../../../firmware-build/rootfs/usr/lib/bivouac/box/firewall.nft');
  expect(readFileSync(file, 'utf8')).toBe(renderFirewall(undefined));
  expect(common.at(-1)).toBe('counter drop');
});

test('registration without certificates is for the access links alone, with them for all', () => {
  expect(admitted({ access: ['eth1'] })).toContain(
    'iifname { "eth1" } tcp dport 9746 accept comment "registration"',
  );
  const tls = { tls: { ca: 'a', certificate: 'b', key: 'c' }, plain: false, access: ['eth1'] };
  expect(admitted(tls)).toContain('tcp dport 9746 accept comment "registration"');
  expect(admitted({ listen: ['10.1.0.1:9746', '[fd01::1]:9746'] })).toEqual(
    expect.arrayContaining([
      'ip daddr 10.1.0.1 tcp dport 9746 accept comment "registration"',
      'ip6 daddr fd01::1 tcp dport 9746 accept comment "registration"',
    ]),
  );
});

test('without keys there is no way to SSH, with them from where it is allowed', () => {
  const keys = ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl5'];
  const ssh = (more: object): string[] => admitted(more).filter(rule => rule.includes('22'));
  expect(ssh({})).toEqual(['tcp dport 22 counter drop']);
  expect(ssh({ box: { ssh: { keys } } })).toEqual([
    'tcp dport 22 accept comment "SSH"',
    'tcp dport 22 counter drop',
  ]);
  expect(ssh({ box: { ssh: { keys, from: ['10.0.0.0/8', 'fd00::/8'] } } })).toEqual([
    'ip saddr { 10.0.0.0/8 } tcp dport 22 accept comment "SSH"',
    'ip6 saddr { fd00::/8 } tcp dport 22 accept comment "SSH"',
    'tcp dport 22 counter drop',
  ]);
});

test.each([
  ['notices', { notices: { interfaces: ['eth0'] } }, 'udp dport 9748 accept comment "notices"'],
  ['DNS', { gslb: { zones: ['mission'] } }, 'meta l4proto { tcp, udp } th dport 53 accept comment "DNS"'],
  [
    'DHCP',
    { dhcp: [{ interface: 'eth1', range: '10.1.0.9-10.1.0.99' }] },
    'iifname { "eth1" } udp dport 67 accept comment "DHCP server"',
  ],
  [
    'OSPF',
    { routing: { interfaces: ['eth0'] } },
    'iifname { "eth0" } meta l4proto { 89, 103 } accept comment "OSPF, PIM"',
  ],
  [
    'BFD',
    { routing: { interfaces: ['eth0'] } },
    'iifname { "eth0" } udp dport { 3784, 3785, 4784 } accept comment "BFD"',
  ],
  [
    'metrics',
    { operator: { http: '10.1.0.1:9748' } },
    'ip daddr 10.1.0.1 tcp dport 9748 accept comment "metrics"',
  ],
])('%s is let in where it is served, and not where it is not', (_, more, rule) => {
  expect(admitted(more)).toContain(rule);
  expect(admitted({ routing: { driver: 'none' } })).not.toContain(rule);
});

test('names that would end a string do not', () => {
  expect(renderFirewall(config({ access: ['a"b\\c'] }))).toContain('iifname { "abc" } tcp dport 9746');
});
