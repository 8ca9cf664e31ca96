/**
 * A guest that runs this host's own files under Debian's kernel: its root is the host's, read over 9p, under a tmpfs that takes what is
 * written. So whatever a test needs of programs and packages is there as soon as the host has it, and nothing is built. It runs one
 * program of Node's, then powers off.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CpioFile, cpio } from './cpio.ts';
import type { GuestOptions } from './guest.ts';
import { ROOT } from './root.ts';

/** As tools/guest-kernel.mjs makes it. */
const KERNEL = join(ROOT, 'node_modules/.cache/bivouac-guest-kernel');

/** Without these there is no root: they must be in the first file system. */
const FIRST = ['virtio_pci', 'virtio_console', 'virtio-rng', '9pnet_virtio', '9p', 'overlay'];

/**
 * Process 1 until the root is there, then what starts the program. The modules' index is busybox's, so modprobe is too. `@PROGRAM@` and `@KERNEL@` are
 * filled in.
 */
const INIT = `#!/bin/busybox sh
bb=/bin/busybox
$bb mkdir -p /proc /sys /dev /host /upper /root
$bb mount -t proc proc /proc
$bb mount -t sysfs sysfs /sys
$bb mount -t devtmpfs dev /dev
for module in ${FIRST.join(' ')}; do $bb modprobe $module; done
$bb mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 host /host
$bb mount -t tmpfs -o size=50% upper /upper
$bb mkdir -p /upper/top /upper/work
$bb mount -t overlay -o lowerdir=/host,upperdir=/upper/top,workdir=/upper/work root /root
for mount in proc sys dev; do $bb mount --move /$mount /root/$mount; done
exec $bb switch_root /root /bin/sh -c '
  mkdir -p /lib/modules /dev/pts /dev/shm
  mount -t tmpfs run /run
  mount -t tmpfs tmp /tmp
  mount -t devpts devpts /dev/pts
  mount --bind @KERNEL@/lib/modules /lib/modules
  ln -sf $(command -v busybox) /sbin/modprobe
  export HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin
  ip link set lo up
  @NODE@ @PROGRAM@ </dev/null
  echo "guest: the program ended with $?"
  echo o >/proc/sysrq-trigger
  while :; do :; done
'
`;

/** Boots it: `directory` is the test's own, and takes the first file system. `program` is a path of this host. */
export function hostSystem(directory: string, program: string): Pick<GuestOptions, 'boot' | 'share'> {
  const initrd = join(directory, 'initrd');
  const script = INIT.replaceAll('@KERNEL@', KERNEL)
    .replace('@NODE@', process.execPath)
    .replace('@PROGRAM@', program);
  writeFileSync(initrd, cpio([{ path: 'init', mode: 0o755, data: Buffer.from(script) }, ...first()]));
  // An emulator that is kept waiting ticks too late for the kernel's check of its timer, which then panics.
  const append = 'console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off nokaslr no_timer_check';
  return { boot: { kernel: join(KERNEL, 'boot/vmlinuz'), initrd, append }, share: '/' };
}

/** busybox with its libraries, and the modules of FIRST with all that they depend on. */
function first(): readonly CpioFile[] {
  const busybox = execFileSync('sh', ['-c', 'command -v busybox'], { encoding: 'utf8' }).trim();
  const libraries = execFileSync('ldd', [busybox], { encoding: 'utf8' }).match(/\/\S+/g) ?? [];
  const [version = ''] = readdirSync(join(KERNEL, 'lib/modules'));
  const modules = join(KERNEL, 'lib/modules', version);
  const depends = readFileSync(join(modules, 'modules.dep'), 'utf8');
  const needed = new Set<string>();
  for (const name of FIRST)
    for (const path of new RegExp(`^\\S*/${name}\\.ko:.*$`, 'm').exec(depends)?.[0].split(/:?\s+|:$/) ?? [])
      if (path !== '') needed.add(path);
  const copy = (from: string, to = from, mode = 0o755): CpioFile => ({
    path: to.replace(/^\//, ''),
    mode,
    data: readFileSync(from),
  });
  return [
    copy(busybox, 'bin/busybox'),
    ...libraries.filter(path => path !== busybox).map(path => copy(path)),
    copy(join(modules, 'modules.dep'), `lib/modules/${version}/modules.dep`, 0o644),
    ...[...needed].map(path => copy(join(modules, path), `lib/modules/${version}/${path}`, 0o644)),
  ];
}
