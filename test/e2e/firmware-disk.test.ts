/**
 * The image builder from a finished root on: squashfs, verity, kernel images, disk and update file, with Debian's own tools to look at what
 * came out. A root of a few files stands in for Debian's packages, whose installation takes longer than a test may
 * (`npm run firmware -- x86_64-uefi --twice` does the whole).
 */
import { execFileSync } from 'node:child_process';
import { createHash, createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sourceOf } from '../../appliance/box/tar.ts';
import { openUpdate } from '../../appliance/box/update-file.ts';
import type { Build } from '../../firmware-build/build.ts';
import { differences } from '../../firmware-build/compare.ts';
import { layoutOf, SECTOR } from '../../firmware-build/formats/layout.ts';
import { sectionsOf } from '../../firmware-build/formats/pe.ts';
import { makeDiskImage } from '../../firmware-build/image.ts';
import { parseProfile } from '../../firmware-build/profile.ts';
import { makeDisk } from '../../firmware-build/steps/disk.ts';
import { writeManifest } from '../../firmware-build/steps/manifest.ts';

const repository = join(import.meta.dirname, '../..');
const directory = mkdtempSync(join(tmpdir(), 'bivouac-firmware-'));
const read = (name: string): string =>
  readFileSync(join(repository, 'firmware-build/profiles', `${name}.json`), 'utf8');
const sizes = { esp: 40, root: 16, verity: 1, state: 32 };
const profile = { ...parseProfile('x86_64-uefi', read('x86_64-uefi'), read('base')), sizes };
const version = '0.1.0+202611210843.d2f8804';
const epoch = 1795250621;
const { privateKey } = generateKeyPairSync('ed25519');
const run = (file: string, ...args: string[]): string =>
  execFileSync(file, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: `/usr/sbin:/sbin:${process.env['PATH']}` },
  });

/** Builds from a root whose files were written now, in a directory of its own; gives the name before each file's ending. */
function make(name: string): string {
  const work = join(directory, `${name}-work`);
  const out = join(directory, name);
  for (const path of [out, `${work}/root/usr/lib`, `${work}/efi/usr/lib/systemd/boot`])
    mkdirSync(path, { recursive: true });
  writeFileSync(`${work}/root/usr/lib/os-release`, 'ID=bivouac\n');
  writeFileSync(`${work}/root/data`, Buffer.alloc(300_000, 7));
  utimesSync(`${work}/root/data`, epoch + Math.random() * 1e6, epoch + Math.random() * 1e6);
  // Debian's, as this machine has it.
  symlinkSync('/usr/lib/systemd/boot/efi', `${work}/efi/usr/lib/systemd/boot/efi`);
  writeFileSync(`${work}/vmlinuz`, Buffer.alloc(100_000, 1));
  writeFileSync(`${work}/initramfs`, Buffer.alloc(50_000, 2));
  const build: Build = {
    profile,
    version,
    epoch,
    root: repository,
    bundle: '',
    work,
    cache: work,
    out,
    fast: true,
    kernelArguments: ['bad=1'],
  };
  const path = `${out}/image`;
  makeDiskImage(build, {
    kernel: { release: '6.1', image: `${work}/vmlinuz` },
    initramfs: `${work}/initramfs`,
    key: privateKey,
    name: path,
    step: (_, act) => act(),
  });
  return path;
}

let image = '';

