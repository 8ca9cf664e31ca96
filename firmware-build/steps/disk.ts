/**
 * The disk image: partition table, file systems, slot a.
 */
import { rmSync, statSync } from 'node:fs';
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
    // The Pi 3's boot ROM knows no GPT: it finds the first partition by an MBR beside it.
    ...(build.profile.board === 'raspberry-pi' ? ['--hybrid=1:EE'] : []),
    file,
  ]);
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
