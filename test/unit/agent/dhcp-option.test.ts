import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  readDhclientLeases,
  readHookNote,
  readNetworkdLease,
  readOption,
} from '../../../appliance/agent/dhcp-option.ts';
import { findNamed } from '../../../appliance/agent/named.ts';
import { MemoryFiles } from '../../support/virtual/files.ts';

const A = { address: '10.1.0.1', port: 9746 };
const hex = (text: string): string => Buffer.from(text).toString('hex');

test('the option is a list of addresses; what is none is passed over', () => {
  expect(readOption('10.1.0.1:9746')).toEqual([A]);
  expect(readOption('10.1.0.1, [fd01::1]:99,[fd01::2],fd01::3')).toEqual([
    A,
    { address: 'fd01::1', port: 99 },
    { address: 'fd01::2', port: 9746 },
    { address: 'fd01::3', port: 9746 },
  ]);
  expect(readOption('cell.example, 10.1.0.1\0\0')).toEqual([A]);
  expect(readOption('10.1.0.1:0,10.1.0.1:70000,,')).toEqual([]);
  expect(readOption(Array.from({ length: 20 }, (_, index) => `10.1.0.${index}`).join(','))).toHaveLength(8);
  expect(readOption('1'.repeat(256))).toEqual([]);
});

test('a hook’s note is text, or hex as udhcpc has it', () => {
  expect(readHookNote('10.1.0.1\n')).toEqual([A]);
  expect(readHookNote(hex('10.1.0.1:9746'))).toEqual([A]);
});

test('a lease of systemd-networkd', () => {
  expect(readNetworkdLease(`ADDRESS=10.1.0.9\nOPTION_224=${hex('10.1.0.1')}\nT1=30\n`)).toEqual([A]);
  expect(readNetworkdLease('ADDRESS=10.1.0.9\n')).toEqual([]);
});

test('dhclient’s leases: the last of each interface counts', () => {
  const lease = (link: string, option: string): string =>
    `lease {\n  interface "${link}";\n  fixed-address 10.1.0.9;\n  ${option}\n  expire never;\n}\n`;
  const text = [
    lease('eth0', 'option bivouac-managers "10.9.0.1";'),
    lease('eth0', 'option bivouac-managers "10.1.0.1:9746";'),
    lease('eth1', `option unknown-224 ${hex('10.1.0.1').match(/../g)!.join(':')};`),
    lease('eth2', 'option bivouac-managers "10.9.0.1";'),
    lease('eth2', 'option routers 10.9.0.1;'),
  ].join('');
  expect([...readDhclientLeases(text)]).toEqual([
    ['eth0', [A]],
    ['eth1', [A]],
    ['eth2', []],
  ]);
});

test('no text makes them throw, and what they give are addresses', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 600 }), text => {
      const all = [
        ...readOption(text),
        ...readHookNote(text),
        ...readNetworkdLease(`OPTION_224=${hex(text)}`),
        ...readDhclientLeases(`lease {\n interface "eth0";\n option unknown-224 "${text}";\n}\n`).values(),
      ].flat();
      expect(all.length).toBeLessThanOrEqual(32);
    }),
  );
});

test('notes are found by interface, the hooks’ before the clients’ own', () => {
  const files = new MemoryFiles();
  files.texts
    .set('/run/bivouac-agent/managers/eth0', '10.1.0.1\n')
    .set('/run/systemd/netif/leases/2', `OPTION_224=${hex('10.2.0.1')}\n`)
    .set(
      '/var/lib/dhcp/dhclient.eth1.leases',
      'lease {\n  interface "eth1";\n  option bivouac-managers "10.3.0.1";\n}\n',
    );
  const interfaces = ['lo', 'eth0', 'eth1'].map((name, index) => ({
    ...{ name, index: index + 1, loopback: index === 0, running: true, addresses: [] },
  }));
  const named = findNamed(files, { interfaces, routes: [] });
  expect([...named].map(([link, managers]) => [link, managers.map(one => one.address)])).toEqual([
    ['eth0', ['10.1.0.1', '10.2.0.1']],
    ['eth1', ['10.3.0.1']],
  ]);
});

test('the hook script notes what each client tells, and takes it back', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bivouac-hook-'));
  const script = join(import.meta.dirname, '../../../appliance/agent/hooks/bivouac-managers');
  const run = (env: Record<string, string>, ...args: string[]): void =>
    void execFileSync('sh', [script, ...args], {
      env: { ...process.env, BIVOUAC_MANAGERS: directory, ...env },
    });
  const note = (): unknown => readHookNote(readFileSync(join(directory, 'eth0'), 'utf8'));
  try {
    run({ interface: 'eth0', reason: 'BOUND', new_bivouac_managers: '10.1.0.1:9746' });
    expect(note()).toEqual([A]);
    run({ interface: 'eth0', reason: 'RENEW' });
    expect(readdirSync(directory)).toEqual([]);
    run({ interface: 'eth0', opt224: hex('10.1.0.1') }, 'bound');
    expect(note()).toEqual([A]);
    run({ interface: 'eth0' }, 'deconfig');
    run({ interface: '../eth0', reason: 'BOUND', new_bivouac_managers: '10.1.0.1' });
    expect(readdirSync(directory)).toEqual([]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
