/**
 * A mission's bundle: an archive of `bivouac.json` and the files that it names (certificates, keys, the OSPF key), as a box takes it from
 * a USB stick or its EFI system partition. Whatever is in it is hostile until it was read by this.
 */
import { readTar, sourceOf, writeTar } from './tar.ts';

/** The configuration's file in a bundle. */
export const CONFIGURATION = 'bivouac.json';
/** The bundle's own, on sticks and in the box's state. */
export const BUNDLE = 'mission.tar';

/** Names, and texts. */
export type BundleFiles = ReadonlyMap<string, string>;

const LIMITS = { entries: 64, size: 1024 * 1024 };
/** Bytes of a whole bundle. */
export const BUNDLE_LIMIT = 4 * 1024 * 1024;

/** Reads a bundle. Throws an Error that says why it is none. */
export function readBundle(bytes: Uint8Array): BundleFiles {
  if (bytes.length > BUNDLE_LIMIT) throw new Error(`it is larger than ${BUNDLE_LIMIT} bytes`);
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const files = new Map(
    readTar(sourceOf(bytes), LIMITS).map(({ name, offset, size }) => {
      try {
        return [name, decoder.decode(bytes.subarray(offset, offset + size))];
      } catch {
        throw new Error(`${name} in it is no text`);
      }
    }),
  );
  if (!files.has(CONFIGURATION)) throw new Error(`there is no ${CONFIGURATION} in it`);
  return files;
}

/** The same files give the same bytes, whatever order they come in. */
export function writeBundle(files: BundleFiles): Uint8Array {
  const sorted = [...files].sort(([one], [other]) => (one < other ? -1 : 1));
  return writeTar(sorted.map(([name, text]) => ({ name, bytes: new TextEncoder().encode(text) })));
}

/** The files that a configuration names, by what they are for. The text must be JSON; paths are as they stand in it. */
export function namedFiles(text: string): ReadonlyMap<string, string> {
  const { tls = {}, routing = {}, gslb = {} } = JSON.parse(text) as Naming;
  const named = {
    'tls.ca': tls.ca,
    'tls.certificate': tls.certificate,
    'tls.key': tls.key,
    'tls.crl': tls.crl,
    'routing.password': routing.password,
    'gslb.topology': gslb.topology,
  };
  return new Map(
    Object.entries(named).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

/** The configuration with its files' names put in anew (by what they are for), and its `state` left to the box. */
export function renameFiles(text: string, names: ReadonlyMap<string, string>): string {
  const whole = JSON.parse(text) as Record<string, Record<string, unknown>>;
  for (const [purpose, name] of names) {
    const [group = '', key = ''] = purpose.split('.');
    whole[group] = { ...whole[group], [key]: name };
  }
  return `${JSON.stringify(whole, undefined, 2)}\n`;
}

interface Naming {
  readonly tls?: {
    readonly ca?: unknown;
    readonly certificate?: unknown;
    readonly key?: unknown;
    readonly crl?: unknown;
  };
  readonly routing?: { readonly password?: unknown };
  readonly gslb?: { readonly topology?: unknown };
}
