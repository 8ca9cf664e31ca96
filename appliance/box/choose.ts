/**
 * Which configuration a box starts with: the first good one of a USB stick, the EFI system partition, what was kept of the last good one,
 * and the box's own defaults. One that is not good is refused, with what is wrong with it, and the next is looked at. Pure.
 */
import type { Config } from '../config/config.ts';
import { formatFault, loadConfig } from '../config/load.ts';
import { type BundleFiles, CONFIGURATION, namedFiles } from './bundle.ts';

/** Where it was found; in this order they are looked at. */
export const PLACES = ['usb', 'esp', 'kept', 'defaults'] as const;
export type Place = (typeof PLACES)[number];

/** A configuration that was found, or why what was found is none. */
export interface Candidate {
  readonly place: Place;
  /** For people: the file. */
  readonly path: string;
  readonly files: BundleFiles | { readonly fault: string };
}

export interface Refused {
  readonly path: string;
  readonly faults: readonly string[];
}

export interface Chosen {
  readonly place: Place;
  readonly path: string;
  readonly files: BundleFiles;
  readonly config: Config;
}

/** What is wrong with certificates, keys and lists of those that were revoked: sentences. `names`: files by what they are for. */
export type CheckFiles = (config: Config, text: (purpose: string) => string) => readonly string[];

/** The last candidate is the box's own defaults, which are good. */
export function chooseConfiguration(
  candidates: readonly Candidate[],
  check: CheckFiles,
): { readonly chosen: Chosen | undefined; readonly refused: readonly Refused[] } {
  const sorted = [...candidates].sort(
    (one, other) => PLACES.indexOf(one.place) - PLACES.indexOf(other.place),
  );
  const refused: Refused[] = [];
  for (const { place, path, files } of sorted) {
    const judged = 'fault' in files ? [files.fault] : judge(path, files, check);
    if (!Array.isArray(judged))
      return { chosen: { place, path, files: files as BundleFiles, config: judged as Config }, refused };
    refused.push({ path, faults: judged });
  }
  return { chosen: undefined, refused };
}

/** The configuration, or all that is wrong with it. */
function judge(path: string, files: BundleFiles, check: CheckFiles): Config | string[] {
  const text = files.get(CONFIGURATION) ?? '';
  const loaded = loadConfig(text);
  if ('faults' in loaded) return loaded.faults.map(fault => formatFault(path, fault));
  const named = namedFiles(text);
  const missing = [...named].filter(([, name]) => !files.has(name));
  if (missing.length > 0)
    return missing.map(
      ([purpose, name]) =>
        `${path}: ${purpose} names ${name}, which is not there: names stand for files beside it`,
    );
  const faults = check(loaded.config, purpose => files.get(named.get(purpose) ?? '') ?? '');
  return faults.length > 0 ? faults.map(fault => `${path}: ${fault}`) : loaded.config;
}
