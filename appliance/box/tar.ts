/**
 * Archives in the ustar format (POSIX.1-1988, pax(1)), of plain files alone: what an update and a mission's bundle are. Read from whatever
 * hands over bytes, so that an archive of 100 MB is never in memory.
 *
 *     offset  size  field            of a header block of 512 bytes; the file's bytes follow, padded to whole blocks
 *          0   100  name
 *        100     8  mode             octal text, as all numbers
 *        124    12  size
 *        148     8  checksum         sum of the header's bytes, with spaces in this field
 *        156     1  type             '0' or NUL: a plain file; all others are refused
 *        257     6  magic            "ustar"
 *        345   155  prefix           refused unless empty
 *
 * Two blocks of zeros end it.
 */

const BLOCK = 512;

/** What an archive is read from: a file on the disk, or bytes in memory. */
export interface ByteSource {
  /** Bytes. */
  readonly size: number;
  /** As many bytes as are there, at most `length`. */
  read(offset: number, length: number): Uint8Array;
}

/** A plain file in an archive. */
export interface TarEntry {
  readonly name: string;
  /** Where its bytes begin in the archive. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
}

export interface TarLimits {
  readonly entries: number;
  /** Bytes of one file. */
  readonly size: number;
}

/** Bytes in memory as a source. */
export const sourceOf = (bytes: Uint8Array): ByteSource => ({
  size: bytes.length,
  read: (offset, length) => bytes.subarray(offset, offset + length),
});

/** One file name of letters, digits and `.`, `_`, `+`, `-`, that begins with a letter or digit: no way out of a directory. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$/;

/** The files of an archive in their order. Throws an Error that names the offset for whatever is not as above, or is over a limit. */
export function readTar(source: ByteSource, limits: TarLimits): readonly TarEntry[] {
  const entries: TarEntry[] = [];
  const names = new Set<string>();
  for (let at = 0; ; ) {
    const header = source.read(at, BLOCK);
    const wrong = (what: string): Error => new Error(`not an archive of ours: ${what} at byte ${at}`);
    if (header.length < BLOCK) throw wrong('it ends early');
    if (header.every(byte => byte === 0)) return entries;
    if (text(header, 257, 5) !== 'ustar' || octal(header, 148, 8) !== checksum(header))
      throw wrong('no header stands');
    const name = text(header, 0, 100);
    const size = octal(header, 124, 12);
    if (!NAME.test(name) || header[345] !== 0) throw wrong('a file has a name that is not plain');
    if (header[156] !== 0x30 && header[156] !== 0) throw wrong(`${name} is no plain file`);
    if (size === undefined || size > limits.size) throw wrong(`${name} is larger than ${limits.size} bytes`);
    if (names.has(name)) throw wrong(`${name} stands a second time`);
    if (entries.length === limits.entries) throw wrong(`there are more than ${limits.entries} files`);
    const offset = at + BLOCK;
    if (offset + size > source.size) throw wrong(`${name} is cut off`);
    names.add(name);
    entries.push({ name, offset, size });
    at = offset + padded(size);
  }
}

/** An archive of these files, readable by their owner alone; the same files give the same bytes. Throws for a name that is not plain. */
export function writeTar(
  files: readonly { readonly name: string; readonly bytes: Uint8Array }[],
): Uint8Array {
  const whole = new Uint8Array(
    files.reduce((sum, { bytes }) => sum + BLOCK + padded(bytes.length), 2 * BLOCK),
  );
  let at = 0;
  for (const { name, bytes } of files) {
    whole.set(tarHeader(name, bytes.length), at);
    whole.set(bytes, at + BLOCK);
    at += BLOCK + padded(bytes.length);
  }
  return whole;
}

function tarHeader(name: string, size: number): Uint8Array {
  if (!NAME.test(name)) throw new Error(`'${name}' is no plain file name`);
  const header = new Uint8Array(BLOCK);
  const put = (offset: number, value: string): void => header.set(new TextEncoder().encode(value), offset);
  const number = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`;
  put(0, name);
  put(100, number(0o600, 7));
  put(108, number(0, 7));
  put(116, number(0, 7));
  put(124, number(size, 11));
  put(136, number(0, 11));
  put(156, '0');
  put(257, 'ustar\x0000');
  put(148, `${checksum(header).toString(8).padStart(6, '0')}\0 `);
  return header;
}

const padded = (size: number): number => Math.ceil(size / BLOCK) * BLOCK;

/** Up to the first NUL. */
function text(header: Uint8Array, offset: number, length: number): string {
  const field = header.subarray(offset, offset + length);
  const end = field.indexOf(0);
  return String.fromCharCode(...(end < 0 ? field : field.subarray(0, end)));
}

function octal(header: Uint8Array, offset: number, length: number): number | undefined {
  const digits = text(header, offset, length).trim();
  return /^[0-7]{1,11}$/.test(digits) ? Number.parseInt(digits, 8) : undefined;
}

const checksum = (header: Uint8Array): number =>
  header.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 0x20 : byte), 0);
