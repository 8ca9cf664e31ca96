/**
 * The little of DNS that a check needs (RFC 1035 §4): one question, and whether a message answers it.
 *
 *      0  ID          2  QR Opcode AA TC RD | RA Z RCODE      4  QDCOUNT   6  ANCOUNT   8  NSCOUNT   10  ARCOUNT
 *     12  QNAME (labels, ends with 0)   QTYPE   QCLASS        then the answers: NAME TYPE CLASS TTL RDLENGTH RDATA
 */

const HEADER = 12;
const TYPE_A = 1;
const CLASS_IN = 1;
const RECURSION_DESIRED = 0x0100;
const RESPONSE = 0x8000;
const OPCODE = 0x7800;

/** RFC 1035 §4.1.1, RFC 6895 §2.3. */
const RCODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];

/** A query for the A record of `name`; undefined if that is no domain name (labels of 1…63, at most 255 bytes in all). */
export function encodeDnsQuery(id: number, name: string): Uint8Array | undefined {
  const labels = name.replace(/\.$/, '').split('.');
  const bytes = new Uint8Array(HEADER + 255 + 4);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, id);
  view.setUint16(2, RECURSION_DESIRED);
  view.setUint16(4, 1);
  let at = HEADER;
  for (const label of labels) {
    if (!/^[\x21-\x7e]{1,63}$/.test(label) || at + label.length + 2 > HEADER + 255) return undefined;
    bytes[at++] = label.length;
    for (let index = 0; index < label.length; index++) bytes[at++] = label.charCodeAt(index);
  }
  bytes[at++] = 0;
  view.setUint16(at, TYPE_A);
  view.setUint16(at + 2, CLASS_IN);
  return bytes.subarray(0, at + 4);
}

/**
 * What an answer to `query` says. `foreign`: not an answer to it at all (another id, another question). `malformed`: it is,
 * but its records cannot be read.
 */
export type DnsAnswer =
  | { readonly kind: 'foreign'; readonly why: string }
  | { readonly kind: 'malformed'; readonly why: string }
  | { readonly kind: 'answer'; readonly rcode: string; readonly answers: number };

/** Reads a message of any bytes whatever. Of the records, as many as the header counts are walked, and each must be whole. */
export function decodeDnsAnswer(query: Uint8Array, bytes: Uint8Array): DnsAnswer {
  const foreign = (why: string): DnsAnswer => ({ kind: 'foreign', why });
  if (bytes.length < HEADER) return foreign('a message that is too short for DNS');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes[0] !== query[0] || bytes[1] !== query[1]) return foreign('a message with another id');
  const flags = view.getUint16(2);
  if ((flags & RESPONSE) === 0) return foreign('a query instead of an answer');
  if ((flags & OPCODE) !== 0) return foreign('an answer to another kind of query');
  const rcode = RCODES[flags & 15] ?? `RCODE ${flags & 15}`;
  const questions = view.getUint16(4);
  // A server that could not read the question, or does not want to, may leave it out.
  if (questions === 0 && rcode !== 'NOERROR') return { kind: 'answer', rcode, answers: 0 };
  if (questions !== 1 || !sameQuestion(query, bytes)) return foreign('the answer to another question');
  let at: number | undefined = query.length;
  const answers = view.getUint16(6);
  for (let record = 0; record < answers; record++) {
    at = skipRecord(view, at);
    if (at === undefined) return { kind: 'malformed', why: `its answer record ${record + 1} is cut off` };
  }
  return { kind: 'answer', rcode, answers };
}

/** Names compare without regard to case (RFC 1035 §2.3.3); servers echo the question without compression. */
function sameQuestion(query: Uint8Array, bytes: Uint8Array): boolean {
  if (bytes.length < query.length) return false;
  for (let at = HEADER; at < query.length; at++) if (lower(query[at]!) !== lower(bytes[at]!)) return false;
  return true;
}

/** Length octets are below 64, so folding every octet changes none of them into another's. */
const lower = (byte: number): number => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte);

/** Where the record after the one at `at` begins. */
function skipRecord(view: DataView, at: number): number | undefined {
  const afterName = skipName(view, at);
  if (afterName === undefined || afterName + 10 > view.byteLength) return undefined;
  const end = afterName + 10 + view.getUint16(afterName + 8);
  return end > view.byteLength ? undefined : end;
}

/** A pointer ends a name (RFC 1035 §4.1.4) and is not followed: only its length matters here. */
function skipName(view: DataView, start: number): number | undefined {
  let at = start;
  while (at < view.byteLength && at - start <= 255) {
    const length = view.getUint8(at);
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2;
    if (length > 63) return undefined;
    at += 1 + length;
  }
  return undefined;
}
