/**
 * Programs of another architecture, which a root of that architecture runs while it is installed.
 */
import { existsSync } from 'node:fs';
import type { Architecture } from '../profile.ts';
import { run } from './run.ts';

const REGISTER = '/proc/sys/fs/binfmt_misc';

/** Has the kernel run them by qemu-user, where it does not yet. */
export function enableForeign(architecture: Architecture): void {
  if ((architecture === 'amd64') === (process.arch === 'x64')) return;
  const name = architecture === 'amd64' ? 'qemu-x86_64' : 'qemu-aarch64';
  if (!existsSync(`${REGISTER}/register`)) run('mount', ['-t', 'binfmt_misc', 'binfmt_misc', REGISTER]);
  if (!existsSync(`${REGISTER}/${name}`)) run('update-binfmts', ['--import', name]);
}
