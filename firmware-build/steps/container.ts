/**
 * The container's root file system, as a tar for `docker import` or `FROM scratch`, with a Dockerfile.
 */
import { mkdirSync, statSync } from 'node:fs';
import { type Build, rootOf } from '../build.ts';
import type { Packed } from '../image.ts';
import { run } from './run.ts';

/** Packs the root into `<name>.tar` and `.tar.zst`... */
export function makeContainer(build: Build, name: string): Packed {
  const root = rootOf(build);
  mkdirSync(`${root}/etc/bivouac`, { recursive: true });
  run('tar', [
    '--format=gnu',
    '--sort=name',
    `--mtime=@${build.epoch}`,
    '--clamp-mtime',
    '--numeric-owner',
    '--exclude=./dev/*',
    '-C',
    root,
    '-cf',
    `${name}.tar`,
    '.',
  ]);
  run('xz', ['-k', '-f', '-9', '-T1', `${name}.tar`]);
  const size = (file: string): number => statSync(file).size;
  return {
    download: `${name}.tar.xz`,
    root: size(`${name}.tar.xz`),
    parts: { 'image compressed': size(`${name}.tar.xz`), image: size(`${name}.tar`) },
  };
}
