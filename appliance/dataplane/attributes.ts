/**
 * Netlink's own TLV (netlink(7), linux/netlink.h), host byte order in the headers (little-endian on all that this runs on):
 *
 *      0        2        4
 *     +--------+--------+----------------- - -
 *     | length | type   | value, padded to 4
 *     +--------+--------+----------------- - -
 *
 * `length` counts the four bytes of the header. Type bits 15 and 14 say "nested" and "in network order".
 */
const NESTED = 0x8000;
const TYPE = 0x3fff;

/** One attribute in bytes; nested when its value is a list of attributes. */
export function attribute(type: number, value: Uint8Array | readonly Uint8Array[]): Uint8Array {
  const nested = !(value instanceof Uint8Array);
  const payload = nested ? concat(value) : value;
  const bytes = new Uint8Array((4 + payload.length + 3) & ~3);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 4 + payload.length, true);
  view.setUint16(2, nested ? type | NESTED : type, true);
  bytes.set(payload, 4);
  return bytes;
}

/** The attributes in these bytes, the last of each type; those that lie about their length end the list. */
export function attributes(bytes: Uint8Array): ReadonlyMap<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  each(bytes, (type, value) => void found.set(type, value));
  return found;
}

/** Each attribute in turn, for lists in which one type repeats. */
export function each(bytes: Uint8Array, take: (type: number, value: Uint8Array) => void): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let offset = 0; offset + 4 <= bytes.length; ) {
    const length = view.getUint16(offset, true);
    if (length < 4 || offset + length > bytes.length) return;
    take(view.getUint16(offset + 2, true) & TYPE, bytes.subarray(offset + 4, offset + length));
    offset += (length + 3) & ~3;
  }
}

/** Flags of a request (linux/netlink.h). */
export const NLM_F = {
  request: 1,
  ack: 4,
  dump: 0x300,
  replace: 0x100,
  exclusive: 0x200,
  create: 0x400,
  append: 0x800,
} as const;

/** A message with its netlink header: length, type, flags, sequence (always 1: one request at a time), port id 0. */
export function message(
  type: number,
  flags: number,
  header: Uint8Array,
  list: readonly Uint8Array[],
): Uint8Array {
  const body = concat([header, ...list]);
  const bytes = new Uint8Array(16 + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, 1, true);
  bytes.set(body, 16);
  return bytes;
}

/** A netfilter message (linux/netfilter/nfnetlink.h): family, version 0, resource id 0, then attributes. */
export const netfilterMessage = (
  subsystem: number,
  kind: number,
  flags: number,
  family: number,
  list: readonly Uint8Array[],
): Uint8Array => message((subsystem << 8) | kind, flags, Uint8Array.of(family, 0, 0, 0), list);

/** Attributes of a netfilter message, behind its 4-byte header. */
export const netfilterAttributes = (payload: Uint8Array): ReadonlyMap<number, Uint8Array> =>
  attributes(payload.subarray(4));

/** A number in network order. */
export function big32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** The number in the first bytes, in network order; undefined when there are not as many. */
export function readBig(bytes: Uint8Array | undefined, width: 1 | 2 | 4): number | undefined {
  if (bytes === undefined || bytes.length < width) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return width === 1 ? view.getUint8(0) : width === 2 ? view.getUint16(0) : view.getUint32(0);
}

/** Text with the zero that ends it. */
export function zeroed(text: string): Uint8Array {
  return Uint8Array.from([...text].map(char => char.charCodeAt(0)).concat(0));
}

function concat(list: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(list.reduce((sum, each) => sum + each.length, 0));
  let offset = 0;
  for (const each of list) {
    bytes.set(each, offset);
    offset += each.length;
  }
  return bytes;
}
