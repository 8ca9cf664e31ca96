/**
 * The container's root file system, as a tar for `docker import` or a Dockerfile's `ADD`, and that Dockerfile.
 */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { type Build, rootOf } from '../build.ts';
import type { Packed } from '../image.ts';
import { run } from './run.ts';

/** Packs the root into `<name>.tar`, or compressed, and writes `<name>.Dockerfile`. */
export function makeContainer(build: Build, name: string): Packed {
  const tar = `${name}.tar`;
  run('tar', [
    '--format=gnu',
    '--sort=name',
    `--mtime=@${build.epoch}`,
    '--numeric-owner',
    // The container's runtime makes its own.
    ...['dev', 'proc', 'sys', 'run', 'tmp'].map(path => `--exclude=./${path}/*`),
    '-C',
    rootOf(build),
    '-cf',
    tar,
    '.',
  ]);
  const size = statSync(tar).size;
  // Blocks are cut alike whatever the number of threads, from two on. Docker reads no better compression.
  if (!build.fast) run('xz', ['-f', '-6', '-T4', tar]);
  const download = build.fast ? tar : `${tar}.xz`;
  const dockerfile = readFileSync(`${build.root}/firmware-build/container/Dockerfile`, 'utf8');
  writeFileSync(`${name}.Dockerfile`, dockerfile.replace('ARG ROOT', `ARG ROOT=${basename(download)}`));
  const packed = statSync(download).size;
  return { download, root: packed, parts: { 'image compressed': packed, image: size } };
}
