/**
 * Reads a query. It is made once and filled again for each datagram, so that nothing is left for the garbage collector; offsets are into
 * the bytes that were read. No pointer is ever followed, so nothing can loop; all counts are bounded by the bytes that are there.
 *
 * RFC 1035 §4.1: a 12-byte header (ID, flags, four counts), the question (QNAME, QTYPE, QCLASS), then records, of which only OPT
 * (RFC 6891 §6.1.2) matters: root name, type 41, class = the sender's UDP size, TTL = extended RCODE | version | DO | Z, RDATA = options.
 */
import { MOST_LABELS, MOST_NAME_BYTES } from './names.ts';
import { HEADER, OPCODE, OPTION, QTYPE, RCODE, TYPE } from './numbers.ts';

/** Not to be answered: too short for a header, or itself an answer (else two servers could talk for ever). */
export const SILENCE = -1;

/** FNV-1a's, over the bytes of a name from its end to its start, in lower case. */
const HASH_START = 0x811c9dc5 | 0;
const HASH_PRIME = 0x01000193;

/** The byte in lower case, were it a letter of a label. Lengths of labels are no letters. */
export const folded = (byte: number): number => (byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte);

export class Query {
  bytes: Uint8Array = new Uint8Array(0);
  /** Where the message begins and ends. */
  start = 0;
  end = 0;
  /** The header's second 16 bits. */
  flags = 0;
  opcode = 0;
  /** The question's name with the zero at its end begins 12 bytes after `start`; 0 bytes: there is no question. */
  nameLength = 0;
  type = 0;
  qclass = 0;
  /** Labels of the name, the root's not counted; where each begins, from the start of the name; and the hash from there to the end. */
  labels = 0;
  readonly labelAt = new Uint8Array(MOST_LABELS + 1);
  readonly hashes = new Int32Array(MOST_LABELS + 1);
  /** Whether there is an OPT record, and what it says. */
  edns = false;
  version = 0;
  udpSize = 0;
  dnssecOk = false;
  nsid = false;
  /** Offset and length of the data of the first option of its kind; -1: not there. */
  cookieAt = -1;
  cookieLength = 0;
  subnetAt = -1;
  subnetLength = 0;
  /** Offset of the serial number in the SOA record by which IXFR says what its asker has (RFC 1995 §3); -1: not there. */
  serialAt = -1;
  /** Offset of the TSIG record, the last of the message; -1: not signed. */
  tsigAt = -1;

  /** Reads bytes[start…end). Gives the RCODE that it deserves so far, or SILENCE. */
  read(bytes: Uint8Array, start: number, end: number): number {
    this.clear(bytes, start, end);
    if (end - start < HEADER) return SILENCE;
    this.flags = (bytes[start + 2]! << 8) | bytes[start + 3]!;
    if (this.flags & 0x8000) return SILENCE;
    this.opcode = (this.flags >> 11) & 15;
    if (this.opcode !== OPCODE.QUERY) return this.readOther();
    const answers = this.count(6);
    const authorities = this.count(8);
    if (answers !== 0 || !this.readSections()) return RCODE.FORMERR;
    // Only who asks for what has changed says from where on (RFC 1995 §3).
    if (authorities > (this.type === QTYPE.IXFR ? 1 : 0)) return RCODE.FORMERR;
    // An empty question is how a cookie alone is asked for (RFC 7873 §5.4).
    if (this.nameLength === 0 && this.cookieAt < 0) return RCODE.FORMERR;
    return this.edns && this.version !== 0 ? RCODE.BADVERS : RCODE.NOERROR;
  }

  /** Another operation is not done, but may be laid out alike; and to whom OPT is known it is given back (RFC 6891 §6.1.1), without options. */
  private readOther(): number {
    const { bytes, start, end, flags, opcode } = this;
    if (!this.readSections()) {
      this.clear(bytes, start, end);
      this.flags = flags;
      this.opcode = opcode;
    }
    this.cookieAt = this.subnetAt = this.tsigAt = -1;
    this.nsid = false;
    return opcode === OPCODE.UPDATE ? RCODE.REFUSED : RCODE.NOTIMP;
  }

  /** One of the header's four counts, by its offset. */
  private count(at: number): number {
    return (this.bytes[this.start + at]! << 8) | this.bytes[this.start + at + 1]!;
  }

  /** Reads what is behind the header; false when it is not as it should be. */
  private readSections(): boolean {
    const questions = this.count(4);
    if (questions > 1) return false;
    let at = this.start + HEADER;
    if (questions === 1) at = this.readQuestion(at);
    const others = this.count(6) + this.count(8);
    const records = others + this.count(10);
    for (let record = 0; at >= 0 && record < records; record++) at = this.readRecord(at, record >= others);
    return at === this.end;
  }

