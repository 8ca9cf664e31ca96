/**
 * What an update says of itself: `manifest.json`, whose bytes `manifest.sig` signs (Ed25519, 64 bytes).
 *
 *     {"format": 1, "profile": "x86_64-uefi", "version": "0.1.0+202611210847.d2f8804",
 *      "parts": {"root.squashfs": {"size": 76546048, "sha256": "…"}, "root.verity": …, "uki-a.efi": …, "uki-b.efi": …}}
 */
import { isVersion } from './version.ts';

/** The parts of an update: the root, its dm-verity hashes, and a kernel for each of the slots. */
export const PARTS = ['root.squashfs', 'root.verity', 'uki-a.efi', 'uki-b.efi'] as const;
export type PartName = (typeof PARTS)[number];

export interface Part {
  /** Bytes. */
  readonly size: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

export interface Manifest {
  readonly profile: string;
  readonly version: string;
  readonly parts: Readonly<Record<PartName, Part>>;
}

/** Bytes that a manifest may have, and those of a part. */
export const MANIFEST_LIMIT = 64 * 1024;
export const PART_LIMIT = 4 * 1024 ** 3;

/** Reads it. Throws an Error that says what is wrong with it. */
export function readManifest(text: string): Manifest {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    throw new Error(`its manifest is no JSON: ${(error as Error).message}`, { cause: error });
  }
  const { format, profile, version, parts } = fields(raw, 'its manifest');
  if (format !== 1)
    throw new Error(`its manifest has format ${JSON.stringify(format)}; this box understands format 1`);
  if (typeof profile !== 'string' || !/^[a-z0-9_-]{1,40}$/.test(profile))
    throw new Error('its manifest names no profile');
  if (typeof version !== 'string' || !isVersion(version)) throw new Error('its manifest names no version');
  const known = fields(parts, 'parts of its manifest');
  const read = (name: PartName): readonly [PartName, Part] => {
    const { size, sha256 } = fields(known[name], `part ${name} of its manifest`);
    if (!Number.isSafeInteger(size) || (size as number) < 512 || (size as number) > PART_LIMIT)
      throw new Error(`part ${name} of its manifest has no size between 512 and ${PART_LIMIT} bytes`);
    if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256))
      throw new Error(`part ${name} of its manifest has no sha256 in 64 hex digits`);
    return [name, { size: size as number, sha256 }];
  };
  return { profile, version, parts: Object.fromEntries(PARTS.map(read)) as Record<PartName, Part> };
}

function fields(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${what}: there is none`);
  return value as Record<string, unknown>;
}
