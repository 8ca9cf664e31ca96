/**
 * The update file: what `bivouac update` writes into the other slot, with a manifest and its signature.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { PartName } from '../../appliance/box/manifest.ts';
import { writeTar } from '../../appliance/box/tar.ts';
import { type Build, rootOf } from '../build.ts';

/** In the order in which they stand in the file. */
const ORDER = [
  'uki-a.efi',
  'uki-b.efi',
  'root.verity',
  'root.squashfs',
] as const satisfies readonly PartName[];

/** The update (an archive, see appliance/box/update-file.ts) of these parts, given by their files. The same parts and key give the same bytes. */
export function makeUpdate(
  build: Build,
  parts: Readonly<Record<PartName, string>>,
  key: KeyObject,
): Uint8Array {
  const contents = ORDER.map(name => ({ name, bytes: readFileSync(parts[name]) }));
  const described = contents.map(({ name, bytes }) => [name, describe(bytes)]);
  const { profile, version } = build;
  const raw = { format: 1, profile: profile.name, version, parts: Object.fromEntries(described) };
  const manifest = Buffer.from(`${JSON.stringify(raw, null, 2)}\n`);
  return writeTar([
    { name: 'manifest.json', bytes: manifest },
    { name: 'manifest.sig', bytes: sign(null, manifest, key) },
    ...contents,
  ]);
}

/** Size in bytes, and SHA-256 in hex. */
export const describe = (bytes: Uint8Array): { readonly size: number; readonly sha256: string } => ({
  size: bytes.length,
  sha256: createHash('sha256').update(bytes).digest('hex'),
});

/**
 * The key that signs: Ed25519, in PEM. Without a file one is made for development and kept in `directory`.
 *
 * @throws when the file holds no such key.
 */
export function signingKey(file: string | undefined, directory: string): KeyObject {
  const path = file ?? `${directory}/development.key`;
  if (file === undefined && !existsSync(path)) {
    mkdirSync(directory, { recursive: true });
    const { privateKey } = generateKeyPairSync('ed25519');
    writeFileSync(path, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  }
  const key = createPrivateKey(readFileSync(path));
  if (key.asymmetricKeyType !== 'ed25519')
    throw new Error(
      `${path} is a key for ${key.asymmetricKeyType}: make one by openssl genpkey -algorithm ed25519`,
    );
  return key;
}

/** Puts the key's public half where the box looks for whom to trust. */
export function trustKey(build: Build, key: KeyObject): void {
  const pem = createPublicKey(key).export({ type: 'spki', format: 'pem' });
  writeFileSync(`${rootOf(build)}/usr/share/bivouac/update-keys/release.pem`, pem);
}
