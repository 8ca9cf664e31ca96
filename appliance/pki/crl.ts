/**
 * The mission's list of revoked certificates (RFC 5280 §5.1), read strictly. Pure.
 *
 *     CertificateList SEQUENCE ── TBSCertList SEQUENCE ── version?, signature, issuer, thisUpdate, nextUpdate?,
 *                              │                          revokedCertificates? SEQUENCE OF SEQUENCE { serial, date, extensions? }, …
 *                              ├─ signatureAlgorithm SEQUENCE
 *                              └─ signatureValue BIT STRING
 *
 * Its dates are not looked at: nodes in the field often have no right clock, and a list that is old is better than none.
 */
import type { Verify } from '../host/ports.ts';

/** A list that is longer (bytes of PEM) is refused unread: 100,000 certificates take 5 MB. */
const LONGEST = 16 * 1024 * 1024;
const TAG = { integer: 0x02, bits: 0x03, utcTime: 0x17, time: 0x18, sequence: 0x30 } as const;

/**
 * The serial numbers on it, as `canonicalSerial` writes them. Throws an Error that says what is wrong, also when the list was not signed
 * by the key `authority` (the DER of its SPKI).
 */
export function readRevoked(pem: string, authority: Uint8Array, verify: Verify): ReadonlySet<string> {
  const list = new Der(derOf(pem)).only(TAG.sequence);
  const signed = list.whole(TAG.sequence);
  list.take(TAG.sequence);
  const signature = list.take(TAG.bits);
  // The first byte of a BIT STRING counts the bits that are not used.
  if (!verify(authority, signed, signature.subarray(1)))
    throw new Error("it is not signed by this mission's authority");
  const body = new Der(signed).only(TAG.sequence);
  body.maybe(TAG.integer);
  body.take(TAG.sequence);
  body.take(TAG.sequence);
  body.time();
  if (body.next === TAG.utcTime || body.next === TAG.time) body.time();
  const serials = new Set<string>();
  if (body.next !== TAG.sequence) return serials;
  const entries = new Der(body.take(TAG.sequence));
  while (entries.next !== undefined) {
    const serial = new Der(entries.take(TAG.sequence)).take(TAG.integer);
    serials.add(canonicalSerial(Array.from(serial, byte => byte.toString(16).padStart(2, '0')).join('')));
  }
  return serials;
}

/** A serial number in hex, however it is written: capitals, no leading zeros. */
export const canonicalSerial = (hex: string): string => hex.toUpperCase().replace(/^0+(?=.)/, '');

function derOf(pem: string): Uint8Array {
  const [, base64] = /-----BEGIN X509 CRL-----([A-Za-z0-9+/=\s]+)-----END X509 CRL-----/.exec(pem) ?? [];
  if (pem.length > LONGEST || base64 === undefined)
    throw new Error("it is no list of revoked certificates in PEM, as 'bivouac pki revoke' makes it");
  try {
    return Uint8Array.from(atob(base64.replace(/\s/g, '')), char => char.charCodeAt(0));
  } catch {
    throw new Error('it is damaged: its text is not base64');
  }
}

/** DER (X.690 §10), one value after another. */
class Der {
  private readonly bytes: Uint8Array;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** The tag of the next value; undefined at the end. */
  get next(): number | undefined {
    return this.bytes[this.at];
  }

  /** The contents of the next value, which must have this tag. */
  take(tag: number): Uint8Array {
    const { from, to } = this.header(tag);
    this.at = to;
    return this.bytes.subarray(from, to);
  }

  /** The next value with its header. */
  whole(tag: number): Uint8Array {
    const begin = this.at;
    this.at = this.header(tag).to;
    return this.bytes.subarray(begin, this.at);
  }

  maybe(tag: number): void {
    if (this.next === tag) this.take(tag);
  }

  time(): void {
    this.take(this.next === TAG.utcTime ? TAG.utcTime : TAG.time);
  }

  /** What is in the one value that there is. */
  only(tag: number): Der {
    const inside = new Der(this.take(tag));
    if (this.next !== undefined) throw damaged();
    return inside;
  }

  private header(tag: number): { readonly from: number; readonly to: number } {
    const { bytes, at } = this;
    let length = bytes[at + 1];
    let from = at + 2;
    if (bytes[at] !== tag || length === undefined) throw damaged();
    if (length >= 0x80) {
      const width = length & 0x7f;
      if (width === 0 || width > 4) throw damaged();
      length = 0;
      for (let index = 0; index < width; index++) length = length * 256 + (bytes[from++] ?? Number.NaN);
    }
    const to = from + length;
    if (!(to <= bytes.length)) throw damaged();
    return { from, to };
  }
}

const damaged = (): Error => new Error('it is damaged: its structure is not that of RFC 5280');
