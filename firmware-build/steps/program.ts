/**
 * Bivouac itself.
 */
import { chmodSync, copyFileSync, mkdirSync, symlinkSync } from 'node:fs';
import { type Build, rootOf } from '../build.ts';
import { PROGRAM } from './addons.ts';
import { installBytecode } from './bytecode.ts';

/** C library directories of Debian. */
const TRIPLE = { amd64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' } as const;

/** Puts the bundle into the root, and what it needs found by certain names. */
export function installProgram(build: Build): void {
  const root = rootOf(build);
  mkdirSync(`${root}/${PROGRAM}`, { recursive: true });
  const container = build.profile.board === 'container';
  if (container) {
    copyFileSync(`${build.bundle}/bivouac.mjs`, `${root}/${PROGRAM}/bivouac.mjs`);
    chmodSync(`${root}/${PROGRAM}/bivouac.mjs`, 0o755);
  }
  symlinkSync(`../lib/bivouac/bivouac${container ? '.mjs' : ''}`, `${root}/usr/bin/bivouac`);
  // cap asks for immediate mode only where it finds libpcap by this name; else a frame waits for up to a second.
  symlinkSync('libpcap.so.0.8', `${root}/usr/lib/${TRIPLE[build.profile.architecture]}/libpcap.so`);
  if (!container) installBytecode(build);
}
