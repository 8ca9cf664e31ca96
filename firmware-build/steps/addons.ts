/**
 * The native addons, compiled for the image's Node and architecture: cap and raw-socket from their sources (they are bound to one version
 * of Node), koffi as its authors built it.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { type Build, between, packagesOf, rootOf } from '../build.ts';
import { binutils, nodeHome, npmArchitecture } from './node.ts';
import { fetchNpm, unpackNpm } from './npm-package.ts';
import { run } from './run.ts';

/** What each addon's package calls its product. */
const ADDONS = { cap: 'cap.node', 'raw-socket': 'raw.node' } as const;

/** Where the program lives on the box. */
export const PROGRAM = 'usr/lib/bivouac';

/** Compiles the addons into the root's `native/`, where the bundle looks for them. */
export function installAddons(build: Build): void {
  const sysroot = between(build, 'sysroot');
  const native = `${rootOf(build)}/${PROGRAM}/native`;
  mkdirSync(native, { recursive: true });
  for (const file of readdirSync(packagesOf(build)).filter(name => name.startsWith('libpcap')))
    run('dpkg-deb', ['-x', `${packagesOf(build)}/${file}`, sysroot]);
  for (const [name, product] of Object.entries(ADDONS)) {
    const source = between(build, `addon-${name}`);
    rmSync(source, { recursive: true, force: true });
    cpSync(`${build.root}/node_modules/${name}`, source, {
      recursive: true,
      filter: path => !path.endsWith('/build'),
    });
    // The newest nan of the tree: raw-socket's own is too old for this Node.
    rmSync(`${source}/node_modules/nan`, { recursive: true, force: true });
    cpSync(`${build.root}/node_modules/nan`, `${source}/node_modules/nan`, { recursive: true });
    compile(build, source, sysroot);
    run(binutils(build.profile.architecture, 'strip'), [
      '-o',
      `${native}/${product}`,
      `${source}/build/Release/${product}`,
    ]);
  }
  installKoffi(build);
  if (build.profile.board === 'container') installForApplications(build);
}

/** In labs, applications in the container use the SDK, which asks on a link by the cap package; they find it from /lab on upward. */
function installForApplications(build: Build): void {
  const to = `${rootOf(build)}/lab/node_modules/cap`;
  for (const path of ['lib', 'package.json', 'LICENSE'])
    cpSync(`${build.root}/node_modules/cap/${path}`, `${to}/${path}`, { recursive: true });
  cpSync(`${rootOf(build)}/${PROGRAM}/native/cap.node`, `${to}/build/Release/cap.node`);
}

function compile(build: Build, source: string, sysroot: string): void {
  const { architecture } = build.profile;
  const triple = architecture === 'amd64' ? 'x86_64-linux-gnu' : 'aarch64-linux-gnu';
  // No path of the builder's machine in the product, no build identity that hangs on it, no assertions (see tools/setup.mjs).
  const flags = `-DNDEBUG -ffile-prefix-map=${build.work}=. -I${sysroot}/usr/include`;
  run(
    process.execPath,
    [
      nodeGyp(),
      'rebuild',
      `--arch=${npmArchitecture(architecture)}`,
      `--nodedir=${nodeHome(build)}`,
      '--jobs=2',
    ],
    {
      cwd: source,
      env: {
        CC: binutils(architecture, 'gcc'),
        CXX: binutils(architecture, 'g++'),
        AR: binutils(architecture, 'ar'),
        LINK: binutils(architecture, 'g++'),
        CXXFLAGS: flags,
        LDFLAGS: `-L${sysroot}/usr/lib/${triple} -Wl,--build-id=none`,
        npm_config_nodedir: nodeHome(build),
      },
    },
  );
}

/** node-gyp as npm brings it. */
function nodeGyp(): string {
  const given = process.env['npm_config_node_gyp'];
  if (given !== undefined && existsSync(given)) return given;
  const found = `${run('npm', ['root', '--global']).trim()}/npm/node_modules/node-gyp/bin/node-gyp.js`;
  if (!existsSync(found))
    throw new Error(`npm's node-gyp is not at ${found}: run this by \`npm run firmware\``);
  return found;
}

/** koffi's JavaScript, and the library that its authors compiled for the architecture. */
function installKoffi(build: Build): void {
  const { root, bundle, cache, profile } = build;
  const modules = `${rootOf(build)}/${PROGRAM}/node_modules`;
  const platform = `@koromix/koffi-linux-${npmArchitecture(profile.architecture)}`;
  const lock = JSON.parse(readFileSync(`${root}/package-lock.json`, 'utf8')) as {
    readonly packages: Readonly<Record<string, { readonly version: string; readonly integrity?: string }>>;
  };
  const { version, integrity } = lock.packages[`node_modules/${platform}`] ?? {};
  if (version === undefined || integrity === undefined)
    throw new Error(`package-lock.json has no version with integrity of ${platform}`);
  cpSync(`${bundle}/node_modules/koffi`, `${modules}/koffi`, {
    recursive: true,
    filter: path => !/\.(md|d\.ts|txt)$/.test(path) || path.includes('LICENSE'),
  });
  unpackNpm(fetchNpm({ name: platform, version, integrity }, cache), `${modules}/${platform}`);
  // There is one for each C library; the image's is glibc.
  for (const name of readdirSync(`${modules}/${platform}`).filter(name => name.startsWith('musl')))
    rmSync(`${modules}/${platform}/${name}`, { recursive: true });
}
