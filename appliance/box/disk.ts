/**
 * What an update needs of the box's disk. `host/box-disk.ts` is the real one; the tests have one that loses power at any moment.
 */

/** A raw partition, or a file on the EFI system partition. */
export interface Region {
  /** Bytes; a write beyond them throws. */
  readonly size: number;
  write(offset: number, bytes: Uint8Array): void;
  /** All that was written is on the medium when it returns. */
  flush(): void;
  /** From the medium, not from what the kernel remembers of it; as many bytes as are there. */
  read(offset: number, length: number): Uint8Array;
  close(): void;
}

export interface BoxDisk {
  /** File names in /EFI/Linux. */
  entries(): readonly string[];
  /** A partition by its name (PARTLABEL), such as `root-b`. Throws when there is none. */
  partition(label: string): Region;
  openEntry(name: string): Region;
  /**
   * Makes an entry of `size` bytes, whose first sector is zeros on the medium before it is any longer than that. Throws when the EFI system
   * partition has no room for it.
   */
  makeEntry(name: string, size: number): Region;
  removeEntry(name: string): void;
  /** Names that came and went are on the medium when it returns. */
  flushEntries(): void;
}
