/**
 * The files of a root. (Node's own recursive listing follows links, which in a root lead out of it.)
 */
import { readdirSync } from 'node:fs';

/** Paths of all plain files below `root`, relative to it, sorted within each directory. */
export function plainFiles(root: string, below = ''): readonly string[] {
  return readdirSync(`${root}/${below}`, { withFileTypes: true })
    .sort((one, other) => (one.name < other.name ? -1 : 1))
    .flatMap(entry => {
      const path = below === '' ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) return plainFiles(root, path);
      return entry.isFile() ? [path] : [];
    });
}
