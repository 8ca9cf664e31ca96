/** The repository's directory, from a source file or from a bundle of it, wherever below that is. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

export const ROOT = above(import.meta.dirname);

function above(directory: string): string {
  if (existsSync(join(directory, 'package-lock.json')) || directory === '/') return directory;
  return above(dirname(directory));
}
