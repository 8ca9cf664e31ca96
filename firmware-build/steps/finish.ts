/**
 * The last touches of the root: Bivouac's own files, what says which image it is, which units run, and what goes.
 */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { type Build, rootOf } from '../build.ts';
import { releaseText } from '../formats/os-release.ts';
import { PROGRAM } from './addons.ts';
import { run } from './run.ts';

/** Directories that something is mounted on. */
const MOUNT_POINTS = ['efi', 'state', 'mnt', 'var/lib/bivouac', 'etc/bivouac'];

/** Copies firmware-build's own files over the root and settles what runs. */
export function finishRoot(build: Build): void {
  const root = rootOf(build);
  const here = `${build.root}/firmware-build`;
  const container = build.profile.board === 'container';
  for (const path of MOUNT_POINTS) mkdirSync(`${root}/${path}`, { recursive: true });
  if (container) overlay(`${here}/container`, `${root}/${PROGRAM}`, /^start$/);
  else {
    // What a router that is no image uses; an image may have its own.
    overlay(`${here}/systemd`, `${root}/usr/lib/systemd/system`);
    overlay(`${here}/rootfs`, root);
    cpSync(`${here}/initramfs/boot-good`, `${root}/${PROGRAM}/boot-good`);
    chmodSync(`${root}/${PROGRAM}/boot-good`, 0o755);
  }
  writeFileSync(`${root}/usr/lib/os-release`, releaseText(build.profile.name, build.version));
  mkdirSync(`${root}/usr/share/bivouac/update-keys`, { recursive: true });
  cpSync(`${root}/var/lib/dpkg/status`, `${root}/usr/share/bivouac/dpkg-status`);
  writeFileSync(`${root}/etc/hostname`, 'bivouac\n');
  // systemd never lets the clock begin before this file's time, which squashfs makes the build's.
  writeFileSync(`${root}/usr/lib/clock-epoch`, '');
  writeFileSync(`${root}/etc/shadow`, shadowOf(readFileSync(`${root}/etc/shadow`, 'utf8'), build.epoch));
  if (container) return;
  run('chroot', [root, 'systemd-sysusers']);
  run('chroot', [root, 'systemctl', 'preset-all']);
  // Empty: systemd takes what the initramfs or itself binds over it.
  writeFileSync(`${root}/etc/machine-id`, '');
  rmSync(`${root}/etc/resolv.conf`, { force: true });
  symlinkSync('/run/bivouac/resolv.conf', `${root}/etc/resolv.conf`);
}

/** shadow(5) with every password's last change, which is a day, that of the build's own time; Debian's tools take today's. Pure. */
export const shadowOf = (text: string, epoch: number): string =>
  text.replace(/^([^:]+:[^:]*):\d*:/gm, `$1:${Math.floor(epoch / 86_400)}:`);

/** Copies a tree over another as root's, with the permissions that git knows: executable or not. */
function overlay(from: string, to: string, only = /./): void {
  if (!existsSync(from)) return;
  const paths = readdirSync(from, { recursive: true, encoding: 'utf8' }).filter(path => only.test(path));
  for (const path of paths.sort()) {
    const source = statSync(`${from}/${path}`);
    if (source.isDirectory()) mkdirSync(`${to}/${path}`, { recursive: true });
    else {
      mkdirSync(`${to}/${path}`.replace(/\/[^/]*$/, ''), { recursive: true });
      writeFileSync(`${to}/${path}`, readFileSync(`${from}/${path}`));
      chmodSync(`${to}/${path}`, source.mode & 0o100 ? 0o755 : 0o644);
    }
  }
}

/** Takes away what the profile says, and what differs from one build to the next. */
export function slimRoot(build: Build): void {
  const root = rootOf(build);
  // The patterns are the profile's own, checked to lie below the root.
  run('bash', ['-O', 'dotglob', '-O', 'nullglob', '-c', `rm -rf -- ${build.profile.remove.join(' ')}`], {
    cwd: root,
  });
  for (const path of ['etc/ld.so.cache', 'var/cache/ldconfig'])
    rmSync(`${root}/${path}`, { recursive: true, force: true });
  run('chroot', [root, 'ldconfig', '-X']);
  rmSync(`${root}/var/cache/ldconfig`, { recursive: true, force: true });
}
