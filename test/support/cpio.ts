/**
 * Archives that the kernel unpacks as its first file system (initramfs; cpio's "newc" format, Documentation/driver-api/early-userspace).
 *
 *     070701 ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check   eight hex digits each
 *     name, zero, padded to 4; data, padded to 4; the last entry's name is TRAILER!!!
 */
export interface CpioFile {
  /** Without a leading slash. */
  readonly path: string;
  /** Permission bits. */
  readonly mode: number;
  readonly data: Uint8Array;
}

const [DIRECTORY, REGULAR] = [0o040755, 0o100000];

/** The archive of these files and of all directories above them. */
export function cpio(files: readonly CpioFile[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const made = new Set<string>();
  const put = (name: string, mode: number, data: Uint8Array): void => {
    const fields = [parts.length + 1, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length + 1, 0];
    const header = `070701${fields.map(field => field.toString(16).padStart(8, '0')).join('')}${name}\0`;
    parts.push(padded(Buffer.from(header, 'latin1')), padded(data));
  };
  for (const { path, mode, data } of files) {
    for (let slash = path.indexOf('/'); slash > 0; slash = path.indexOf('/', slash + 1)) {
      const directory = path.slice(0, slash);
      if (!made.has(directory)) put(directory, DIRECTORY, new Uint8Array(0));
      made.add(directory);
    }
    put(path, REGULAR | mode, data);
  }
  put('TRAILER!!!', 0, new Uint8Array(0));
  return Buffer.concat(parts);
}

const padded = (bytes: Uint8Array): Uint8Array =>
  Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
