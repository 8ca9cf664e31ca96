/**
 * Packages from npm's registry that are not for the machine that builds.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { run } from './run.ts';

export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** Subresource Integrity of the tar ball. */
  readonly integrity: string;
}

/** Whether the bytes are those that the hash speaks of; only SHA-512 is taken. */
export const isIntact = (bytes: Uint8Array, integrity: string): boolean =>
  `sha512-${createHash('sha512').update(bytes).digest('base64')}` === integrity;

/**
 * The package's tar ball: from the cache, or downloaded.
 *
 * @throws when it cannot be had, or is not what the hash says.
 */
export function fetchNpm({ name, version, integrity }: NpmPackage, cache: string): string {
  const file = `${cache}/${name.replace('/', '-').replace('@', '')}-${version}.tgz`;
  if (existsSync(file) && isIntact(readFileSync(file), integrity)) return file;
  const directory = `${cache}/download-${process.pid}`;
  mkdirSync(directory, { recursive: true });
  try {
    const packed = JSON.parse(
      run('npm', ['pack', '--json', '--loglevel', 'error', `${name}@${version}`], { cwd: directory }),
    ) as readonly { readonly filename: string }[];
    const got = `${directory}/${packed[0]?.filename.replace('/', '-').replace('@', '')}`;
    if (!isIntact(readFileSync(got), integrity))
      throw new Error(`${name}@${version} from npm's registry is not what its integrity says (${integrity})`);
    renameSync(got, file);
    return file;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Unpacks a tar ball of npm's (its top directory left out) into `to`; only what is below `only`, when given. */
export function unpackNpm(file: string, to: string, only: readonly string[] = []): void {
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to, { recursive: true });
  run('tar', [
    '-xzf',
    file,
    '-C',
    to,
    '--strip-components=1',
    '--no-same-owner',
    ...only.map(path => `package/${path}`),
  ]);
}
