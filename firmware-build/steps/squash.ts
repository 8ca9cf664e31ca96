/**
 * The root as a squashfs file.
 */
import { rmSync } from 'node:fs';
import { type Build, between, rootOf } from '../build.ts';
import { run } from './run.ts';

/** Packs the root; gives its file. Every time in it is the build's; everything is root's unless Debian says otherwise. */
export function makeSquashfs(build: Build): string {
  const file = between(build, 'root.squashfs');
  rmSync(file, { force: true });
  run('mksquashfs', [
    rootOf(build),
    file,
    '-quiet',
    '-no-progress',
    '-noappend',
    '-no-xattrs',
    '-comp',
    'zstd',
    '-Xcompression-level',
    build.fast ? '3' : '19',
    '-b',
    '128K',
    '-mkfs-time',
    String(build.epoch),
    '-all-time',
    String(build.epoch),
  ]);
  return file;
}
