// All the set-up a command of package.json needs on a fresh Debian machine with Node: Debian's packages,
// the npm packages, the bundles. Each step is skipped when it is already done.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { guestKernel } from './guest-kernel.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const packages = JSON.parse(readFileSync(join(root, 'tools/packages.json'), 'utf8'));

/** Which groups of tools/packages.json each command needs. */
const groups = {
  check: ['build'],
  lab: ['build', 'runtime', 'test'],
  test: ['build', 'runtime', 'test', 'guest', 'disk'],
  bench: ['build', 'runtime', 'test', 'guest', 'bench'],
  firmware: ['build', 'disk', 'firmware'],
  boxes: ['build', 'runtime', 'test', 'disk', 'boxes'],
};

const command = process.argv[2] ?? 'test';
if (!(command in groups)) fail(`unknown command '${command}': one of ${Object.keys(groups).join(', ')}`);

debian(groups[command].flatMap(group => packages[group]));
npm();
addons();
if (groups[command].includes('guest')) guestKernel(root);
execFileSync(process.execPath, [join(root, 'tools/build.mjs')], { stdio: 'inherit' });

/** Installs those of `wanted` that dpkg does not know as installed. */
function debian(wanted) {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own placeholders
  const known = spawnSync('dpkg-query', ['-W', '-f', '${Package} ${db:Status-Status}\n', ...wanted], {
    encoding: 'utf8',
  });
  if (known.error)
    fail(`dpkg-query cannot be run (${known.error.message}): this needs Debian 12 or a descendant of it`);
  const installed = new Set(
    known.stdout
      .split('\n')
      .filter(line => line.endsWith(' installed'))
      .map(line => line.split(' ')[0]),
  );
  const missing = wanted.filter(name => !installed.has(name));
  if (missing.length === 0) return;
  if (process.getuid() !== 0)
    fail(
      `missing Debian packages: ${missing.join(' ')}\nInstall them as root: apt-get install ${missing.join(' ')}`,
    );
  console.error(`installing Debian packages: ${missing.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args) =>
    spawnSync('apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=300', ...args], {
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  apt('update');
  if (apt('install', '-y', '--no-install-recommends', ...missing).status !== 0) {
    fail(
      `apt-get could not install: ${missing.join(' ')}\nCheck the package sources (apt-get update) and try again.`,
    );
  }
}

/**
 * Installs the npm packages when the lock file is newer than what is installed. Not by `npm ci`: that refuses a lock file made where a
 * registry had no packages for other platforms.
 */
function npm() {
  const marker = join(root, 'node_modules/.package-lock.json');
  const lock = join(root, 'package-lock.json');
  if (existsSync(marker) && statSync(marker).mtimeMs >= statSync(lock).mtimeMs) return;
  console.error('installing npm packages');
  const done = spawnSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel', 'error'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (done.status !== 0)
    fail('npm install failed: see above (the native addons need g++, make, python3 and libpcap-dev)');
}

/**
 * cap as npm builds it asserts that libuv reports no error on its socket, and aborts the whole process when its interface goes
 * down. Built without assertions it only falls silent, which appliance/host/links.ts notices and mends.
 */
function addons() {
  const addon = join(root, 'node_modules/cap/build/Release/cap.node');
  if (!readFileSync(addon).includes('__assert_fail')) return;
  console.error('rebuilding cap without assertions');
  const env = { ...process.env, CXXFLAGS: `${process.env.CXXFLAGS ?? ''} -DNDEBUG` };
  const done = spawnSync('npm', ['rebuild', 'cap', '--loglevel', 'error'], {
    cwd: root,
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (done.status !== 0) fail('npm rebuild cap failed: see above');
}

function fail(message) {
  console.error(`set-up: ${message}`);
  process.exit(1);
}
