/**
 * A script as U-Boot's `source` takes it: the legacy image format, of type script (U-Boot's include/image.h, struct legacy_img_hdr).
 *
 *     0  4  magic 0x27051956                 28  1  operating system, 5 = Linux
 *     4  4  CRC-32 of the header, with       29  1  architecture, 22 = arm64
 *           this field zero                  30  1  type, 6 = script
 *     8  4  time, seconds since 1970         31  1  compression, 0 = none
 *    12  4  bytes of the data                32 32  name, padded by zeros
 *    16  8  load address, entry: 0           64     data: length of the text, 0, the text
 *    24  4  CRC-32 of the data
 *
 * All numbers are big-endian.
 */
import { crc32 } from 'node:zlib';

const HEADER = 64;

/** The image of a script; `time`: seconds since 1970. */
export function scriptImage(text: string, time: number): Uint8Array {
  const script = Buffer.from(text);
  const image = Buffer.alloc(HEADER + 8 + script.length);
  image.writeUInt32BE(script.length, HEADER);
  script.copy(image, HEADER + 8);
  const data = image.subarray(HEADER);
  image.writeUInt32BE(0x27051956, 0);
  image.writeUInt32BE(time, 8);
  image.writeUInt32BE(data.length, 12);
  image.writeUInt32BE(crc32(data), 24);
  image.set([5, 22, 6, 0], 28);
  image.write('bivouac', 32);
  // Over the header as it is by now: its own field is zero.
  image.writeUInt32BE(crc32(image.subarray(0, HEADER)), 4);
  return image;
}
