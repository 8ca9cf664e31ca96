// Bundles @bivouac/sdk into sdk/dist: index.js (ESM), index.cjs (CommonJS), and declarations for both ways of import.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

/** `root`: the repository. Replaces the directory `dist`. */
export async function buildSdk(root, dist = join(root, 'sdk/dist')) {
  const sdk = join(root, 'sdk');
  rmSync(dist, { recursive: true, force: true });
  const bundle = (format, outfile) =>
    build({
      entryPoints: [join(sdk, 'index.ts')],
      outfile: join(dist, outfile),
      bundle: true,
      platform: 'node',
      target: 'node20',
      format,
      logLevel: 'warning',
    });
  await Promise.all([bundle('esm', 'index.js'), bundle('cjs', 'index.cjs')]);
  declarations(root, sdk, dist);
}

/**
 * A declaration file is of the module kind that its nearest package.json says, so the tree of them is there twice, once with a
 * package.json of its own that says CommonJS.
 */
function declarations(root, sdk, dist) {
  const esm = join(dist, 'types/esm');
  execFileSync(
    join(root, 'node_modules/.bin/tsc'),
    [...['--project', join(sdk, 'tsconfig.build.json')], ...['--outDir', esm]],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
  const cjs = join(dist, 'types/cjs');
  for (const path of readdirSync(esm, { recursive: true })) {
    if (!path.endsWith('.d.ts')) continue;
    // tsc leaves `./x.ts` in declarations as it stands in the source.
    const text = readFileSync(join(esm, path), 'utf8').replaceAll(
      /(from |import\()(['"]\.[^'"]+)\.ts(['"])/g,
      '$1$2.js$3',
    );
    for (const tree of [esm, cjs]) {
      mkdirSync(join(tree, path, '..'), { recursive: true });
      writeFileSync(join(tree, path), text);
    }
  }
  writeFileSync(join(cjs, 'package.json'), '{ "type": "commonjs" }\n');
  writeFileSync(join(dist, 'index.d.ts'), "export * from './types/esm/index.js';\n");
  writeFileSync(join(dist, 'index.d.cts'), "export * from './types/cjs/index.js';\n");
}
