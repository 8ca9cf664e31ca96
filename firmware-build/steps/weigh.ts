/**
 * Weighs the root: which package each file belongs to, and what it takes.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { deflateRawSync } from 'node:zlib';
import { type Build, rootOf } from '../build.ts';
import { type WeighedFile, type Weight, weigh } from '../formats/weights.ts';
import { plainFiles } from './walk.ts';

/** Remembers which package owns which path, before dpkg's lists go. */
export function ownersOf(build: Build): ReadonlyMap<string, string> {
  const info = `${rootOf(build)}/var/lib/dpkg/info`;
  const owners = new Map<string, string>();
  for (const file of readdirSync(info).filter(name => name.endsWith('.list'))) {
    const name = file.replace(/(:\w+)?\.list$/, '');
    // A merged root: dpkg still says /lib where the file is in /usr/lib.
    for (const path of readFileSync(`${info}/${file}`, 'utf8').split('\n'))
      owners.set(path.slice(1).replace(/^(bin|sbin|lib|lib64)\//, 'usr/$1/'), name);
  }
  return owners;
}

/** What is not Debian's, by path. */
const OURS: readonly (readonly [RegExp, string])[] = [
  [/^usr\/bin\/node$|^usr\/share\/doc\/node\//, '(node)'],
  [/^usr\/lib\/modules\//, '(kernel modules)'],
  [/^usr\/lib\/bivouac\/bivouac\.mjs/, '(bivouac)'],
  [/^usr\/lib\/bivouac\//, '(native addons)'],
];

/** The weights of all files of the root, of which `total` bytes became. */
export function weighRoot(
  build: Build,
  owners: ReadonlyMap<string, string>,
  total: number,
): readonly Weight[] {
  const root = rootOf(build);
  const files: WeighedFile[] = plainFiles(root).map(path => {
    const bytes = readFileSync(`${root}/${path}`);
    return { path, size: bytes.length, packed: deflateRawSync(bytes, { level: 1 }).length };
  });
  const ownerOf = (path: string): string =>
    OURS.find(([pattern]) => pattern.test(path))?.[1] ?? owners.get(path) ?? '(made by the build)';
  return weigh(files, ownerOf, total);
}
