/**
 * The image in an emulator, started by UEFI: its first boot, an update, one that is not healthy, slots that rot, and nothing in its support
 * file that is secret. The box is kept after its first boot, and most tests go on from there.
 */

import { execFileSync } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readTar, sourceOf } from '../../appliance/box/tar.ts';
import { Box, type Frozen } from '../support/box.ts';
import { newestOrMade, remake } from '../support/box-images.ts';

const { image, update, version } = await newestOrMade('x86_64-uefi');
const next = (number: number): string =>
  version.replace(/\.(\d+)\+/, (_, patch) => `.${Number(patch) + number}+`);

const CONFIGURATION = {
  name: 'cell-a',
  plain: true,
  access: ['lan'],
  pools: ['10.255.1.0/24'],
  routing: { interfaces: ['wan'], hello: 1, password: 'ospf.key' },
  dhcp: [{ interface: 'lan', range: '10.1.0.100-10.1.0.199' }],
  // The second address is where SSH finds it: QEMU's DHCP server gives another one after a restart of a box that was kept.
  box: { links: { wan: { dhcp: true, addresses: ['10.0.2.15/24'] }, lan: { addresses: ['10.1.0.1/24'] } } },
};
const SECRET = 'hush-hush-1234';

let box: Box;
/** What it was after its first boot: slot a runs, and there is nothing in slot b. */
let fresh: Frozen;
beforeAll(() => {
  box = new Box({
    image,
    configuration: CONFIGURATION,
    networks: ['user,restrict=on'],
    clock: 'instructions',
  });
  box.put('bivouac/ospf.key', `${SECRET}\n`);
});
afterAll(() => box.dispose());

/** Copies an update into the box, installs it, and leaves the restart to whoever calls. */
async function install(file: string): Promise<void> {
  const copied = await box.run('cat > /state/new.update', { input: file });
  expect(copied).toMatchObject({ status: 0 });
  const done = await box.run('bivouac update --no-reboot /state/new.update', { timeout: 1_800_000 });
  expect(done).toMatchObject({ status: 0, stdout: expect.stringContaining('stays what it is') });
}

/** Overwrites the beginning of a slot's root, from outside, while the box is off. */
function rot(slot: 'a' | 'b'): void {
  const listed = execFileSync('sgdisk', ['-i', slot === 'a' ? '2' : '4', box.disk], { encoding: 'utf8' });
  const sector = Number(/First sector: (\d+)/.exec(listed)?.[1]);
  const file = openSync(box.disk, 'r+');
  for (let at = 0; at < 64; at++)
    writeSync(file, Buffer.alloc(4096, 0x5a), 0, 4096, sector * 512 + at * 65_536);
  closeSync(file);
}

const running = async (): Promise<{ readonly slot: string; readonly version: string }> => {
  const slot = (await box.judged()).find(({ runs }) => runs === 'yes')!;
  return { slot: slot.slot, version: slot.version };
};

test('it boots by UEFI, takes its configuration from the boot partition, and is healthy', async () => {
  await box.start();
  expect(await box.judged()).toEqual([
    expect.objectContaining({ slot: 'a', version, generation: 1, runs: 'yes', state: 'good' }),
  ]);
  const { stdout } = await box.run('cat /run/bivouac/report.json');
  expect(JSON.parse(stdout)).toMatchObject({ name: 'cell-a', place: 'esp', refused: [] });
  expect((await box.run('systemctl --failed --plain --no-legend')).stdout).toBe('');
});

test('its root is verified and read only, its state as large as the disk, its watchdog armed, its journal kept', async () => {
  const said = async (command: string): Promise<string> => (await box.run(command)).stdout;
  expect(await said('dmsetup status root')).toMatch(/verity V/);
  expect((await box.run('touch /usr/x')).status).not.toBe(0);
  expect(Number(await said('df -m --output=size /state | tail -1'))).toBeGreaterThan(400);
  expect(await said('systemctl show -p RuntimeWatchdogUSec -p WatchdogDevice')).toMatch(
    /watchdog0[\s\S]*=30s|=30s[\s\S]*watchdog0/,
  );
  expect(await said('journalctl --header | grep -c "^File path: /var/log/journal"')).toMatch(/[1-9]/);
  expect(await said("grep -c '^[^:]*:[^*!:]' /etc/shadow")).toBe('0\n');
});

test('what it does not serve is closed, beside what it serves', async () => {
  const { stdout } = await box.run('nft list table inet bivouac_firewall');
  expect(stdout).toMatch(/policy drop/);
  expect(stdout).toMatch(/tcp dport 22 accept[\s\S]*tcp dport 9746 accept/);
});

