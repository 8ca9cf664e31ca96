/**
 * The image builder's command line: npm run firmware -- PROFILE.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isVersion } from '../appliance/box/version.ts';
import type { Build } from './build.ts';
import { differences } from './compare.ts';
import { makeImage } from './image.ts';
import { type Options, readOptions, UsageError } from './options.ts';
import { type Profile, ProfileError, parseProfile } from './profile.ts';
import { RunError, removeTree, run } from './steps/run.ts';
import { signingKey } from './steps/update.ts';
import { type Commit, imageVersion } from './version.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const here = join(root, 'firmware-build');
const profiles = readdirSync(join(here, 'profiles'))
  .map(file => file.replace('.json', ''))
  .filter(name => name !== 'base');

const usage =
  (): string => `usage: npm run firmware -- PROFILE [--twice] [--out DIRECTORY] [--key FILE] [--version TEXT] [--kernel-argument TEXT]…

${profiles.map(name => `  ${name.padEnd(14)}${load(name).about}`).join('\n')}

  --twice            build two times, and compare every bit
  --key FILE         Ed25519 key (PEM) that signs; without it one is made for development in the output directory's keys/
  --out DIRECTORY    instead of firmware-build/out
  --bundle DIRECTORY where bivouac.mjs is, instead of dist
  --version TEXT     instead of the one that the repository gives
  --kernel-argument  a word more for the kernel's command line
  --fast             compress little, for tests: the disk image and the update file, larger, in half the time
  --keep             leave the build's intermediate files
Needs root, for mmdebstrap. Exit status: 0 built; 1 failed, or with --twice the two differ; 2 usage.`;

function load(name: string): Profile {
  const text = (file: string): string => readFileSync(join(here, 'profiles', `${file}.json`), 'utf8');
  return parseProfile(name, text(name), text('base'));
}

/** What the repository's history says of this tree. */
function commit(): Commit {
  const git = (...args: string[]): string =>
    run('git', ['-C', root, '-c', `safe.directory=${root}`, ...args]).trim();
  const [time = '', hash = ''] = git('log', '-1', '--format=%ct %h').split(' ');
  return { time: Number(time), hash, dirty: git('status', '--porcelain') !== '' };
}

function main(options: Options): number {
  if (!profiles.includes(options.profile))
    throw new UsageError(`there is no profile '${options.profile}': one of ${profiles.join(', ')}`);
  if (process.getuid?.() !== 0)
    throw new UsageError('run this as root: mmdebstrap makes files of other owners');
  const profile = load(options.profile);
  const source = commit();
  const { version: program } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  const version = options.version ?? imageVersion(program, source);
  if (!isVersion(version))
    throw new UsageError(`'${version}' is no version of an image: write it as 0.1.0+202611210847.d2f8804`);
  const out = options.out ?? join(here, 'out');
  const cache = join(here, 'cache');
  for (const directory of [out, cache]) mkdirSync(directory, { recursive: true });
  const key = signingKey(options.key, join(out, 'keys'));
  if (options.key === undefined)
    console.error(
      `NOTE: signed with a development key (${join(out, 'keys')}): whoever has this directory can make updates for these boxes. For a release give --key.`,
    );
  const build = (to: string): Build => ({
    profile,
    version,
    epoch: source.time,
    root,
    bundle: options.bundle ?? join(root, 'dist'),
    // Outside the repository, whose other tools would look through it.
    work: join('/var/tmp', `bivouac-firmware-${profile.name}-${process.pid}`),
    cache,
    out: to,
    fast: options.fast,
    kernelArguments: options.kernelArguments,
  });
  const once = (to: string): void => {
    const one = build(to);
    try {
      makeImage(one, key, text => console.log(text));
    } finally {
      if (!options.keep) removeTree(one.work);
    }
  };
  once(out);
  if (!options.twice) return 0;
  const second = join(out, 'second');
  once(second);
  const found = differences(out, second, `bivouac-${profile.name}-`);
  for (const line of found) console.error(line);
  console.log(found.length === 0 ? 'both builds are the same, bit for bit' : 'the two builds differ');
  if (found.length === 0) rmSync(second, { recursive: true });
  return found.length === 0 ? 0 : 1;
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options === 'help') console.log(usage());
  else process.exitCode = main(options);
} catch (error) {
  const expected = error instanceof ProfileError || error instanceof RunError;
  if (error instanceof UsageError) console.error(`${error.message}\n\n${usage()}`);
  else console.error(expected ? error.message : error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
