/**
 * The image for Raspberry Pis, on QEMU's Pi 3, started by U-Boot: its verified root and its manager; an update; a new kernel that never
 * gets to its initramfs. What the emulator has not is told in firmware-build/README.md. The board goes on from one test to the next.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Made, newestOrMade, remake } from '../support/box-images.ts';
import { Pi, SHELL } from '../support/pi.ts';

let made: Made;
const next = (number: number): string =>
  made.version.replace(/\.(\d+)\+/, (_, patch) => `.${Number(patch) + number}+`);
/** An emulated Pi on a busy machine. */
const START = 3_000_000;

let pi: Pi;
beforeAll(async () => {
  made = await newestOrMade('raspberry-pi');
  const configuration = { name: 'cell-pi', plain: true, access: ['lan'], pools: ['10.255.4.0/24'] };
  pi = new Pi(made.image, configuration);
}, 7_200_000);
afterAll(() => pi?.dispose());

const healthy = async (): Promise<string> => {
  await pi.until(
    'cat /run/bivouac-boot/slot; systemctl is-active bivouac-healthy.service',
    /^active$/m,
    START,
  );
  return (await pi.run('cat /run/bivouac-boot/slot; bivouac box status --json')) ?? '';
};

async function install(number: number, argument: string): Promise<void> {
  const file = join(pi.directory, 'new.update');
  remake(made.update, file, next(number), argument);
  await pi.run('sync');
  await pi.cut();
  pi.keep(file, `${number}.update`);
  pi.start();
  await healthy();
  const said = await pi.run(`bivouac update --no-reboot /state/${number}.update 2>&1`, START);
  expect(said).toContain('stays what it is');
}

/** What U-Boot and boot-good wrote into the state partition's second sector. */
const counted = async (): Promise<string | undefined> =>
  pi.run("dd if=/dev/bivouac/state bs=512 skip=1 count=1 2> /dev/null | tr -d '\\0'");

test('U-Boot, systemd-boot, the kernel, a verified root on the card, systemd, and a manager that is ready', async () => {
  pi.start();
  await pi.guest.until(/U-Boot script/, START);
  expect(await healthy()).toMatch(/^a\n/);
  expect(await pi.run('dmsetup status root; grep -c mmcblk0p6 /proc/mounts; uname -m')).toMatch(
    /verity V\s*\n[1-9]\d*\naarch64/,
  );
  expect(await pi.run('cat /proc/device-tree/model; echo; systemctl --failed --plain --no-legend')).toMatch(
    /^Raspberry Pi 3/,
  );
  expect(await counted()).toMatch(/^starts=0\ngood=\/EFI\/Linux\/bivouac-0001-\S+-a\.efi\nbefore=$/m);
  // The partition table was the image's, with an MBR beside it: the state grew all the same.
  expect(Number(await pi.run('df -m --output=size /state | tail -n 1'))).toBeGreaterThan(200);
  console.log(await pi.run('systemd-analyze; free -m'));
});

test('an update runs after a restart, and is good from then on', async () => {
  await install(1, SHELL);
  pi.restart();
  const status = await healthy();
  expect(status).toMatch(/^b\n/);
  expect(status).toContain(next(1));
  expect(await counted()).toMatch(/^starts=0\ngood=\S+0002\S+-b\.efi\nbefore=\S+0001\S+-a\.efi$/m);
});

test('a new kernel that never gets to its initramfs is given up after four starts', async () => {
  // The kernel panics, and restarts the board.
  await install(2, 'rdinit=/none init=/none root=/dev/none panic=1');
  await pi.cut();
  expect(pi.entries()).toHaveLength(2);
  pi.start();
  await pi.guest.until(/5 starts and not healthy since: \S+-b\.efi/, START);
  expect(await healthy()).toMatch(/^b\n/);
  expect(await pi.run('bivouac box status')).toMatch(/failed/);
});
