/**
 * Which shared libraries programs need.
 */
import { existsSync, realpathSync } from 'node:fs';
import { run } from './run.ts';

/**
 * The programs' shared libraries and those that these need, the loader among them: by the path below the root where they are looked for,
 * the file to copy.
 *
 * @throws when one is not in the root.
 */
export function librariesOf(root: string, programs: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const waiting = programs.map(path => `${root}/${path}`);
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    const text = run('readelf', ['--dynamic', '--program-headers', '--wide', file]);
    const needed = [...text.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(match => locate(root, match[1] ?? ''));
    const loader = /program interpreter: \/?(.*)\]/.exec(text)?.[1];
    // A merged root: /lib is /usr/lib. The loader's own link is absolute, and would lead out of the root.
    const paths = loader === undefined ? needed : [...needed, `usr/${loader}`];
    for (const path of paths.filter(one => !found.has(one))) {
      const from = realpathSync(`${root}/${locate(root, path.slice(path.lastIndexOf('/') + 1))}`);
      found.set(path, from);
      waiting.push(from);
    }
  }
  return found;
}

function locate(root: string, name: string): string {
  const path = ['x86_64-linux-gnu', 'aarch64-linux-gnu']
    .flatMap(triple => [`usr/lib/${triple}/${name}`, `usr/lib/${triple}/systemd/${name}`])
    .find(one => existsSync(`${root}/${one}`));
  if (path === undefined) throw new Error(`the root has no library ${name}`);
  return path;
}
