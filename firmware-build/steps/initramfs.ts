/**
 * The small root that opens the real one: busybox, dmsetup, the modules to find a disk, and initramfs/init.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Build, between, rootOf } from '../build.ts';
import { type CpioEntry, writeCpio } from '../formats/cpio.ts';
import { dependenciesOf, modulesByName } from '../formats/modules.ts';
import { librariesOf } from './elf.ts';
import type { Kernel } from './kernel.ts';
import { run } from './run.ts';

/** What initramfs/init calls, all of it busybox. */
export const APPLETS =
  'basename cat cut dd find grep head ls mkdir mkfifo mknod modprobe mount mv printf reboot sed seq sh sha256sum sleep sort switch_root sync tr umount xargs'.split(
    ' ',
  );

/** Makes it, compressed; gives its file. */
export function makeInitramfs(build: Build, kernel: Kernel): string {
  const root = rootOf(build);
  const programs = ['usr/bin/busybox', 'usr/sbin/dmsetup'];
  const files = new Map<string, string>([
    ['bin/busybox', `${root}/${programs[0]}`],
    ['bin/dmsetup', `${root}/${programs[1]}`],
    ['init', `${build.root}/firmware-build/initramfs/init`],
    ...librariesOf(root, programs),
    ...moduleFiles(build, kernel),
  ]);
  const links: CpioEntry[] = [
    ...APPLETS.map(name => ({ path: `bin/${name}`, kind: 'link', to: 'busybox' }) as const),
    // What the kernel itself calls when it misses a module.
    { path: 'sbin/modprobe', kind: 'link', to: '../bin/busybox' },
    { path: 'lib', kind: 'link', to: 'usr/lib' },
    { path: 'lib64', kind: 'link', to: 'usr/lib64' },
  ];
  const directories = [...files.keys()].flatMap(ancestors);
  const entries: CpioEntry[] = [
    ...[...new Set(['dev', 'proc', 'run', 'sbin', 'sys', ...directories])]
      .sort()
      .map(path => ({ path, kind: 'directory' }) as const),
    // For what is said before /dev is mounted.
    { path: 'dev/console', kind: 'device', major: 5, minor: 1 },
    ...links,
    ...[...files]
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(
        ([path, from]) =>
          ({ path, kind: 'file', bytes: readFileSync(from), executable: !path.endsWith('.ko') }) as const,
      ),
  ];
  const plain = between(build, 'initramfs.cpio');
  writeFileSync(plain, writeCpio(entries));
  run('zstd', ['-q', '-f', build.fast ? '-3' : '-19', '-T1', plain, '-o', `${plain}.zst`]);
  return `${plain}.zst`;
}

/** The modules and depmod's tables for them alone, by their path in the initramfs. */
function moduleFiles(build: Build, { release }: Kernel): readonly (readonly [string, string])[] {
  const from = `${rootOf(build)}/usr/lib/modules/${release}`;
  const tree = between(build, 'initramfs-modules');
  const to = `${tree}/lib/modules/${release}`;
  rmSync(tree, { recursive: true, force: true });
  const depends = dependenciesOf(readFileSync(`${from}/modules.dep`, 'utf8'));
  for (const path of modulesByName(build.profile.kernel?.initramfs ?? [], depends)) {
    mkdirSync(dirname(`${to}/${path}`), { recursive: true });
    cpSync(`${from}/${path}`, `${to}/${path}`);
  }
  for (const name of ['modules.builtin', 'modules.order']) cpSync(`${from}/${name}`, `${to}/${name}`);
  run('depmod', ['-b', tree, release]);
  return readdirSync(to, { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith('.ko') || /^modules\.(dep|alias|softdep|builtin)$/.test(path))
    .map(path => [`usr/lib/modules/${release}/${path}`, `${to}/${path}`] as const);
}

/** The directories above a path. */
function ancestors(path: string): readonly string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}
