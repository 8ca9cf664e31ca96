/** As little of DNS as it takes to ask for addresses and to read them (RFC 1035 §4): of an answer nothing but A records is looked at. */

const HEADER = 12;
const TYPE_A = 1;
const CLASS_IN = 1;

/** A name as labels with their lengths. */
export const nameOf = (name: string): Buffer =>
  Buffer.concat([
    ...name
      .split('.')
      .filter(label => label !== '')
      .map(label => Buffer.concat([Buffer.of(label.length), Buffer.from(label)])),
    Buffer.of(0),
  ]);

/** A query with one question and nothing else; recursion is not asked for. */
export function queryOf(id: number, name: string, type = TYPE_A, kind = CLASS_IN): Buffer {
  const head = Buffer.alloc(HEADER);
  head.writeUInt16BE(id, 0);
  head.writeUInt16BE(1, 4);
  const tail = Buffer.alloc(4);
  tail.writeUInt16BE(type, 0);
  tail.writeUInt16BE(kind, 2);
  return Buffer.concat([head, nameOf(name), tail]);
}

/** The addresses of an answer's A records, in their order; none for what is no answer. */
export function addressesOf(bytes: Buffer): readonly string[] {
  const found: string[] = [];
  let at = afterName(bytes, HEADER) + 4;
  for (let left = bytes.readUInt16BE(6); left > 0 && at < bytes.length; left--) {
    at = afterName(bytes, at);
    const length = bytes.readUInt16BE(at + 8);
    if (bytes.readUInt16BE(at) === TYPE_A && length === 4)
      found.push(bytes.subarray(at + 10, at + 14).join('.'));
    at += 10 + length;
  }
  return found;
}

/** Where the name that begins at `at` ends. */
function afterName(bytes: Buffer, at: number): number {
  for (let next = at; ; next += bytes[next]! + 1) {
    if (bytes[next] === 0) return next + 1;
    if (bytes[next]! >= 0xc0) return next + 2;
  }
}
