/**
 * Unified kernel images: systemd's EFI stub with sections added (PE/COFF specification; UAPI.5 UKI). Written here and not by objcopy, which
 * needs a build for each architecture and puts the time into the header.
 */

/** Offsets from the PE header's start: the signature `PE\0\0`, 20 bytes of COFF header, then the optional header. */
const SECTIONS = 6;
const TIME = 8;
const OPTIONAL_SIZE = 20;
const OPTIONAL = 24;
/** Offsets in the optional header (PE32+). */
const MAGIC = 0;
const SECTION_ALIGNMENT = 32;
const FILE_ALIGNMENT = 36;
const IMAGE_SIZE = 56;
const HEADERS_SIZE = 60;
const CHECKSUM = 64;

/** Bytes of a section's header. */
const SECTION = 40;
/** Initialised data that can be read. */
const READABLE_DATA = 0x40000040;

/** Sections are laid out in memory on pages of either architecture. */
const PAGE = 4096;

export interface Section {
  /** `.linux`, at most 8 letters. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** A file that is no EFI program of the kind that sections can be added to. */
export class PeError extends Error {}

const up = (value: number, to: number): number => Math.ceil(value / to) * to;

/** Where the PE header begins, having looked that it is PE32+. */
function headerAt(image: Buffer): number {
  const at = image.length >= 0x40 && image.readUInt16LE(0) === 0x5a4d ? image.readUInt32LE(0x3c) : -1;
  if (at < 0 || at + OPTIONAL + CHECKSUM + 4 > image.length || image.readUInt32LE(at) !== 0x4550)
    throw new PeError('this is no PE image');
  if (image.readUInt16LE(at + OPTIONAL + MAGIC) !== 0x20b) throw new PeError('this is no PE32+ image');
  return at;
}

/** The sections of an image: name, offset and size of their bytes in the file, and address in memory. */
export function sectionsOf(image: Buffer): readonly {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  readonly address: number;
  readonly memory: number;
}[] {
  const at = headerAt(image);
  const first = at + OPTIONAL + image.readUInt16LE(at + OPTIONAL_SIZE);
  const count = image.readUInt16LE(at + SECTIONS);
  if (first + count * SECTION > image.length) throw new PeError('the section table goes beyond the end');
  return Array.from({ length: count }, (_, index) => {
    const header = first + index * SECTION;
    return {
      name: image.toString('latin1', header, header + 8).replace(/\0+$/, ''),
      memory: image.readUInt32LE(header + 8),
      address: image.readUInt32LE(header + 12),
      size: image.readUInt32LE(header + 16),
      offset: image.readUInt32LE(header + 20),
    };
  });
}

/**
 * The stub with the sections added behind its own, in the order given.
 *
 * @throws {PeError} when the stub is none, has such a section already, or has no room for more headers.
 */
export function addSections(stub: Buffer, added: readonly Section[]): Buffer {
  const at = headerAt(stub);
  const optional = at + OPTIONAL;
  const present = sectionsOf(stub);
  const first = optional + stub.readUInt16LE(at + OPTIONAL_SIZE);
  const headersEnd = first + (present.length + added.length) * SECTION;
  const fileAlignment = stub.readUInt32LE(optional + FILE_ALIGNMENT);
  if (
    headersEnd > stub.readUInt32LE(optional + HEADERS_SIZE) ||
    headersEnd > Math.min(...present.map(one => one.offset))
  )
    throw new PeError(`no room for ${added.length} more section headers`);
  const head = Buffer.from(stub);
  const parts: Buffer[] = [head];
  let offset = up(stub.length, fileAlignment);
  parts.push(Buffer.alloc(offset - stub.length));
  let address = up(Math.max(...present.map(one => one.address + Math.max(one.memory, one.size))), PAGE);
  for (const [index, { name, bytes }] of added.entries()) {
    if (name.length > 8 || present.some(one => one.name === name))
      throw new PeError(`a section ${name} cannot be added`);
    const size = up(bytes.length, fileAlignment);
    const header = Buffer.alloc(SECTION);
    header.write(name, 'latin1');
    header.writeUInt32LE(bytes.length, 8);
    header.writeUInt32LE(address, 12);
    header.writeUInt32LE(size, 16);
    header.writeUInt32LE(offset, 20);
    header.writeUInt32LE(READABLE_DATA, 36);
    header.copy(head, first + (present.length + index) * SECTION);
    parts.push(Buffer.from(bytes), Buffer.alloc(size - bytes.length));
    offset += size;
    address = up(address + bytes.length, PAGE);
  }
  head.writeUInt16LE(present.length + added.length, at + SECTIONS);
  head.writeUInt32LE(0, at + TIME);
  head.writeUInt32LE(up(address, stub.readUInt32LE(optional + SECTION_ALIGNMENT)), optional + IMAGE_SIZE);
  // EFI firmware does not look at it.
  head.writeUInt32LE(0, optional + CHECKSUM);
  return Buffer.concat(parts);
}
