// Bundles: dist/bivouac.mjs (the daemon and the command line; bivouac.cjs is the same for images), dist/lab.mjs and dist/bench.mjs (the lab), dist/firmware.mjs (the image builder), dist/apps (what the lab's
// nodes run), sdk/dist. The native addons go beside them: cap and raw-socket into dist/native, koffi (found by Node) into
// dist/node_modules.
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { buildSdk } from './build-sdk.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');
const at = path => join(root, path);

/** Copies each required .node file into dist/native and requires it from there at run time. */
const addons = {
  name: 'addons',
  setup(pass) {
    pass.onResolve({ filter: /\.node$/ }, ({ path, resolveDir }) => {
      const from = join(resolveDir, path);
      const name = basename(path);
      mkdirSync(join(dist, 'native'), { recursive: true });
      cpSync(from, join(dist, 'native', name));
      return { path: `./native/${name}`, external: true };
    });
  },
};

const shared = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  sourcemap: true,
  logLevel: 'warning',
  external: ['koffi', 'vitest'],
  plugins: [addons],
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
};

/**
 * Node keeps a program's text in memory: without comments and spaces it is a third shorter, and with no letter beyond Latin-1 half as
 * large. The source map tells what stood where.
 */
const slim = { minifyWhitespace: true, minifySyntax: true, lineLimit: 160 };

const programs = [
  ['appliance/cli.ts', 'dist/bivouac.mjs'],
  ['labs/lab.ts', 'dist/lab.mjs'],
  ['labs/wan/line.ts', 'dist/lab-line.mjs'],
  ['labs/bench.ts', 'dist/bench.mjs'],
  ['firmware-build/firmware.ts', 'dist/firmware.mjs'],
  ['labs/bench/responder-role.ts', 'dist/bench-responder.mjs'],
  ['labs/bench/fleet.ts', 'dist/bench-fleet.mjs'],
  ['labs/bench/etcd.ts', 'dist/bench-etcd.mjs'],
  ['labs/bench/floor.ts', 'dist/bench-floor.mjs'],
  ['labs/bench/ipvs/guest.ts', 'dist/bench-ipvs-guest.mjs'],
  ['labs/bench/least.ts', 'dist/bench-least.mjs'],
  ['labs/bench/route-floor.ts', 'dist/bench-route-floor.mjs'],
  ...['server', 'client', 'flows', 'dns', 'dns-load', 'asker', 'amplify', 'choice', 'managers'].map(role => [
    `labs/bench/roles/${role}.ts`,
    `dist/bench-${role}.mjs`,
  ]),
  ...['caller', 'crowd', 'flows', 'handshake', 'lookups', 'mcu', 'multicast', 'named', 'stream', 'web'].map(
    app => [`labs/apps/${app}.ts`, `dist/apps/${app}.mjs`],
  ),
].filter(([from]) => existsSync(at(from)));

/** What an image runs: a script instead of a module, since of a script V8's bytecode can be kept (firmware-build/steps/bytecode.ts). */
const script = {
  ...shared,
  ...slim,
  format: 'cjs',
  sourcemap: false,
  define: { 'import.meta.url': '__url' },
  banner: { js: "const __url = require('node:url').pathToFileURL(__filename).href;" },
};

await Promise.all([
  build({ ...script, entryPoints: [at('appliance/cli.ts')], outfile: at('dist/bivouac.cjs') }),
  ...programs.map(([from, to]) =>
    build({
      ...shared,
      ...(to === 'dist/bivouac.mjs' && slim),
      entryPoints: [at(from)],
      outfile: at(to),
      banner: { js: `#!/usr/bin/env node\n${shared.banner.js}` },
    }),
  ),
]);

for (const name of ['koffi', `@koromix/koffi-linux-${process.arch}`]) {
  const to = join(dist, 'node_modules', name);
  const source = at(`node_modules/${name}`);
  const version = directory => readFileSync(join(directory, 'package.json'), 'utf8');
  if (existsSync(join(to, 'package.json')) && version(to) === version(source)) continue;
  rmSync(to, { recursive: true, force: true });
  mkdirSync(dirname(to), { recursive: true });
  // Its C++ sources stay behind; the JavaScript among them does not.
  const unneeded = /\/(doc|vendor|lib)(\/|$)|\/src\/koffi\/src\/(abi|.*\.(cc|hh|inc|def))$/;
  cpSync(source, to, { recursive: true, filter: path => !unneeded.test(path.slice(source.length)) });
}

if (existsSync(at('sdk/index.ts'))) await buildSdk(root);
