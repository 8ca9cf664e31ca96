/**
 * The OPT record of an answer (RFC 6891 §6.1.2), with the options that were asked for.
 */
import { CLIENT_COOKIE, SERVER_COOKIE, type ServerCookies } from './cookies.ts';
import { LARGEST_DATAGRAM, OPTION, QTYPE } from './numbers.ts';
import type { Query } from './query.ts';
import type { Subnet } from './subnet.ts';

/** Owner, type, UDP size, extended RCODE, version, flags, length of the data. */
const OPT_BYTES = 11;
const OPTION_HEAD = 4;
const COOKIE_BYTES = OPTION_HEAD + CLIENT_COOKIE + SERVER_COOKIE;

export class OptWriter {
  /** The client's subnet, and how many bits of it decided (RFC 7871 §7.2.1). */
  readonly subnet: Subnet = { family: 4, bits: 0 };
  scope = 0;
  /** Left out first when room is short. */
  nsidWanted = true;
  /** The query's cookie is given back as it is. */
  private young = false;
  private readonly cookies: ServerCookies;
  private readonly nsid: Uint8Array;

  constructor(cookies: ServerCookies, nsid: Uint8Array) {
    this.cookies = cookies;
    this.nsid = nsid;
  }

  /** For the next query. */
  reset(): void {
    this.subnet.bits = 0;
    this.scope = 0;
    this.nsidWanted = true;
    this.young = false;
  }

  /** Whether the query's cookie proves its source. */
  readCookie(query: Query, source: Uint8Array, sourceAt: number, now: number): boolean {
    const { bytes, cookieAt, cookieLength } = query;
    const verdict = this.cookies.judge(bytes, cookieAt, cookieLength, source, sourceAt, now);
    this.young = verdict === 'young';
    return verdict !== 'none';
  }

  /** Bytes that `write` will write. */
  length(query: Query): number {
    if (!query.edns) return 0;
    let length = OPT_BYTES;
    if (this.tellsNsid(query)) length += OPTION_HEAD + this.nsid.length;
    if (query.subnetAt >= 0) length += OPTION_HEAD + query.subnetLength;
    if (query.cookieAt >= 0) length += COOKIE_BYTES;
    return length;
  }

  /** Writes it at output[at…]; gives its length. Z bits are never copied, DO is (RFC 3225 §3). */
  write(
    output: Uint8Array,
    at: number,
    query: Query,
    source: Uint8Array,
    sourceAt: number,
    now: number,
    rcode: number,
  ): number {
    output[at] = 0;
    output[at + 1] = 0;
    output[at + 2] = QTYPE.OPT;
    output[at + 3] = LARGEST_DATAGRAM >> 8;
    output[at + 4] = LARGEST_DATAGRAM & 255;
    output[at + 5] = rcode >> 4;
    output[at + 6] = 0;
    output[at + 7] = query.dnssecOk ? 0x80 : 0;
    output[at + 8] = 0;
    let next = at + OPT_BYTES;
    if (this.tellsNsid(query)) {
      next = option(output, next, OPTION.NSID, this.nsid.length);
      output.set(this.nsid, next);
      next += this.nsid.length;
    }
    if (query.subnetAt >= 0) {
      next = option(output, next, OPTION.ECS, query.subnetLength);
      for (let index = 0; index < query.subnetLength; index++)
        output[next + index] = query.bytes[query.subnetAt + index]!;
      output[next + 3] = this.scope;
      next += query.subnetLength;
    }
    if (query.cookieAt >= 0) {
      next = option(output, next, OPTION.COOKIE, CLIENT_COOKIE + SERVER_COOKIE);
      const same = CLIENT_COOKIE + (this.young ? SERVER_COOKIE : 0);
      for (let index = 0; index < same; index++) output[next + index] = query.bytes[query.cookieAt + index]!;
      next += CLIENT_COOKIE;
      if (!this.young) this.cookies.write(query.bytes, query.cookieAt, source, sourceAt, now, output, next);
      next += SERVER_COOKIE;
    }
    const data = next - at - OPT_BYTES;
    output[at + 9] = data >> 8;
    output[at + 10] = data & 255;
    return next - at;
  }

  private tellsNsid(query: Query): boolean {
    return query.nsid && this.nsidWanted && this.nsid.length > 0;
  }
}

/** Writes an option's head; gives where its data begin. */
function option(output: Uint8Array, at: number, code: number, length: number): number {
  output[at] = 0;
  output[at + 1] = code;
  output[at + 2] = length >> 8;
  output[at + 3] = length & 255;
  return at + OPTION_HEAD;
}
