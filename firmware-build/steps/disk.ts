/**
 * The disk image: partition table, file systems, slot a.
 */
import { closeSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { type Build, between } from '../build.ts';
import { diskSize, type Partition, SECTOR } from '../formats/layout.ts';
import { run } from './run.ts';
import { identityOf } from './verity.ts';

/** Writes what each partition holds (those not named are left empty) into an image; gives its file. */
export function makeDisk(
  build: Build,
  partitions: readonly Partition[],
  contents: Readonly<Partial<Record<Partition['name'], string>>>,
): string {
  const file = between(build, 'disk.img');
  rmSync(file, { force: true });
  run('truncate', ['-s', String(diskSize(partitions)), file]);
  run('sgdisk', [
    '--clear',
    '--set-alignment=2048',
    `--disk-guid=${identityOf('disk', build.profile.name)}`,
    ...partitions.flatMap(({ name, type, start, sectors }, index) => [
      `--new=${index + 1}:${start}:${start + sectors - 1}`,
      `--typecode=${index + 1}:${type}`,
      `--change-name=${index + 1}:${name}`,
      `--partition-guid=${index + 1}:${identityOf('partition', build.profile.name, name)}`,
    ]),
    // Two of them in an MBR, too, and the protective one behind these: see markForRom.
    ...(build.profile.board === 'raspberry-pi' ? ['--hybrid=1:2:EE'] : []),
    file,
  ]);
  if (build.profile.board === 'raspberry-pi') markForRom(file);
  for (const { name, start, sectors } of partitions) {
    const content = contents[name];
    if (content === undefined) continue;
    const { size } = statSync(content);
    if (size > sectors * SECTOR)
      throw new Error(
        `partition ${name} of ${sectors * SECTOR} bytes is too small for ${size}: raise sizes in profile ${build.profile.name}`,
      );
    run('dd', [
      `if=${content}`,
      `of=${file}`,
      'bs=1M',
      `seek=${start * SECTOR}`,
      'oflag=seek_bytes',
      'conv=notrunc,sparse',
      'status=none',
    ]);
  }
  return file;
}

/**
 * The Pi 3's boot ROM knows no GPT, and in the MBR beside it no partition of type 0xef: it wants FAT32 as DOS had it
 * (github.com/raspberrypi/firmware/issues/1711). Boards were also seen to stop where one of the first two entries is the protective one of
 * type 0xee (lists.debian.org/debian-cloud, March 2026).
 */
function markForRom(file: string): void {
  const disk = openSync(file, 'r+');
  writeSync(disk, Uint8Array.of(0x0c), 0, 1, MBR_TYPE);
  closeSync(disk);
}

/** Of the MBR's first entry, its type. */
const MBR_TYPE = 446 + 4;

/** The state partition: an empty ext4 that keeps its journal small. */
export function makeState(build: Build, sectors: number): string {
  const file = between(build, 'state.img');
  rmSync(file, { force: true });
  run('truncate', ['-s', String(sectors * SECTOR), file]);
  run(
    'mkfs.ext4',
    [
      '-q',
      '-L',
      'bivouac-state',
      '-U',
      identityOf('state', build.profile.name),
      '-E',
      `hash_seed=${identityOf('hash', build.profile.name)},lazy_itable_init=0,lazy_journal_init=0`,
      '-m',
      '1',
      '-J',
      'size=8',
      file,
    ],
    { env: { E2FSPROGS_FAKE_TIME: String(build.epoch) } },
  );
  return file;
}
