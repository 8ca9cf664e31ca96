/**
 * The reply to the query in hand, written in place: header, question as it was asked, records, OPT; and how much of it its asker may get.
 */
import { ServerCookies } from './cookies.ts';
import { countRcode, type DnsCounts } from './counters.ts';
import type { FinishedAnswer } from './finish.ts';
import { FLAG, HEADER, LARGEST_DATAGRAM, RCODE, SMALLEST_DATAGRAM } from './numbers.ts';
import { OptWriter } from './opt.ts';
import type { Query } from './query.ts';
import { LARGEST_MESSAGE } from './writer.ts';

const OPCODE_BITS = 0x7800;

export interface ReplyOptions {
  /** Secrets of 16 bytes (cookies.ts). */
  readonly secrets: readonly Uint8Array[];
  /** What this server calls itself when asked (RFC 5001); empty: nothing. At most 64 bytes. */
  readonly nsid: Uint8Array;
  /**
   * The answer to an unproven source stays below so many times the bytes of the query. Messages are compared: with the headers of UDP and IP,
   * which both sides have, the factor is less.
   */
  readonly amplification: number;
}

/** Offsets and lengths of messages are from the message's start, `at`. */
export class Reply {
  readonly opt: OptWriter;
  /** Room for the reply, and where in it it begins. */
  output: Uint8Array = new Uint8Array(0);
  at = 0;
  /** Whether the asker is where he says: by TCP, by his cookie, or by a signature. */
  proven = false;
  /** Something had no room in it. */
  shortened = false;
  /** Bytes that are left for a signature. */
  reserved = 0;
  private stream = false;
  private source: Uint8Array = new Uint8Array(16);
  private sourceAt = 0;
  private seconds = 0;
  private readonly query: Query;
  private readonly counters: DnsCounts;
  private readonly amplification: number;

  constructor(query: Query, counters: DnsCounts, options: ReplyOptions) {
    this.query = query;
    this.counters = counters;
    this.amplification = options.amplification;
    this.opt = new OptWriter(new ServerCookies(options.secrets), options.nsid);
  }

  /** For the next query. */
  begin(
    source: Uint8Array,
    sourceAt: number,
    seconds: number,
    stream: boolean,
    output: Uint8Array,
    at: number,
  ): void {
    this.source = source;
    this.sourceAt = sourceAt;
    this.seconds = seconds;
    this.stream = stream;
    this.proven = stream;
    this.shortened = false;
    this.reserved = 0;
    this.output = output;
    this.at = at;
    this.opt.reset();
  }

  /** Takes the query's cookie into account. */
  readCookie(): void {
    if (this.opt.readCookie(this.query, this.source, this.sourceAt, this.seconds)) this.proven = true;
  }

  /** Copies the ID and the question, as the asker wrote it; gives where it ends. */
  question(): number {
    const { query, output, at } = this;
    const { bytes, start } = query;
    output[at] = bytes[start]!;
    output[at + 1] = bytes[start + 1]!;
    const end = this.questionEnd();
    for (let index = HEADER; index < end; index++) output[at + index] = bytes[start + index]!;
    return end;
  }

  /** Writes flags and counts. */
  head(flags: number, rcode: number, answers: number, authorities: number): void {
    const { query, output, at } = this;
    output[at + 2] = (FLAG.QR | flags | (query.flags & (FLAG.RD | OPCODE_BITS))) >> 8;
    output[at + 3] = rcode & 15;
    output.fill(0, at + 4, at + HEADER);
    output[at + 5] = query.nameLength === 0 ? 0 : 1;
    output[at + 7] = answers;
    output[at + 9] = authorities;
  }

  /** A finished answer, patched. Gives its length. */
  copy({ bytes, core }: FinishedAnswer): number {
    const { query, output, at } = this;
    const whole = this.fits(bytes.length);
    const length = whole ? bytes.length : core;
    const end = this.question();
    if (!whole && !this.fits(core)) return this.cut(bytes[3]! & 15);
    for (let index = end; index < length; index++) output[at + index] = bytes[index]!;
    output[at + 2] = bytes[2]! | ((query.flags >> 8) & 1);
    for (let index = 3; index < HEADER; index++) output[at + index] = bytes[index]!;
    if (!whole) output[at + 10] = output[at + 11] = 0;
    return this.append(length, RCODE.NOERROR);
  }

  /** Ends a reply of so many bytes that has its head and its question: with its OPT record, or cut. Gives its length. */
  close(length: number, rcode: number = RCODE.NOERROR): number {
    return this.fits(length) || length === this.questionEnd() ? this.append(length, rcode) : this.cut(rcode);
  }

  /** An empty reply that says: by TCP there is more. Its question is written. Gives its length. */
  truncate(flags: number, rcode: number = RCODE.NOERROR): number {
    this.counters.truncated++;
    this.shortened = true;
    this.head(flags | FLAG.TC, rcode, 0, 0);
    const end = this.questionEnd();
    // The NSID goes if even that is too much.
    this.fits(end);
    return this.append(end, rcode);
  }

  private questionEnd(): number {
    const { nameLength } = this.query;
    return nameLength === 0 ? HEADER : HEADER + nameLength + 4;
  }

  /** Whether the asker may get so many bytes and an OPT record. Only the NSID in it is as long as we like: it goes first. */
  private fits(length: number): boolean {
    const limit = this.limit();
    if (length + this.opt.length(this.query) <= limit) return true;
    this.opt.nsidWanted = false;
    return length + this.opt.length(this.query) <= limit;
  }

  /**
   * The answer has no room. Who showed half a cookie gets the other half, and then needs no TCP (RFC 7873 §5.2.3); others are told to come
   * by TCP, and at once that there is no such name: only the SOA record is then missing, by which that may be remembered (RFC 2308 §5).
   */
  private cut(rcode: number): number {
    if (this.proven || this.query.cookieAt < 0) return this.truncate(FLAG.AA, rcode);
    countRcode(this.counters, RCODE.BADCOOKIE);
    this.shortened = true;
    this.head(0, RCODE.BADCOOKIE, 0, 0);
    return this.append(this.questionEnd(), RCODE.BADCOOKIE);
  }

  /** What the reply may have at most, its OPT record counted. */
  private limit(): number {
    const { query, reserved } = this;
    if (this.stream) return LARGEST_MESSAGE - reserved;
    const said = query.edns ? Math.max(SMALLEST_DATAGRAM, query.udpSize) : SMALLEST_DATAGRAM;
    const limit = Math.min(said, LARGEST_DATAGRAM) - reserved;
    if (this.proven) return limit;
    return Math.min(limit, Math.ceil((query.end - query.start) * this.amplification) - 1 - reserved);
  }

  private append(length: number, rcode: number): number {
    const { output, at, query } = this;
    if (!query.edns) return length;
    output[at + 11]!++;
    if (output[at + 11] === 0) output[at + 10]!++;
    const { source, sourceAt, seconds } = this;
    return length + this.opt.write(output, at + length, query, source, sourceAt, seconds, rcode);
  }
}
