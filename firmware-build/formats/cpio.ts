/**
 * Writes cpio archives in the "new ASCII" format (Linux: Documentation/driver-api/early-userspace/buffer-format.rst), as the kernel unpacks
 * them at boot. Each entry: a header of 110 characters, the name with a NUL, the bytes; both padded to 4.
 */

export type CpioEntry = { readonly path: string } & (
  | { readonly kind: 'directory' }
  | { readonly kind: 'link'; readonly to: string }
  | { readonly kind: 'file'; readonly bytes: Uint8Array; readonly executable?: boolean }
  /** A character device. */
  | { readonly kind: 'device'; readonly major: number; readonly minor: number }
);

/** Bits of st_mode: type and permissions. */
const MODE = { directory: 0o040755, link: 0o120777, file: 0o100644, device: 0o020600 } as const;

/** The archive, its entries as given, owned by root, all with the time 0. */
export function writeCpio(entries: readonly CpioEntry[]): Buffer {
  const parts = entries.map((entry, index) => writeEntry(entry, index + 1));
  return Buffer.concat([...parts, header('TRAILER!!!', 0, 0, 0, Buffer.alloc(0))]);
}

function writeEntry(entry: CpioEntry, inode: number): Buffer {
  const bytes =
    entry.kind === 'file' ? entry.bytes : entry.kind === 'link' ? Buffer.from(entry.to) : new Uint8Array();
  const mode = MODE[entry.kind] | (entry.kind === 'file' && entry.executable ? 0o111 : 0);
  return header(entry.path, inode, mode, entry.kind === 'directory' ? 2 : 1, bytes, entry);
}

function header(
  path: string,
  inode: number,
  mode: number,
  links: number,
  bytes: Uint8Array,
  entry?: CpioEntry,
): Buffer {
  const [major, minor] = entry?.kind === 'device' ? [entry.major, entry.minor] : [0, 0];
  const name = Buffer.from(`${path}\0`);
  // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
  const fields = [inode, mode, 0, 0, links, 0, bytes.length, 0, 0, major, minor, name.length, 0];
  const text = `070701${fields.map(value => value.toString(16).padStart(8, '0')).join('')}`;
  return Buffer.concat([pad(Buffer.concat([Buffer.from(text), name])), pad(bytes)]);
}

function pad(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
}
