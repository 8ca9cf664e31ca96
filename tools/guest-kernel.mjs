// Debian's kernel for the guests of the tests: the package as apt fetches it, unpacked below node_modules/.cache, never installed. Only what
// a guest of the tests may need: a graphics card it has none.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

const WANTED = [
  './boot/vmlinuz-*',
  './lib/modules/*/modules.*',
  ...['arch', 'block', 'crypto', 'fs', 'lib', 'net'].map(part => `./lib/modules/*/kernel/${part}/*`),
  ...['block', 'char', 'md', 'net', 'virtio'].map(part => `./lib/modules/*/kernel/drivers/${part}/*`),
];

/** Fetches and unpacks it, unless it is there. Throws when apt cannot. */
export function guestKernel(root) {
  const directory = join(root, 'node_modules/.cache/bivouac-guest-kernel');
  if (existsSync(join(directory, 'lib/modules'))) return directory;
  console.error('fetching a kernel for the guests of the tests');
  mkdirSync(dirname(directory), { recursive: true });
  const work = mkdtempSync(`${directory}-`);
  try {
    const run = (file, ...words) =>
      execFileSync(file, words, { cwd: work, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });
    const name = packageName(run);
    // apt warns that its sandbox user cannot write here.
    const got = spawnSync('apt-get', ['-qq', 'download', name], { cwd: work, encoding: 'utf8' });
    const file = readdirSync(work).find(entry => entry.endsWith('.deb'));
    if (file === undefined) throw new Error(`apt-get could not fetch ${name}: ${got.stderr}`);
    const unpacked = join(work, 'unpacked');
    mkdirSync(unpacked);
    const words = WANTED.map(pattern => `'${pattern}'`).join(' ');
    run('sh', '-c', `dpkg-deb --fsys-tarfile ${file} | tar -C unpacked -x --wildcards ${words}`);
    const [version] = readdirSync(join(unpacked, 'lib/modules'));
    renameSync(join(unpacked, `boot/vmlinuz-${version}`), join(unpacked, 'boot/vmlinuz'));
    run('busybox', 'depmod', '-b', unpacked, version);
    renameSync(unpacked, directory);
    return directory;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The newest kernel's package: linux-image-amd64 depends on it. */
function packageName(run) {
  const depends = () =>
    run('apt-cache', 'depends', 'linux-image-amd64').match(/Depends: (linux-image-\S+)/)?.[1];
  try {
    const found = depends();
    if (found) return found;
  } catch {
    // Its lists are not there yet.
  }
  run('apt-get', '-qq', '-o', 'DPkg::Lock::Timeout=300', 'update');
  const found = depends();
  if (!found) throw new Error('apt knows no linux-image-amd64: guests of the tests need an amd64 Debian');
  return found;
}