  private clear(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.flags = 0;
    this.opcode = 0;
    this.nameLength = 0;
    this.labels = 0;
    this.type = 0;
    this.qclass = 0;
    this.edns = false;
    this.version = 0;
    this.udpSize = 0;
    this.dnssecOk = false;
    this.nsid = false;
    this.cookieAt = -1;
    this.cookieLength = 0;
    this.subnetAt = -1;
    this.subnetLength = 0;
    this.serialAt = -1;
    this.tsigAt = -1;
  }

  /** Gives where the question ends, or -1. A pointer in it could only point into the header: it is refused like any bad length. */
  private readQuestion(at: number): number {
    const { bytes, end, labelAt, hashes } = this;
    let next = at;
    let labels = 0;
    for (;;) {
      if (next >= end) return -1;
      const length = bytes[next]!;
      if (length === 0) break;
      if (length > 63 || next - at + length + 2 > MOST_NAME_BYTES) return -1;
      labelAt[labels++] = next - at;
      next += length + 1;
    }
    if (next + 5 > end) return -1;
    this.nameLength = next + 1 - at;
    this.labels = labels;
    labelAt[labels] = next - at;
    let hash = HASH_START;
    hashes[labels] = hash;
    let byte = next - 1;
    for (let label = labels - 1; label >= 0; label--) {
      for (const first = at + labelAt[label]!; byte >= first; byte--)
        hash = Math.imul(hash ^ folded(bytes[byte]!), HASH_PRIME);
      hashes[label] = hash;
    }
    this.type = (bytes[next + 1]! << 8) | bytes[next + 2]!;
    this.qclass = (bytes[next + 3]! << 8) | bytes[next + 4]!;
    return next + 5;
  }

  /** Gives where the record ends, or -1. */
  private readRecord(at: number, additional: boolean): number {
    const { bytes, end } = this;
    // A signature is behind all that it signs (RFC 8945 §5.1).
    if (this.tsigAt >= 0) return -1;
    let next = at;
    for (;;) {
      if (next >= end) return -1;
      const length = bytes[next]!;
      if (length >= 0xc0) next++;
      if (length === 0 || length >= 0xc0) break;
      if (length > 63) return -1;
      next += length + 1;
    }
    next++;
    if (next + 10 > end) return -1;
    const dataLength = (bytes[next + 8]! << 8) | bytes[next + 9]!;
    const dataEnd = next + 10 + dataLength;
    if (dataEnd > end) return -1;
    const type = (bytes[next]! << 8) | bytes[next + 1]!;
    // Two names of at least a byte, and five numbers (RFC 1035 §3.3.13).
    if (!additional && type === TYPE.SOA && dataLength >= 22) this.serialAt = dataEnd - 20;
    if (type === QTYPE.TSIG) {
      if (!additional) return -1;
      this.tsigAt = at;
    }
    if (type !== QTYPE.OPT) return dataEnd;
    // RFC 6891 §6.1.1: one OPT record at most, of the root.
    if (!additional || this.edns || next !== at + 1) return -1;
    this.edns = true;
    this.udpSize = (bytes[next + 2]! << 8) | bytes[next + 3]!;
    this.version = bytes[next + 5]!;
    this.dnssecOk = bytes[next + 6]! >= 0x80;
    return this.readOptions(next + 10, dataEnd) ? dataEnd : -1;
  }

  /** RFC 6891 §6.1.2: code, length, data. Those that are not known are passed over. */
  private readOptions(at: number, end: number): boolean {
    const { bytes } = this;
    let next = at;
    while (next < end) {
      if (next + 4 > end) return false;
      const code = (bytes[next]! << 8) | bytes[next + 1]!;
      const length = (bytes[next + 2]! << 8) | bytes[next + 3]!;
      next += 4;
      if (next + length > end) return false;
      if (code === OPTION.NSID) this.nsid = true;
      else if (code === OPTION.COOKIE && this.cookieAt < 0) {
        this.cookieAt = next;
        this.cookieLength = length;
      } else if (code === OPTION.ECS && this.subnetAt < 0) {
        this.subnetAt = next;
        this.subnetLength = length;
      }
      next += length;
    }
    return true;
  }
}

/** The hash of a whole name in wire form, in lower case: as Query has it for the first of its `hashes`. */
export function hashName(wire: Uint8Array): number {
  let hash = HASH_START;
  for (let byte = wire.length - 2; byte >= 0; byte--) hash = Math.imul(hash ^ wire[byte]!, HASH_PRIME);
  return hash;
}
