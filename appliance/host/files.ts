/**
 * The file system. Synchronous: what is written here is small, and must be on the disk before anything is promised upon it.
 */
import {
  closeSync,
  fchmodSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Files } from './ports.ts';

/** Mode of a written file unless the caller says otherwise. */
const PRIVATE = 0o600;

let written = 0;

/** Errors are Node's own (they name the call and the path); an absent file or directory is no error to read, remove or list. */
export const createFiles = (): Files => ({
  read: path => absentAs(undefined, () => readFileSync(path, 'utf8')),
  write,
  rename(from, to) {
    renameSync(from, to);
    syncDirectory(dirname(to));
    if (dirname(from) !== dirname(to)) syncDirectory(dirname(from));
  },
  remove: path => rmSync(path, { force: true }),
  list: directory => absentAs([], () => readdirSync(directory).sort()),
  makeDirectory: path => void mkdirSync(path, { recursive: true, mode: 0o750 }),
});

/** After a power cut either the old text is there or the new one: never a mixture, never nothing. */
function write(path: string, text: string, mode = PRIVATE): void {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}-${++written}.tmp`);
  try {
    const file = openSync(temporary, 'wx', mode);
    try {
      fchmodSync(file, mode); // The umask has cut what openSync was given.
      writeFileSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncDirectory(dirname(path));
}

/** A rename is on the disk only when the directory is. */
function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

function absentAs<T>(absent: T, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return absent;
    throw error;
  }
}
