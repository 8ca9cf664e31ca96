/**
 * First boots of a box that nobody has prepared: with nothing at all, and a key pasted at its console; then with a mission on a USB stick,
 * which is kept when the stick is gone.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { pki } from '../../appliance/commands/pki.ts';
import { Box } from '../support/box.ts';
import { newestOrMade } from '../support/box-images.ts';

const { image } = await newestOrMade('x86_64-uefi');
const words: string[] = [];
const box = new Box({ image, networks: ['user,restrict=on'], words });
afterAll(() => box.dispose());

const report = async (): Promise<Record<string, unknown>> =>
  JSON.parse((await box.run('cat /run/bivouac/report.json')).stdout) as Record<string, unknown>;

test('with nothing at all it serves its cell, says what is missing, and takes a key at its console', async () => {
  await box.start();
  await box.guest.until(/! no certificate: ANYBODY/, 1_200_000);
  await box.guest.until(/! no SSH key: paste a public key here/, 60_000);
  expect((await box.run('true', { timeout: 30_000 })).status).toBe(255);
  box.guest.type(`${box.publicKey}\n`);
  await box.until('true', ({ status }) => status === 0);
  await box.judged();
  expect(await report()).toMatchObject({
    place: 'defaults',
    tls: false,
    refused: [],
    keys: [expect.stringMatching(/^SHA256:/)],
  });
  const { stdout } = await box.run(
    'bivouac box screen; ip -4 -br addr; pgrep -a dnsmasq; cat /state/bivouac/box/wan',
  );
  expect(stdout).toMatch(/WAN is \S+: (a DHCP server gave it 10\.0\.2\.15|it was found to be before)/);
  expect(stdout).toMatch(/10\.254\.\d+\.1\/24/);
  expect(stdout).toMatch(/dnsmasq/);
  expect(stdout).toMatch(/52:54:00:00:00:01/);
});

test('another key is not taken at the console any more', async () => {
  const mark = box.guest.console().length;
  box.guest.type(`${box.publicKey.replace(/ssh-ed25519 (\S{30})/, 'ssh-ed25519 $1')} again\n`);
  expect(await box.guest.until(/there are SSH keys already/, 120_000, mark)).toHaveLength(1);
});

/** A FAT stick with a mission, made as an operator makes it. */
async function stickWith(config: object): Promise<string> {
  const at = (name: string): string => join(box.directory, name);
  writeFileSync(at('plan.json'), JSON.stringify(config));
  const quiet = { out: () => {}, err: (text: string) => void console.error(text) };
  const made = [
    await pki(['init', at('ca'), '--mission', 'tryout'], quiet),
    await pki(['issue', at('ca'), '--role', 'manager', '--name', 'cell-s'], quiet),
    await pki(
      ['bundle', at('ca'), '--name', 'cell-s', '--config', at('plan.json'), '--output', at('mission.tar')],
      quiet,
    ),
  ];
  expect(made).toEqual([0, 0, 0]);
  execFileSync('truncate', ['-s', '40M', at('stick.img')]);
  execFileSync('mkfs.vfat', ['-n', 'MISSION', at('stick.img')]);
  execFileSync('mcopy', ['-i', at('stick.img'), at('mission.tar'), '::mission.tar']);
  return at('stick.img');
}

test('a mission on a USB stick is taken up, with its certificates, and kept when the stick is gone', async () => {
  await box.cut();
  const stick = await stickWith({
    name: 'cell-s',
    access: ['lan'],
    pools: ['10.255.7.0/24'],
    box: {
      links: { wan: { dhcp: true }, lan: { addresses: ['10.7.0.1/24'] } },
      ssh: { keys: [box.publicKey] },
    },
  });
  words.push(
    '-device',
    'qemu-xhci',
    '-drive',
    `if=none,id=stick,format=raw,file=${stick}`,
    '-device',
    'usb-storage,drive=stick,removable=on',
  );
  await box.start();
  await box.until('cat /run/bivouac/report.json', /"place":"usb"/);
  await box.judged();
  expect(await report()).toMatchObject({ name: 'cell-s', tls: true, refused: [] });
  await box.cut();
  words.length = 0;
  await box.start();
  await box.judged();
  expect(await report()).toMatchObject({ name: 'cell-s', place: 'kept', tls: true });
  expect((await box.run('ls -la /run/bivouac/cell-s.key')).stdout).toMatch(/^-rw-------/);
  expect(readFileSync(stick).length).toBe(40 << 20);
});
