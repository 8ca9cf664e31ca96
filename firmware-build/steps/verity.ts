/**
 * dm-verity: the tree of hashes over the root, and the one hash at its top that the kernel's command line names.
 */
import { createHash } from 'node:crypto';
import { rmSync, statSync } from 'node:fs';
import { type Build, between } from '../build.ts';
import { run } from './run.ts';

export interface Verity {
  /** The partition's content: one block of superblock, then the tree. */
  readonly file: string;
  /** Blocks of 4,096 bytes of the root. */
  readonly blocks: number;
  /** SHA-256, in hex. */
  readonly rootHash: string;
  readonly salt: string;
}

/** A salt that hangs on the version alone: the same inputs give the same bits. */
const saltOf = (version: string): string =>
  createHash('sha256').update(`bivouac verity ${version}`).digest('hex');

/** An identity (RFC 9562 version 8) that hangs on the words alone. */
export function identityOf(...words: readonly string[]): string {
  const bytes = createHash('sha256')
    .update(['bivouac', ...words].join('\0'))
    .digest()
    .subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** Makes the tree over the root's squashfs. */
export function makeVerity(build: Build, squashfs: string): Verity {
  const file = between(build, 'root.verity');
  rmSync(file, { force: true });
  const salt = saltOf(build.version);
  const said = run('veritysetup', [
    'format',
    `--salt=${salt}`,
    `--uuid=${identityOf('verity', build.version)}`,
    '--hash=sha256',
    squashfs,
    file,
  ]);
  const rootHash = /Root hash:\s*([0-9a-f]{64})/.exec(said)?.[1];
  if (rootHash === undefined) throw new Error(`veritysetup gave no root hash:\n${said}`);
  return { file, rootHash, salt, blocks: Math.ceil(statSync(squashfs).size / 4096) };
}