test('its support file has everything, and no secret', async () => {
  await box.run(`logger -t test "the key is ${SECRET}"`);
  const made = await box.run('bivouac tech-support --output /tmp/s.tar.gz && base64 /tmp/s.tar.gz');
  expect(made.status).toBe(0);
  const archive = gunzipSync(Buffer.from(made.stdout.slice(made.stdout.indexOf('\n') + 1), 'base64'));
  const names = readTar(sourceOf(archive), { entries: 200, size: 1 << 24 }).map(({ name }) => name);
  expect(names).toEqual(
    expect.arrayContaining([
      'config.json',
      'journal.txt',
      'nftables.txt',
      'frr-config.txt',
      'show-services.json',
    ]),
  );
  expect(archive.includes(SECRET)).toBe(false);
  expect(archive.includes('PRIVATE KEY-----\n')).toBe(false);
  fresh = await box.freeze();
});

test('what is not signed by a key that it trusts, older, or for another board is refused', async () => {
  await box.thaw(fresh);
  const file = join(box.directory, 'old.update');
  remake(update, file, version.replace(/^\d+\.\d+\.\d+/, '0.0.0'));
  await box.run('cat > /state/new.update', { input: file });
  expect(await box.run('bivouac update --no-reboot /state/new.update')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('older'),
  });
  await box.run('printf x | dd of=/state/new.update bs=1 seek=600 conv=notrunc');
  expect(await box.run('bivouac update --no-reboot /state/new.update')).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/not signed/),
  });
});

test('an update that does not get healthy is given up after three starts', async () => {
  await box.thaw(fresh);
  const file = join(box.directory, 'bad.update');
  remake(update, file, next(1), 'systemd.mask=bivouac.service');
  await install(file);
  await box.run('systemctl reboot');
  await box.until('cat /run/bivouac-boot/slot; bivouac box status', /^a[\s\S]*failed/, 1_800_000);
  expect(await running()).toEqual({ slot: 'a', version });
});

test('a new slot that does not verify is given up without being started', async () => {
  await box.thaw(fresh);
  const file = join(box.directory, 'good.update');
  remake(update, file, next(1));
  await install(file);
  await box.cut();
  rot('b');
  await box.start();
  expect(await running()).toEqual({ slot: 'a', version });
  expect(box.guest.console()).toMatch(/slot b: .*is not what was signed/);
});

test('a state partition that is destroyed is made anew, loudly, and the box serves', async () => {
  await box.thaw(fresh);
  await box.cut();
  const listed = execFileSync('sgdisk', ['-i', '6', box.disk], { encoding: 'utf8' });
  const sector = Number(/First sector: (\d+)/.exec(listed)?.[1]);
  const file = openSync(box.disk, 'r+');
  writeSync(file, Buffer.alloc(80 << 20, 0xa5), 0, 80 << 20, sector * 512);
  closeSync(file);
  await box.start();
  expect(await running()).toEqual({ slot: 'a', version });
  expect((await box.run('cat /run/bivouac-state; bivouac box screen')).stdout).toMatch(
    /STATE LOST[\s\S]*! bivouac|STATE LOST/,
  );
  expect(box.guest.console()).toContain('STATE LOST');
  const shown = await box.until('bivouac show problems; bivouac show events', /not-reached.*STATE LOST/);
  expect(shown).toMatch(/^PROBLEM\nSTATE LOST/);
});

test('an update runs after a restart, and is good from then on', async () => {
  await box.thaw(fresh);
  const file = join(box.directory, 'good.update');
  remake(update, file, next(1));
  await install(file);
  expect(await box.slots()).toMatchObject([
    { slot: 'b', state: 'on trial', left: 3 },
    { slot: 'a', state: 'good' },
  ]);
  await box.run('systemctl reboot');
  await box.until('cat /run/bivouac-boot/slot', /^b/);
  expect(await box.judged()).toMatchObject([
    { slot: 'b', version: next(1), generation: 2, runs: 'yes', state: 'good' },
    { slot: 'a', state: 'good' },
  ]);
});

test('a slot that was good and rots is given up for the other', async () => {
  await box.cut();
  rot('b');
  await box.start();
  expect(await running()).toEqual({ slot: 'a', version });
  expect(await box.slots()).toMatchObject([{ slot: 'a' }, { slot: 'b', state: 'failed' }]);
});
