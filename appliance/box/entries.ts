/**
 * Boot entries: the kernels (UKIs) in /EFI/Linux of the EFI system partition, and which of them systemd-boot starts.
 *
 *     bivouac-0007-0.1.0+202611210847.d2f8804-b.efi        good: it was healthy once
 *     bivouac-0008-0.1.0+202611220910.1a2b3c4-a+3.efi      on trial: 3 starts left
 *     bivouac-0008-…-a+1-2.efi                             1 left, 2 done
 *     bivouac-0008-…-a+0-3.efi                             failed: taken only when there is nothing else
 *
 * The first number is the generation: each update takes the next one, so that systemd-boot, which orders by name here, begins with what
 * was installed last, whatever its version is. The counter is systemd-boot's own (systemd.io/AUTOMATIC_BOOT_ASSESSMENT).
 */

export type Slot = 'a' | 'b';

export interface Entry {
  /** The file's. */
  readonly name: string;
  readonly generation: number;
  readonly version: string;
  readonly slot: Slot;
  /** Starts that are left; undefined once it was healthy. */
  readonly left: number | undefined;
  /** Starts that were tried since it was installed. */
  readonly done: number;
}

/** Starts that a new image gets to become healthy. */
export const TRIES = 3;

const MOST = 9999;

/** The entry of a file name; undefined for files that are none of ours. FAT may have lost the case of letters. */
export function readEntry(name: string): Entry | undefined {
  const match =
    /^bivouac-(\d{4})-(\d+\.\d+\.\d+\+\d{12}\.[0-9a-z.-]{4,48})-([ab])(?:\+(\d{1,3})(?:-(\d{1,3}))?)?\.efi$/i.exec(
      name,
    );
  if (match === null) return undefined;
  const [, generation, version, slot, left, done] = match;
  return {
    name,
    generation: Number(generation),
    version: version!.toLowerCase(),
    slot: slot!.toLowerCase() as Slot,
    left: left === undefined ? undefined : Number(left),
    done: Number(done ?? 0),
  };
}

/** The file name of a new image in a slot, on trial. */
export const newEntryName = (generation: number, version: string, slot: Slot): string =>
  `bivouac-${String(generation).padStart(4, '0')}-${version}-${slot}+${TRIES}.efi`;

/** The generation that comes after these. Throws when there is none left. */
export function nextGeneration(entries: readonly Entry[]): number {
  const next = Math.max(0, ...entries.map(({ generation }) => generation)) + 1;
  if (next > MOST) throw new Error(`generation ${MOST} is the last: install the box anew`);
  return next;
}

/** As systemd-boot orders them: what has no start left comes last, then the greater generation first. */
export const bootOrder = (entries: readonly Entry[]): readonly Entry[] =>
  [...entries].sort(
    (one, other) =>
      Number(one.left === 0) - Number(other.left === 0) ||
      other.generation - one.generation ||
      (other.left ?? MOST) - (one.left ?? MOST),
  );

export const otherSlot = (slot: Slot): Slot => (slot === 'a' ? 'b' : 'a');
