/**
 * The steps of an update, in an order that leaves a box that boots wherever the power fails:
 *
 * 1. The other slot's entries are made void (their first sector, which systemd-boot knows a kernel by, becomes zeros) and removed. From here
 *    on only the running slot is started, which was healthy.
 * 2. Root and verity of the other slot are written, flushed, and read back.
 * 3. The new entry is written under its final name, but for its first sector: systemd-boot passes over it. Flushed, and read back.
 * 4. Its first sector is written: one sector, which a disk writes whole or not at all. From here on the new slot is tried, and the old one
 *    is taken again if it does not become healthy in three starts.
 *
 * Nothing is renamed: on FAT a rename that is cut short leaves two names for the same clusters, and whoever removes one destroys both.
 */
import { bootOrder, type Entry, newEntryName, nextGeneration, otherSlot, type Slot } from './entries.ts';
import type { Manifest, PartName } from './manifest.ts';

/** The part of an entry that makes it one, in bytes: the smallest sector that disks have. */
export const SECTOR = 512;

export type Step =
  | { readonly do: 'void' | 'remove'; readonly entry: string }
  | { readonly do: 'flush-entries' }
  /** Writes a part to a partition, and reads it back. */
  | { readonly do: 'write'; readonly part: PartName; readonly partition: string }
  /** Writes all of an entry but its first sector, and reads it back. */
  | { readonly do: 'prepare' | 'commit'; readonly part: PartName; readonly entry: string };

export interface UpdatePlan {
  readonly slot: Slot;
  readonly entry: string;
  readonly steps: readonly Step[];
}

/** The plan, or the reason why there can be none now. */
export function planUpdate(
  running: Slot,
  entries: readonly Entry[],
  { version }: Pick<Manifest, 'version'>,
): UpdatePlan | string {
  const slot = otherSlot(running);
  const own = bootOrder(entries.filter(entry => entry.slot === running))[0];
  if (own === undefined) return `the running slot ${running} has no entry on the EFI system partition`;
  if (own.left !== undefined)
    return `slot ${running} (${own.version}) is on trial: it has not been healthy yet, and slot ${slot} is what the box would go back to. Wait for that, or \`bivouac box rollback\``;
  const old = entries.filter(entry => entry.slot === slot).map(({ name }) => name);
  const entry = newEntryName(nextGeneration(entries), version, slot);
  const part = `uki-${slot}.efi` as const;
  return {
    slot,
    entry,
    steps: [
      ...old.map(name => ({ do: 'void', entry: name }) as const),
      ...old.map(name => ({ do: 'remove', entry: name }) as const),
      { do: 'flush-entries' },
      { do: 'write', part: 'root.squashfs', partition: `root-${slot}` },
      { do: 'write', part: 'root.verity', partition: `verity-${slot}` },
      { do: 'prepare', part, entry },
      { do: 'commit', part, entry },
    ],
  };
}
