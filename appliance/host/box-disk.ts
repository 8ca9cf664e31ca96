/**
 * The box's disk: partitions by their names, and the EFI system partition, which is writable only while this works on it.
 */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

/** An open file of a known size; the same shape as box/disk.ts wants it. */
interface Region {
  readonly size: number;
  write(offset: number, bytes: Uint8Array): void;
  flush(): void;
  read(offset: number, length: number): Uint8Array;
  close(): void;
}

/** Where the box has things. */
export interface BoxPaths {
  /** Of the mounted EFI system partition. */
  readonly esp: string;
  /** Of the links that udev makes by partition name. */
  readonly labels: string;
}

const PATHS: BoxPaths = { esp: '/efi', labels: '/dev/disk/by-partlabel' };

/** Bytes of a partition or file are asked of the medium: what the kernel remembers is thrown away after each flush. */
export function createBoxDisk({ esp, labels }: BoxPaths = PATHS) {
  const directory = join(esp, 'EFI/Linux');
  const opened = (path: string, flags: string, size?: number): Region => {
    const file = openSync(path, flags);
    try {
      if (size !== undefined) ftruncateSync(file, size);
      return regionOf(file);
    } catch (error) {
      closeSync(file);
      throw error;
    }
  };
  const flushEntries = (): void => {
    const file = openSync(directory, 'r');
    try {
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  };
  return {
    entries: (): readonly string[] => readdirSync(directory),
    partition: (label: string): Region => opened(realpathSync(join(labels, label)), 'r+'),
    openEntry: (name: string): Region => opened(join(directory, name), 'r+'),
    makeEntry(name: string, size: number): Region {
      const first = opened(join(directory, name), 'wx+', 512);
      first.flush();
      first.close();
      flushEntries();
      return opened(join(directory, name), 'r+', size);
    },
    removeEntry: (name: string): void => rmSync(join(directory, name)),
    flushEntries,
  };
}

/** Makes the EFI system partition writable for as long as `work` runs. */
export function withWritableEsp<T>(work: () => T, { esp }: BoxPaths = PATHS): T {
  const remount = (mode: 'rw' | 'ro'): unknown =>
    execFileSync('mount', ['-o', `remount,${mode}`, esp], { stdio: 'pipe' });
  remount('rw');
  try {
    return work();
  } finally {
    execFileSync('sync', ['-f', esp]);
    remount('ro');
  }
}

function regionOf(file: number): Region {
  const size = sizeOf(file);
  return {
    size,
    write(offset, bytes) {
      if (offset + bytes.length > size)
        throw new Error(`byte ${offset + bytes.length} is beyond the end, ${size}`);
      for (let done = 0; done < bytes.length; )
        done += writeSync(file, bytes, done, bytes.length - done, offset + done);
    },
    flush() {
      fsyncSync(file);
      // Clean pages go, so that what is read next comes from the medium.
      writeFileSync('/proc/sys/vm/drop_caches', '1');
    },
    read(offset, length) {
      const bytes = new Uint8Array(Math.max(0, Math.min(length, size - offset)));
      let done = 0;
      while (done < bytes.length) {
        const got = readSync(file, bytes, done, bytes.length - done, offset + done);
        if (got === 0) break;
        done += got;
      }
      return bytes.subarray(0, done);
    },
    close: () => closeSync(file),
  };
}

/** Of a block device, the place of its end: its inode has no size. */
function sizeOf(file: number): number {
  const stat = fstatSync(file);
  if (!stat.isBlockDevice()) return stat.size;
  const path = `/sys/dev/block/${major(stat.rdev)}:${minor(stat.rdev)}/size`;
  return Number(readFileSync(path, 'utf8')) * 512;
}

const major = (device: number): number => (device >> 8) & 0xfff;
const minor = (device: number): number => (device & 0xff) | ((device >> 12) & 0xfff00);
