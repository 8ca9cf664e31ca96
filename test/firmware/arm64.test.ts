/**
 * The image for ARM servers and boards with UEFI, in an emulator: started by AAVMF; what is compiled for it loads; an update, one that is
 * not healthy, a new slot that does not verify. The box goes on from one test to the next.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Box } from '../support/box.ts';
import { type Made, newestOrMade, remake } from '../support/box-images.ts';

let made: Made;
const next = (number: number): string =>
  made.version.replace(/\.(\d+)\+/, (_, patch) => `.${Number(patch) + number}+`);

let box: Box;
beforeAll(async () => {
  made = await newestOrMade('arm64-uefi');
  box = new Box({
    image: made.image,
    architecture: 'aarch64',
    clock: 'instructions',
    configuration: {
      name: 'cell-arm',
      plain: true,
      access: ['lan'],
      pools: ['10.255.3.0/24'],
      routing: { interfaces: ['wan'], hello: 1 },
      dhcp: [{ interface: 'lan', range: '10.3.0.100-10.3.0.199' }],
      // Both of QEMU's networks have a DHCP server; the way to SSH is by the first.
      box: { wan: '52:54:00:00:00:01', links: { wan: { dhcp: true }, lan: { addresses: ['10.3.0.1/24'] } } },
    },
    networks: ['user,restrict=on'],
  });
}, 7_200_000);
afterAll(() => box?.dispose());

async function install(other: { readonly number: number; readonly argument?: string }): Promise<void> {
  const file = join(box.directory, 'new.update');
  remake(made.update, file, next(other.number), other.argument);
  expect(await box.run('cat > /state/new.update', { input: file })).toMatchObject({ status: 0 });
  const done = await box.run('bivouac update --no-reboot /state/new.update', { timeout: 1_800_000 });
  expect(done).toMatchObject({ status: 0, stdout: expect.stringContaining('stays what it is') });
}

const running = async (): Promise<object> => {
  const { slot, version, state } = (await box.judged()).find(({ runs }) => runs === 'yes')!;
  return { slot, version, state };
};

test('it boots by UEFI from a verified root, takes its configuration, and is healthy', async () => {
  await box.start();
  expect(await running()).toEqual({ slot: 'a', version: made.version, state: 'good' });
  expect((await box.run('uname -m; dmsetup status root; cat /run/bivouac-boot/slot')).stdout).toMatch(
    /^aarch64\n\d+ \d+ verity V\s*\na\n/,
  );
  expect(JSON.parse((await box.run('cat /run/bivouac/report.json')).stdout)).toMatchObject({
    name: 'cell-arm',
    place: 'esp',
    refused: [],
  });
  expect((await box.run('systemctl --failed --plain --no-legend')).stdout).toBe('');
  console.log((await box.run('systemd-analyze; free -m')).stdout);
});

test('what is compiled for it loads: cap, raw-socket, and nftables through koffi', async () => {
  const program = `
    const at = '/usr/lib/bivouac/';
    const { Cap } = require(at + 'native/cap.node');
    const link = new Cap().open('lo', '', 1 << 20, Buffer.alloc(65535));
    const { SocketWrap } = require(at + 'native/raw.node');
    new SocketWrap(1, 1);
    const koffi = require(at + 'node_modules/koffi');
    const version = koffi.load('libc.so.6').func('const char *gnu_get_libc_version()')();
    console.log(process.arch, link, version);
    process.exit(0);`;
  expect(await box.run(`node -e "${program}"`, { timeout: 120_000 })).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/^arm64 ETHERNET 2\.\d+\n/),
  });
  expect((await box.run('nft list tables')).stdout).toContain('bivouac');
});

test('an update runs after a restart, and is good from then on', async () => {
  await install({ number: 1 });
  expect(await box.slots()).toMatchObject([{ slot: 'b', state: 'on trial', left: 3 }, { slot: 'a' }]);
  await box.run('systemctl reboot');
  await box.until('cat /run/bivouac-boot/slot', /^b/);
  expect(await running()).toEqual({ slot: 'b', version: next(1), state: 'good' });
});

test('an update that does not get healthy is given up after three starts', async () => {
  await install({ number: 2, argument: 'systemd.mask=bivouac.service' });
  await box.run('systemctl reboot');
  await box.until('cat /run/bivouac-boot/slot; bivouac box status', /^b[\s\S]*failed/, 3_000_000);
  expect(await running()).toEqual({ slot: 'b', version: next(1), state: 'good' });
});
