/**
 * Profiles: what an image is made of, as data (profiles/*.json, described by profile.schema.json).
 */
import { type Fault, formatFault } from '../appliance/config/faults.ts';
import { createReader } from '../appliance/config/schema.ts';
import schema from './profile.schema.json' with { type: 'json' };

/** Debian's names. */
export type Architecture = 'amd64' | 'arm64';

export interface KernelChoice {
  /** Debian's meta package; the newest kernel that it names is taken. */
  readonly package: string;
  /** Of its command line, besides those that name the root. */
  readonly arguments: readonly string[];
  /** Path prefixes below `kernel/` of modules to keep, and of those among them to leave out. */
  readonly keep: readonly string[];
  readonly drop: readonly string[];
  /** Names of modules that go into the initramfs, where the kernel has them. */
  readonly initramfs: readonly string[];
}

/** MiB of each partition. */
export interface Sizes {
  readonly esp: number;
  readonly root: number;
  readonly verity: number;
  readonly state: number;
}

/** One image, with what it has in common with all others filled in. */
export interface Profile {
  readonly name: string;
  readonly about: string;
  readonly architecture: Architecture;
  readonly board: 'uefi' | 'raspberry-pi' | 'container';
  /** npm's package of the program, and the hash of its tar ball (Subresource Integrity). */
  readonly node: { readonly version: string; readonly integrity: string };
  readonly suite: string;
  /** Lines of sources.list. */
  readonly sources: readonly string[];
  /** Debian packages, sorted. */
  readonly packages: readonly string[];
  /** Shell patterns of paths in the root file system that go. */
  readonly remove: readonly string[];
  /** Undefined for a container. */
  readonly kernel: KernelChoice | undefined;
  readonly sizes: Sizes | undefined;
  readonly goal: { readonly compressed: number } | undefined;
}

type Base = Pick<Profile, 'suite' | 'sources' | 'packages' | 'remove'> &
  Pick<KernelChoice, 'keep' | 'drop' | 'initramfs'>;
type Raw = Omit<Profile, 'name' | 'suite'>;

const formats = {
  package: {
    takes: (text: string) => /^[a-z0-9][a-z0-9.+-]+$/.test(text),
    sentence: (text: string) => `'${text}' is no name of a Debian package`,
  },
  inside: {
    takes: (text: string) =>
      /^[\w.+*{},/@-]+$/.test(text) && !text.startsWith('/') && !text.split('/').includes('..'),
    sentence: (text: string) => `'${text}' must be a path below the root, without a leading / and without ..`,
  },
};

const { definitions } = schema;
const readBase = createReader<Base>({ ...definitions.base, definitions }, formats);
const readProfile = createReader<Raw>(schema, formats);

/** A profile that cannot be used: every fault with file and line. */
export class ProfileError extends Error {
  constructor(file: string, faults: readonly Fault[]) {
    super(faults.map(fault => formatFault(file, fault)).join('\n'));
  }
}

/**
 * The profile from the texts of its own file and of base.json.
 *
 * @throws {ProfileError} naming each fault.
 */
export function parseProfile(name: string, text: string, baseText: string): Profile {
  const base = readBase(baseText);
  if ('faults' in base) throw new ProfileError('base.json', base.faults);
  const own = readProfile(text);
  if ('faults' in own) throw new ProfileError(`${name}.json`, own.faults);
  const { raw, at } = own;
  const twice = raw.packages.filter(one => base.raw.packages.includes(one));
  if (twice.length > 0)
    throw new ProfileError(
      `${name}.json`,
      twice.map(one =>
        at(`/packages/${raw.packages.indexOf(one)}`, `'${one}' is in base.json already: take it out`),
      ),
    );
  const { keep, drop, initramfs, ...common } = base.raw;
  return {
    name,
    ...common,
    ...raw,
    sources: [...common.sources, ...(raw.sources ?? [])],
    packages: [...common.packages, ...raw.packages].sort(),
    remove: [...common.remove, ...(raw.remove ?? [])],
    kernel: raw.kernel && {
      ...raw.kernel,
      keep: [...keep, ...raw.kernel.keep],
      drop: [...drop, ...raw.kernel.drop],
      initramfs: [...initramfs, ...raw.kernel.initramfs],
    },
    sizes: raw.sizes,
    goal: raw.goal,
  };
}
