/**
 * The header that every message begins with, on every carrier (docs/protocol.md §3). It is the same in all versions.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +---------------+---------------+---------------+---------------+
 *     |   0x42 'B'    |   0x56 'V'    |    version    |     type      |
 *     +---------------+---------------+---------------+---------------+
 *     |            length             |       reserved (zero)         |
 *     +-------------------------------+-------------------------------+
 *     |                          transaction                          |
 *     +---------------------------------------------------------------+
 *
 * length: bytes of the elements behind the header, 0…65,523.
 */
import { WireError } from './errors.ts';
import { VERSION } from './messages.ts';
import { readU16, readU32, type TlvWriter } from './tlv.ts';

export const HEADER = 12;
const MAGIC = 0x4256;

export interface Header {
  readonly version: number;
  readonly type: number;
  /** Bytes of elements. */
  readonly length: number;
  readonly transaction: number;
}

/** Reads the header at `at`, of which all 12 bytes are there. Throws a fatal WireError for another magic or version. */
export function readHeader(bytes: Uint8Array, at = 0): Header {
  if (readU16(bytes, at) !== MAGIC) {
    throw new WireError(
      'malformed',
      'the message does not begin with 42 56; the peer speaks another protocol',
      {
        offset: 0,
        fatal: true,
      },
    );
  }
  const version = bytes[at + 2]!;
  const transaction = readU32(bytes, at + 8);
  if (version < VERSION.oldest || version > VERSION.newest) {
    throw new WireError(
      'version',
      `version ${version} is not spoken here, only ${VERSION.oldest}…${VERSION.newest}; register in version 1 and negotiate`,
      { offset: 2, transaction, fatal: true },
    );
  }
  return { version, type: bytes[at + 3]!, length: readU16(bytes, at + 4), transaction };
}

/** Writes a header whose length `closeHeader` sets. */
export function openHeader(writer: TlvWriter, type: number, transaction: number, version: number): void {
  writer.u16(MAGIC);
  writer.u8(version);
  writer.u8(type);
  writer.u32(0);
  writer.u32(transaction);
}

/** Sets the length of the message that begins at byte 0. */
export function closeHeader(writer: TlvWriter): void {
  setLength(writer.bytes, writer.at - HEADER);
}

export function setLength(message: Uint8Array, length: number): void {
  message[4] = length >>> 8;
  message[5] = length;
}
