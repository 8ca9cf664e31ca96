/**
 * The EFI system partition: the boot manager, the first slot's kernel image, and room for the configuration that a person puts there.
 */
import { copyFileSync, mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { type Build, between } from '../build.ts';
import { SECTOR } from '../formats/layout.ts';
import { efiFile, efiName } from './efi.ts';
import { addBoardFirmware } from './raspberry-pi.ts';
import { run } from './run.ts';
import { identityOf } from './verity.ts';

/** FAT keeps times in steps of two seconds. */
const even = (epoch: number): number => epoch - (epoch % 2);

/** What the boot manager is told: start the newest kernel image at once, and let nobody change its command line. */
const LOADER = 'timeout 0\neditor no\nauto-entries no\nauto-firmware no\n';

const README = `Put bivouac.json or mission.tar here, and it is this box's configuration from the next start on.
`;

/** The first entry's name: update number 1, slot a, without boot counter, as there is nothing to fall back to. */
export const firstEntry = (version: string): string => `bivouac-0001-${version}-a.efi`;

/** Makes the file system; gives its file. */
export function makeEsp(build: Build, kernelImage: string, sectors: number): string {
  const tree = between(build, 'esp');
  rmSync(tree, { recursive: true, force: true });
  for (const path of ['EFI/BOOT', 'EFI/Linux', 'loader', 'bivouac'])
    mkdirSync(`${tree}/${path}`, { recursive: true });
  copyFileSync(efiFile(build, 'manager'), `${tree}/EFI/BOOT/BOOT${efiName(build).toUpperCase()}.EFI`);
  copyFileSync(kernelImage, `${tree}/EFI/Linux/${firstEntry(build.version)}`);
  writeFileSync(`${tree}/loader/loader.conf`, LOADER);
  writeFileSync(`${tree}/bivouac/README.txt`, README);
  if (build.profile.board === 'raspberry-pi') addBoardFirmware(build, tree);
  return makeFat(build, tree, 'BIVOUAC', sectors);
}

/** A FAT32 file system with the tree in it, made without mounting. */
export function makeFat(build: Build, tree: string, label: string, sectors: number): string {
  const file = `${tree}.img`;
  rmSync(file, { force: true });
  const volume = identityOf('fat', label, build.version).slice(0, 8);
  run('truncate', ['-s', String(sectors * SECTOR), file]);
  run('mkfs.vfat', ['--invariant', '-F', '32', '-i', volume, '-n', label, file]);
  const paths = readdirSync(tree, { recursive: true, encoding: 'utf8' }).sort();
  for (const path of paths) utimesSync(`${tree}/${path}`, even(build.epoch), even(build.epoch));
  for (const path of paths) {
    const directory = statSync(`${tree}/${path}`).isDirectory();
    const env = { MTOOLS_SKIP_CHECK: '1', SOURCE_DATE_EPOCH: String(even(build.epoch)) };
    run(
      directory ? 'mmd' : 'mcopy',
      directory ? ['-i', file, `::${path}`] : ['-m', '-i', file, `${tree}/${path}`, `::${path}`],
      {
        env,
      },
    );
  }
  return file;
}
