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
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type Build, between, rootOf } from '../build.ts';
import { run } from './run.ts';

/** In the order in which they stand in the file. */
const PARTS = ['uki-a.efi', 'uki-b.efi', 'root.verity', 'root.squashfs'] as const;

export type Part = (typeof PARTS)[number];

/** Writes the update file to `to`, and manifest and signature beside it as `<to>.manifest.json`, `.manifest.sig`. */
export function makeUpdate(
  build: Build,
  parts: Readonly<Record<Part, string>>,
  key: KeyObject,
  to: string,
): void {
  const tree = between(build, 'update');
  rmSync(tree, { recursive: true, force: true });
  mkdirSync(tree, { recursive: true });
  for (const name of PARTS) copyFileSync(parts[name], `${tree}/${name}`);
  const manifest = Buffer.from(
    `${JSON.stringify(
      {
        format: 1,
        profile: build.profile.name,
        version: build.version,
        parts: Object.fromEntries(PARTS.map(name => [name, describe(readFileSync(parts[name]))])),
      },
      null,
      2,
    )}\n`,
  );
  const signature = sign(null, manifest, key);
  for (const [name, bytes] of [
    ['manifest.json', manifest],
    ['manifest.sig', signature],
  ] as const)
    writeFileSync(`${tree}/${name}`, bytes);
  run('tar', [
    '--format=ustar',
    `--mtime=@${build.epoch}`,
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '--mode=0644',
    '-C',
    tree,
    '-cf',
    to,
    'manifest.json',
    'manifest.sig',
    ...PARTS,
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
