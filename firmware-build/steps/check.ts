/**
 * What no image may hold, since all boxes would share it: keys, an identity, a password.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { type Build, rootOf } from '../build.ts';
import { plainFiles } from './walk.ts';

/** Files larger than this are no keys. */
const KEY_LIMIT = 64 * 1024;

/** Looks through the root. @throws naming everything that it found. */
export function checkRoot(build: Build): void {
  const found = secretsOf(rootOf(build));
  if (found.length > 0) throw new Error(`the root holds what all boxes would share:\n${found.join('\n')}`);
}

/** A line for each secret below a root. */
export function secretsOf(root: string): readonly string[] {
  const text = (path: string): string =>
    existsSync(`${root}/${path}`) ? readFileSync(`${root}/${path}`, 'utf8') : '';
  const keys = plainFiles(root)
    .filter(path => statSync(`${root}/${path}`).size < KEY_LIMIT)
    .filter(path =>
      /^-----BEGIN [A-Z ]*PRIVATE KEY-----\r?$/m.test(readFileSync(`${root}/${path}`, 'latin1')),
    )
    .map(path => `${path} is a private key`);
  const identity = text('etc/machine-id').trim() === '' ? [] : ['etc/machine-id says which machine this is'];
  const passwords = text('etc/shadow')
    .split('\n')
    // `*` and `!` are no password's hash: nobody gets in by one. Nothing is a password that all know.
    .filter(line => line !== '' && !/^[^:]+:[*!]/.test(line))
    .map(line => `etc/shadow: ${line.split(':')[0]} has a password, or needs none`);
  return [...keys, ...identity, ...passwords];
}
