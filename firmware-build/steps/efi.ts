/**
 * The EFI programs of systemd for the image's architecture.
 */
import { existsSync, readdirSync } from 'node:fs';
import { type Build, between, packagesOf } from '../build.ts';
import { run } from './run.ts';

/** The boot manager, or the stub that a kernel is packed in. */
export function efiFile(build: Build, what: 'manager' | 'stub'): string {
  const unpacked = between(build, 'efi');
  if (!existsSync(unpacked)) {
    const file = readdirSync(packagesOf(build)).find(name => name.startsWith('systemd-boot-efi_'));
    if (file === undefined) throw new Error(`systemd-boot-efi is not in ${packagesOf(build)}`);
    run('dpkg-deb', ['-x', `${packagesOf(build)}/${file}`, unpacked]);
  }
  const machine = efiName(build);
  const name = what === 'stub' ? `linux${machine}.efi.stub` : `systemd-boot${machine}.efi`;
  return `${unpacked}/usr/lib/systemd/boot/efi/${name}`;
}

/** UEFI's short name of the architecture (UEFI 2.10 § 3.5.1.1). */
export const efiName = ({ profile }: Build): 'x64' | 'aa64' =>
  profile.architecture === 'amd64' ? 'x64' : 'aa64';
