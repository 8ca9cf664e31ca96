/**
 * An update as it comes: an archive of its manifest, the manifest's signature and the parts. Nothing in it is believed before the signature is
 * checked, and of the parts nothing that their digests do not confirm.
 */
import type { Verify } from '../host/ports.ts';
import { MANIFEST_LIMIT, type Manifest, PART_LIMIT, PARTS, type PartName, readManifest } from './manifest.ts';
import { type ByteSource, readTar, type TarEntry } from './tar.ts';
import { compareVersions } from './version.ts';

/** Gives the SHA-256 of what it is fed. */
export interface Digest {
  update(bytes: Uint8Array): void;
  /** Lower-case hex. */
  hex(): string;
}

export interface UpdateFile {
  readonly manifest: Manifest;
  /** A part's bytes; they were confirmed when it was opened. */
  part(name: PartName): ByteSource;
}

/** The box that an update is for. */
export interface Box {
  readonly profile: string;
  readonly version: string;
}

export interface Trusted {
  /** DER of the public keys (SPKI) that updates may be signed by. */
  readonly keys: readonly Uint8Array[];
  readonly verify: Verify;
  readonly digest: () => Digest;
}

/** Bytes that are looked at at once. */
export const CHUNK = 1024 * 1024;

/** Checks all of it. Throws an Error that says why it is not taken; `allowDowngrade` lets an older version pass. */
export function openUpdate(
  source: ByteSource,
  { keys, verify, digest }: Trusted,
  box: Box,
  allowDowngrade: boolean,
): UpdateFile {
  const entries = new Map(
    readTar(source, { entries: 16, size: PART_LIMIT }).map(entry => [entry.name, entry]),
  );
  const whole = (name: string, limit: number): Uint8Array => {
    const { offset, size } = present(entries, name);
    if (size > limit) throw new Error(`its ${name} is larger than ${limit} bytes`);
    return source.read(offset, size);
  };
  const text = whole('manifest.json', MANIFEST_LIMIT);
  const signature = whole('manifest.sig', 64);
  if (keys.length === 0) throw new Error('this box trusts no key for updates');
  if (!keys.some(key => verify(key, text, signature)))
    throw new Error('it is not signed by a key that this box trusts (/usr/share/bivouac/update-keys)');
  const manifest = readManifest(new TextDecoder().decode(text));
  if (manifest.profile !== box.profile)
    throw new Error(`it is for ${manifest.profile}, and this box is ${box.profile}`);
  if (compareVersions(manifest.version, box.version) < 0 && !allowDowngrade)
    throw new Error(
      `it is older (${manifest.version}) than what runs (${box.version}): --allow-downgrade takes it all the same`,
    );
  const parts = new Map(
    PARTS.map(name => {
      const { offset, size } = present(entries, name);
      const part: ByteSource = {
        size,
        read: (at, length) => source.read(offset + at, Math.max(0, Math.min(length, size - at))),
      };
      const wanted = manifest.parts[name];
      if (size !== wanted.size || digestOf(part, digest()) !== wanted.sha256)
        throw new Error(`its ${name} is not what its manifest says: it was damaged on the way, or altered`);
      return [name, part] as const;
    }),
  );
  return { manifest, part: name => parts.get(name)! };
}

function present(entries: ReadonlyMap<string, TarEntry>, name: string): TarEntry {
  const entry = entries.get(name);
  if (entry === undefined) throw new Error(`there is no ${name} in it`);
  return entry;
}

/** Of the first `size` bytes of what can be read. */
export function digestOf(
  region: Pick<ByteSource, 'read'>,
  digest: Digest,
  size = Number.MAX_SAFE_INTEGER,
): string {
  for (let at = 0; at < size; ) {
    const bytes = region.read(at, Math.min(CHUNK, size - at));
    if (bytes.length === 0) break;
    digest.update(bytes);
    at += bytes.length;
  }
  return digest.hex();
}
