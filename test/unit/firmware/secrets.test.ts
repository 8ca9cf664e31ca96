/** What no image may hold. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { secretsOf } from '../../../firmware-build/steps/check.ts';
import { shadowOf } from '../../../firmware-build/steps/finish.ts';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'bivouac-secrets-'));
  mkdirSync(join(root, 'etc/ssh'), { recursive: true });
  writeFileSync(join(root, 'etc/machine-id'), '');
  writeFileSync(join(root, 'etc/shadow'), 'root:*:20000:0:99999:7:::\nfrr:!:20000::::::\n');
  writeFileSync(join(root, 'etc/ssh/ssh_host_key.pub'), 'ssh-ed25519 AAAA\n');
});
afterEach(() => rmSync(root, { recursive: true }));

test('a clean root has none', () => {
  expect(secretsOf(root)).toEqual([]);
});

test.each([
  [
    'etc/ssh/ssh_host_key',
    '-----BEGIN OPENSSH PRIVATE KEY-----\nx\n',
    'etc/ssh/ssh_host_key is a private key',
  ],
  ['etc/key.pem', 'text\n-----BEGIN PRIVATE KEY-----\nx\n', 'etc/key.pem is a private key'],
  ['etc/machine-id', '0123\n', 'etc/machine-id says which machine this is'],
  ['etc/shadow', 'root:$y$abc:1::::::\n', 'etc/shadow: root has a password, or needs none'],
  ['etc/shadow', 'root::1::::::\n', 'etc/shadow: root has a password, or needs none'],
])('%s with %j is seen', (path, text, sentence) => {
  writeFileSync(join(root, path), text);
  expect(secretsOf(root)).toEqual([sentence]);
});

test('the day of a password’s change is the build’s', () => {
  expect(shadowOf('root:*:20777:0:99999:7:::\nfrr:!:20777::::::\nx:*::::::\n', 86_400 * 3 + 5)).toBe(
    'root:*:3:0:99999:7:::\nfrr:!:3::::::\nx:*:3:::::\n',
  );
});