beforeAll(() => {
  image = make('first');
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A partition's content in a file of its own. */
function partition(name: string): string {
  const { start = 0, sectors = 0 } = layoutOf(sizes, 'amd64').find(one => one.name === name) ?? {};
  const file = join(directory, name);
  const skip = String(start * SECTOR);
  const count = String(sectors * SECTOR);
  run(
    'dd',
    `if=${image}.img`,
    `of=${file}`,
    'bs=1M',
    `skip=${skip}`,
    `count=${count}`,
    'iflag=skip_bytes,count_bytes',
  );
  return file;
}

describe('the disk', () => {
  test('has a partition table without fault', () => {
    expect(run('sgdisk', '--verify', `${image}.img`)).toMatch(/No problems found/);
    expect(run('sgdisk', '--print', `${image}.img`)).toMatch(
      /esp[\s\S]*root-a[\s\S]*verity-a[\s\S]*root-b[\s\S]*verity-b[\s\S]*state/,
    );
  });

  test('has file systems without fault', () => {
    expect(run('fsck.vfat', '-n', partition('esp'))).toMatch(/files,/);
    expect(run('e2fsck', '-f', '-n', partition('state'))).toMatch(/bivouac-state/);
    expect(run('unsquashfs', '-cat', partition('root-a'), 'usr/lib/os-release')).toBe('ID=bivouac\n');
  });

  test('has one entry that systemd-boot takes at once, and a place for a configuration', () => {
    const list = (path: string): string => run('mdir', '-b', '-i', partition('esp'), `::${path}`);
    expect(list('EFI/Linux').trim().split('\n')).toEqual([`::/EFI/Linux/bivouac-0001-${version}-a.efi`]);
    expect(list('EFI/BOOT').trim()).toBe('::/EFI/BOOT/BOOTX64.EFI');
    expect(list('bivouac').trim()).toBe('::/bivouac/README.txt');
    expect(run('mtype', '-i', partition('esp'), '::loader/loader.conf')).toMatch(/timeout 0\neditor no/);
  });

  test('leaves the other slot empty', () => {
    expect(readFileSync(partition('root-b')).every(byte => byte === 0)).toBe(true);
  });

  test('has a root that the kernel’s arguments verify, and no other', () => {
    const entry = join(directory, 'entry.efi');
    rmSync(entry, { force: true });
    run('mcopy', '-i', partition('esp'), `::EFI/Linux/bivouac-0001-${version}-a.efi`, entry);
    const bytes = readFileSync(entry);
    const section = (name: string): Buffer => {
      const { offset = 0, memory = 0 } = sectionsOf(bytes).find(one => one.name === name) ?? {};
      return bytes.subarray(offset, offset + memory);
    };
    const words = section('.cmdline').toString().replace(/\0$/, '').split(' ');
    expect(words).toEqual(
      expect.arrayContaining(['bivouac.slot=a', 'bad=1', ...(profile.kernel?.arguments ?? [])]),
    );
    // systemd-boot orders entries without a version by their file names.
    expect(section('.osrel').toString()).not.toMatch(/VERSION/);
    expect(section('.initrd').length).toBe(50_000);
    const [, blocks, hash = ''] =
      /^bivouac\.verity=(\d+),([0-9a-f]{64}),[0-9a-f]{64}$/.exec(words[1] ?? '') ?? [];
    const [root, tree] = [partition('root-a'), partition('verity-a')];
    expect(run('veritysetup', 'verify', `--data-blocks=${blocks}`, root, tree, hash)).toBe('');
    const changed = `${root}.changed`;
    copyFileSync(root, changed);
    run('dd', 'if=/dev/urandom', `of=${changed}`, 'bs=1', 'count=8', 'seek=1000', 'conv=notrunc');
    expect(() => run('veritysetup', 'verify', `--data-blocks=${blocks}`, changed, tree, hash)).toThrow();
  });
});

test('a Pi’s disk has an MBR, too, of which its boot ROM and its firmware take the first partition', () => {
  const work = join(directory, 'pi');
  mkdirSync(work);
  const pi = parseProfile('raspberry-pi', read('raspberry-pi'), read('base'));
  const disk = makeDisk({ profile: pi, work } as Build, layoutOf(sizes, 'arm64'), {});
  expect(run('sgdisk', '--verify', disk)).toMatch(/No problems found/);
  const table = readFileSync(disk).subarray(446, 512);
  const entry = (index: number): { type: number; start: number; sectors: number } => ({
    type: table[index * 16 + 4]!,
    start: table.readUInt32LE(index * 16 + 8),
    sectors: table.readUInt32LE(index * 16 + 12),
  });
  expect([0, 1, 2, 3].map(entry)).toEqual([
    { type: 0x0c, start: 2048, sectors: sizes.esp * 2048 },
    { type: 0x83, start: 2048 + sizes.esp * 2048, sectors: sizes.root * 2048 },
    { type: 0xee, start: 1, sectors: 2047 },
    { type: 0, start: 0, sectors: 0 },
  ]);
});

test('the manifest has every file’s hash, and its signature can be checked by openssl', () => {
  const build = { profile, version } as Build;
  writeManifest(build, image, privateKey);
  const { files } = JSON.parse(readFileSync(`${image}.manifest.json`, 'utf8')) as {
    files: Record<string, { size: number; sha256: string }>;
  };
  expect(Object.keys(files)).toEqual(['image.img', 'image.update']);
  expect(run('sha256sum', `${image}.update`).slice(0, 64)).toBe(files['image.update']?.sha256);
  const key = join(directory, 'public.pem');
  writeFileSync(key, createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }));
  const words = ['-verify', '-pubin', '-inkey', key, '-rawin', '-in', `${image}.manifest.json`];
  expect(run('openssl', 'pkeyutl', ...words, '-sigfile', `${image}.manifest.sig`)).toMatch(
    /Verified Success/,
  );
  rmSync(`${image}.manifest.json`);
  rmSync(`${image}.manifest.sig`);
});

test('the update file is one that the box takes', () => {
  const bytes = readFileSync(`${image}.update`);
  const key = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const trusted = {
    keys: [key],
    verify: (der: Uint8Array, text: Uint8Array, signature: Uint8Array): boolean =>
      verify(null, text, { key: Buffer.from(der), format: 'der', type: 'spki' }, signature),
    digest: () => {
      const hash = createHash('sha256');
      return { update: (part: Uint8Array): void => void hash.update(part), hex: () => hash.digest('hex') };
    },
  };
  const box = { profile: 'x86_64-uefi', version: '0.1.0+202601010000.0000000' };
  const update = openUpdate(sourceOf(bytes), trusted, box, false);
  expect(update.manifest.version).toBe(version);
  expect(update.part('root.squashfs').size).toBe(statSync(join(directory, 'first-work/root.squashfs')).size);
  const other = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' });
  expect(() => openUpdate(sourceOf(bytes), { ...trusted, keys: [other] }, box, false)).toThrow(/not signed/);
});

test('a second build gives the same bits', () => {
  make('second');
  expect(differences(join(directory, 'first'), join(directory, 'second'), 'image')).toEqual([]);
  expect(statSync(`${image}.img`).size).toBeGreaterThan(0);
  // And would it have been seen?
  const bytes = readFileSync(`${image}.update`);
  bytes[20_000] = (bytes[20_000] ?? 0) ^ 1;
  writeFileSync(join(directory, 'second/image.update'), bytes);
  expect(differences(join(directory, 'first'), join(directory, 'second'), 'image')).toEqual([
    'image.update: differs from byte 20000 on',
  ]);
});
