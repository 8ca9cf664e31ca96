/**
 * Server cookies as RFC 9018 has them, so that servers that share a secret accept each other's, of whatever make they are.
 *
 *      0        1                 4                8                       16
 *      +--------+-----------------+----------------+------------------------+
 *      | 1      | reserved, 0     | seconds        | SipHash-2-4            |
 *      +--------+-----------------+----------------+------------------------+
 *
 * The hash is over the client's cookie, the first 8 bytes above, and the client's address (§4.4).
 */
import { sipHash } from '../responder/siphash.ts';

/** Bytes of a client's cookie and of this server's; others' may have 8 to 32 (RFC 7873 §4). */
export const CLIENT_COOKIE = 8;
export const SERVER_COOKIE = 16;
const LONGEST_COOKIE = 40;

/** Seconds (RFC 9018 §4.3). */
const OLDEST = 3600;
const YOUNG = 1800;
const AHEAD = 300;

/** Bytes before the hash: the client's cookie, version, reserved, seconds. */
const HEAD = 16;

/** Whether the option's data can be a cookie at all (RFC 7873 §5.2.2). */
export const isCookie = (length: number): boolean =>
  length === CLIENT_COOKIE || (length >= 16 && length <= LONGEST_COOKIE);

export class ServerCookies {
  private readonly secrets: readonly Uint8Array[];
  private readonly input = new Uint8Array(HEAD + 16);
  private readonly input4 = this.input.subarray(0, HEAD + 4);

  /** Secrets of 16 bytes: cookies are made by the first and accepted by all (RFC 9018 §5). */
  constructor(secrets: readonly Uint8Array[]) {
    this.secrets = secrets;
  }

  /**
   * Whether the option's data bytes[at…at+length) has a cookie that one of the secrets gave to this source, not long before `now`, s;
   * a young one may be given back as it is (RFC 9018 §4.3).
   */
  judge(
    bytes: Uint8Array,
    at: number,
    length: number,
    source: Uint8Array,
    sourceAt: number,
    now: number,
  ): 'none' | 'young' | 'old' {
    if (length !== CLIENT_COOKIE + SERVER_COOKIE || bytes[at + 8] !== 1) return 'none';
    const made = (bytes[at + 12]! << 24) | (bytes[at + 13]! << 16) | (bytes[at + 14]! << 8) | bytes[at + 15]!;
    // Serial number arithmetic (RFC 1982): both count seconds modulo 2^32.
    const age = ((now | 0) - made) | 0;
    if (age > OLDEST || age < -AHEAD) return 'none';
    for (let index = 0; index < HEAD; index++) this.input[index] = bytes[at + index]!;
    const input = this.withSource(source, sourceAt);
    const by = this.secrets.findIndex(secret => equal(sipHash(secret, input), bytes, at + HEAD));
    if (by < 0) return 'none';
    return by === 0 && age <= YOUNG ? 'young' : 'old';
  }

  /** Writes the server's cookie for a client's cookie at bytes[at…] into output[to…]: 16 bytes. */
  write(
    bytes: Uint8Array,
    at: number,
    source: Uint8Array,
    sourceAt: number,
    now: number,
    output: Uint8Array,
    to: number,
  ): void {
    const { input } = this;
    for (let index = 0; index < CLIENT_COOKIE; index++) input[index] = bytes[at + index]!;
    input[8] = 1;
    input[9] = input[10] = input[11] = 0;
    for (let index = 0; index < 4; index++) input[12 + index] = now >>> (24 - 8 * index);
    const hash = sipHash(this.secrets[0]!, this.withSource(source, sourceAt));
    for (let index = 0; index < 8; index++) {
      output[to + index] = input[8 + index]!;
      output[to + 8 + index] = hash[index]!;
    }
  }

  /** What is hashed: its head is there, the address follows. */
  private withSource(source: Uint8Array, sourceAt: number): Uint8Array {
    const four = isMapped(source, sourceAt);
    const skipped = four ? 12 : 0;
    for (let index = skipped; index < 16; index++)
      this.input[HEAD + index - skipped] = source[sourceAt + index]!;
    return four ? this.input4 : this.input;
  }
}

/** Whether the 16 bytes of an address are an IPv4 address (RFC 4291 §2.5.5.2). */
export function isMapped(bytes: Uint8Array, at: number): boolean {
  if (bytes[at + 10] !== 0xff || bytes[at + 11] !== 0xff) return false;
  for (let index = 0; index < 10; index++) if (bytes[at + index] !== 0) return false;
  return true;
}

/** In the same time wherever they differ. */
function equal(hash: Uint8Array, bytes: Uint8Array, at: number): boolean {
  let difference = 0;
  for (let index = 0; index < 8; index++) difference |= hash[index]! ^ bytes[at + index]!;
  return difference === 0;
}
