/**
 * What an image is called.
 */

export interface Commit {
  /** Seconds since 1970 of the commit: the only time that a build knows. */
  readonly time: number;
  /** Abbreviated hash. */
  readonly hash: string;
  /** Whether the working tree differs from the commit. */
  readonly dirty: boolean;
}

/**
 * `0.1.0+202611210847.d2f8804`: the program's version, and the commit's time (UTC) before its hash, so that versions sort as they were made. A
 * tree with changes that are not committed says so with `.dirty`.
 */
export function imageVersion(program: string, commit: Commit): string {
  const time = new Date(commit.time * 1000).toISOString().replace(/\D/g, '').slice(0, 12);
  return `${program}+${time}.${commit.hash}${commit.dirty ? '.dirty' : ''}`;
}
