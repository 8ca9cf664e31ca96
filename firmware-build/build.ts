/**
 * One build: what every step of it knows.
 */
import type { Profile } from './profile.ts';

export interface Build {
  readonly profile: Profile;
  /** See version.ts. */
  readonly version: string;
  /** Seconds since 1970, on every file of the image (SOURCE_DATE_EPOCH). */
  readonly epoch: number;
  /** The repository. */
  readonly root: string;
  /** Directory with the program's bundle (bivouac.mjs). */
  readonly bundle: string;
  /** This build's own directory for what lies between the steps. */
  readonly work: string;
  /** What is downloaded by hash or version, kept for the next build. */
  readonly cache: string;
  /** Where the results go. */
  readonly out: string;
  /** For tests: little compression, and no compressed image. */
  readonly fast: boolean;
  /** Words that are added to the kernel's command line. */
  readonly kernelArguments: readonly string[];
}

/** Where the root file system grows. */
export const rootOf = ({ work }: Build): string => `${work}/root`;

/** Where Debian packages lie that the build needs, but the image does not: `<name>_<version>_<architecture>.deb`. */
export const packagesOf = ({ work }: Build): string => `${work}/packages`;

/** A path of something that lies between two steps. */
export const between = ({ work }: Build, name: string): string => `${work}/${name}`;
