/**
 * What a Raspberry Pi needs in its boot partition: its own firmware (Debian's non-free-firmware), device trees, and U-Boot, which starts
 * systemd-boot as UEFI firmware does, and counts starts (raspberry-pi/boot.cmd).
 */
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type Build, between, packagesOf } from '../build.ts';
import { scriptImage } from '../formats/uboot-script.ts';
import { run } from './run.ts';

/** For the Pi 3 and 4. The serial console is the first UART's pins 8 and 10. */
const CONFIG = 'arm_64bit=1\nenable_uart=1\nupstream_kernel=1\nkernel=u-boot.bin\n';

/** Copies it all into the boot partition's tree. */
export function addBoardFirmware(build: Build, tree: string): void {
  const unpacked = between(build, 'raspberry-pi');
  for (const name of readdirSync(packagesOf(build)).filter(file =>
    /^(raspi-firmware|u-boot-rpi)_/.test(file),
  ))
    run('dpkg-deb', ['-x', `${packagesOf(build)}/${name}`, unpacked]);
  const firmware = `${unpacked}/usr/lib/raspi-firmware`;
  for (const name of readdirSync(firmware).filter(file =>
    /^(bootcode\.bin|(start|fixup)4?\.(elf|dat))$/.test(file),
  ))
    copyFileSync(`${firmware}/${name}`, `${tree}/${name}`);
  copyFileSync(`${unpacked}/usr/lib/u-boot/rpi_arm64/u-boot.bin`, `${tree}/u-boot.bin`);
  writeFileSync(`${tree}/config.txt`, CONFIG);
  const script = readFileSync(`${build.root}/firmware-build/raspberry-pi/boot.cmd`, 'utf8');
  writeFileSync(`${tree}/boot.scr`, scriptImage(script, build.epoch));
  const trees = `${between(build, 'kernel')}/usr/lib`;
  const kernel = readdirSync(trees).find(name => name.startsWith('linux-image-')) ?? '';
  for (const name of readdirSync(`${trees}/${kernel}/broadcom`).filter(file =>
    /^bcm(2837-rpi-3|2711-rpi)/.test(file),
  )) {
    copyFileSync(`${trees}/${kernel}/broadcom/${name}`, `${tree}/${name}`);
    // By its older name too, under which the firmware looks when it does not find the kernel's own.
    if (name.startsWith('bcm2837'))
      copyFileSync(`${tree}/${name}`, `${tree}/${name.replace('bcm2837', 'bcm2710')}`);
  }
}
