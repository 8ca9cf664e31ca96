/**
 * The manifest of a build: every file that people download, with size and hash, signed.
 */
import { type KeyObject, sign } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Build } from '../build.ts';
import { describe } from './update.ts';

/** Writes `<name>.manifest.json` about all files `<name>.*`, and its signature (Ed25519, 64 bytes) as `<name>.manifest.sig`. */
export function writeManifest(build: Build, name: string, key: KeyObject): void {
  const files = readdirSync(dirname(name))
    .filter(file => file.startsWith(`${basename(name)}.`) && !/\.manifest\.(json|sig)$/.test(file))
    .sort()
    .map(file => [file, describe(readFileSync(`${dirname(name)}/${file}`))]);
  const { profile, version } = build;
  const manifest = Buffer.from(
    `${JSON.stringify({ format: 1, profile: profile.name, version, files: Object.fromEntries(files) }, null, 2)}\n`,
  );
  writeFileSync(`${name}.manifest.json`, manifest);
  writeFileSync(`${name}.manifest.sig`, sign(null, manifest, key));
}
