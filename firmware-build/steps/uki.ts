/**
 * The unified kernel images, one for each slot: they differ in the kernel's command line alone.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { type Build, between } from '../build.ts';
import { addSections } from '../formats/pe.ts';
import { efiFile } from './efi.ts';
import type { Kernel } from './kernel.ts';
import type { Verity } from './verity.ts';

export type Slot = 'a' | 'b';

/** Makes both; gives their files. */
export function makeKernelImages(
  build: Build,
  kernel: Kernel,
  initramfs: string,
  verity: Verity,
): Readonly<Record<Slot, string>> {
  const stub = readFileSync(efiFile(build, 'stub'));
  const make = (slot: Slot): string => {
    const file = between(build, `uki-${slot}.efi`);
    writeFileSync(
      file,
      addSections(stub, [
        { name: '.osrel', bytes: Buffer.from(bootEntry(build.version)) },
        { name: '.cmdline', bytes: Buffer.from(`${commandLine(build, slot, verity)}\0`) },
        { name: '.initrd', bytes: readFileSync(initramfs) },
        // Last: the kernel is unpacked in place, beyond its end.
        { name: '.linux', bytes: readFileSync(kernel.image) },
      ]),
    );
    return file;
  };
  return { a: make('a'), b: make('b') };
}

/** What the kernel of a slot is told. */
export function commandLine({ profile, kernelArguments }: Build, slot: Slot, verity: Verity): string {
  return [
    `bivouac.slot=${slot}`,
    `bivouac.verity=${verity.blocks},${verity.rootHash},${verity.salt}`,
    ...(profile.kernel?.arguments ?? []),
    ...kernelArguments,
  ].join(' ');
}

/** What the boot menu shows. Without a version: systemd-boot then sorts by file name, which begins with the update's number. */
const bootEntry = (version: string): string =>
  `ID=bivouac\nIMAGE_ID=bivouac\nPRETTY_NAME="Bivouac ${version}"\n`;
