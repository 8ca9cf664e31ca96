/**
 * From a query to the bytes of its answer: one function for UDP and TCP, and for every worker. It copies a finished answer and patches
 * what belongs to the asker; it allocates nothing on the way that most queries take.
 */
import type { Clock, Hmac, Millis, Random } from '../host/ports.ts';
import { Again } from './again.ts';
import type { Book, Entry, Shelf } from './book.ts';
import { isCookie } from './cookies.ts';
import { countRcode, noCounts } from './counters.ts';
import type { FinishedAnswer } from './finish.ts';
import { CLASS_IN, FLAG, HEADER, QTYPE, RCODE, TYPE } from './numbers.ts';
import { Places } from './places.ts';
import { Query, SILENCE } from './query.ts';
import { type RateLimits, type RateVerdict, ResponseRate } from './rate.ts';
import { Reply, type ReplyOptions } from './reply.ts';
import { readSubnet } from './subnet.ts';
import { Tsig, type TsigAsker, type TsigKey } from './tsig.ts';
import type { Place, View } from './view.ts';

export interface AnswererOptions extends ReplyOptions {
  readonly limits: RateLimits;
  /** Keys that queries may be signed with (TSIG); absent: none. */
  readonly keys?: readonly TsigKey[];
}

export interface AnswererDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** Seconds of the wall clock, for cookies alone. */
  readonly seconds: () => number;
  readonly hmac: Hmac;
  readonly book: Book;
  /** Asks for a finished answer that the book has not; undefined: it will come later, and the query is to be answered then. */
  readonly ask: (entry: Entry, shelf: Shelf, place: number, key: Place) => FinishedAnswer | undefined;
}

/** It is not to be answered. */
export const NOTHING_TO_SAY = 0;
/** Its answer was asked for: keep the query and come again. */
export const LATER = -1;

/** What a query for ANY gets (RFC 8482 §4.2): HINFO, TTL one hour, "RFC8482" and "". */
const HINFO = Uint8Array.of(
  ...[0xc0, HEADER, 0, QTYPE.HINFO, 0, CLASS_IN, 0, 0, 0x0e, 0x10, 0, 9],
  ...[7, 0x52, 0x46, 0x43, 0x38, 0x34, 0x38, 0x32, 0],
);

/** What is counted of a reply that is given again; the first: it is not to be given again. */
const OUTCOME = { once: 0, answered: 1, nodata: 2, nxdomain: 3 } as const;

/** Kinds of answers that response rate limiting takes together: any two numbers. */
const KIND = { error: 0x1e3779b9, missing: 0x2545f491 } as const;

export class Answerer {
  readonly counters = noCounts();
  readonly tsig: Tsig;
  private readonly deps: AnswererDeps;
  private readonly limits: RateLimits;
  private readonly query = new Query();
  private readonly reply: Reply;
  private readonly rate: ResponseRate;
  private places = new Places([]);
  private now: Millis = 0;
  private seconds = 0;
  private source: Uint8Array = new Uint8Array(16);
  private sourceAt = 0;
  private stream = false;
  private verdict: RateVerdict = 'send';
  /** The number of the source's place. */
  private here = 0;
  private readonly again = new Again();
  /** Of the book that `again` is from. */
  private edition = 0;
  /** Of the reply in hand: what it is counted as if it may be given again, and its kind. */
  private outcome: number = OUTCOME.once;
  private kind = 0;
  /** The rate has been asked already, and it is too much. */
  private judged = false;

  constructor(deps: AnswererDeps, options: AnswererOptions) {
    this.deps = deps;
    this.limits = options.limits;
    this.tsig = new Tsig(options.keys ?? [], deps.hmac);
    this.rate = new ResponseRate(options.limits, deps.random);
    this.reply = new Reply(this.query, this.counters, options);
  }

  /** Answers kept by the number of a place are of no more use then: the book has to forget them. */
  setTopology(topology: View['topology']): void {
    this.places = new Places(topology);
    this.again.forget();
  }

  /** The number of a place; -1 when the topology has it no more. */
  placeNumber(key: Place): number {
    return this.places.keys.indexOf(key);
  }

  /** Takes the time: once for each batch. */
  begin(): void {
    this.now = this.deps.clock.now();
    this.seconds = this.deps.seconds();
  }

  /**
   * Answers bytes[start…end) from the source whose 16 bytes are at source[sourceAt…], into output[at…] (room for 1232 bytes, or
   * for 65535 with `stream`). Gives the length, NOTHING_TO_SAY or LATER.
   */
  answer(
    bytes: Uint8Array,
    start: number,
    end: number,
    source: Uint8Array,
    sourceAt: number,
    stream: boolean,
    output: Uint8Array,
    at: number,
  ): number {
    const { counters } = this;
    counters.queries++;
    this.source = source;
    this.sourceAt = sourceAt;
    this.stream = stream;
    this.here = this.places.of(source, sourceAt);
    this.judged = false;
    if (stream) return this.answerAnew(bytes, start, end, output, at);
    const { again, here } = this;
    if (this.edition !== this.deps.book.edition) {
      this.edition = this.deps.book.edition;
      again.forget();
    }
    const known = again.find(bytes, start, end, here);
    if (known !== 0 && this.isWithinRate(again.kind(known))) {
      const outcome = again.outcome(known);
      if (outcome === OUTCOME.answered) counters.answered++;
      else if (outcome === OUTCOME.nodata) counters.nodata++;
      else counters.nxdomain++;
      return again.copy(known, bytes, start, output, at);
    }
    this.judged = known !== 0;
    this.outcome = OUTCOME.once;
    const length = this.answerAnew(bytes, start, end, output, at);
    const { outcome } = this;
    if (outcome !== OUTCOME.once && !this.reply.shortened)
      again.keep(bytes, start, end, here, output, at, length, this.kind, outcome);
    return length;
  }

  private answerAnew(bytes: Uint8Array, start: number, end: number, output: Uint8Array, at: number): number {
    const { query, counters, reply, source, sourceAt, stream } = this;
    const rcode = query.read(bytes, start, end);
    if (rcode === SILENCE) {
      counters.ignored++;
      return NOTHING_TO_SAY;
    }
    reply.begin(source, sourceAt, this.seconds, stream, output, at);
    if (rcode !== RCODE.NOERROR && rcode !== RCODE.BADVERS) return this.refuse(rcode);
    if (query.tsigAt < 0) return this.answerQuery(rcode);
    const asker = this.tsig.judge(query, this.seconds);
    return asker === undefined ? this.refuse(RCODE.FORMERR) : this.answerSigned(rcode, asker);
  }

  /** To who signs the answer is signed; to who has not the key it is said so (RFC 8945 §5.2). */
  private answerSigned(rcode: number, asker: TsigAsker): number {
    const { reply } = this;
    reply.reserved = asker.length;
    if (asker.error === 0) reply.proven = true;
    const length = asker.error === 0 ? this.answerQuery(rcode) : this.refuse(RCODE.NOTAUTH);
    return length > 0 ? asker.sign(reply.output, reply.at, length, this.seconds) : length;
  }

  private answerQuery(rcode: number): number {
    const { query, reply } = this;
    if (query.cookieAt >= 0) {
      if (!isCookie(query.cookieLength)) return this.refuse(RCODE.FORMERR);
      reply.readCookie();
    }
    if (query.subnetAt >= 0 && !readSubnet(query, reply.opt.subnet)) return this.refuse(RCODE.FORMERR);
    if (rcode === RCODE.BADVERS || query.nameLength === 0) return this.refuse(rcode);
    return this.answerQuestion();
  }

  private answerQuestion(): number {
    const { type, qclass } = this.query;
    if (qclass !== CLASS_IN) return this.refuse(RCODE.REFUSED);
    // Transfers are not answered by one message (transfer.ts); by UDP there are none (RFC 5936 §4.2).
    if (type === QTYPE.AXFR) return this.refuse(this.stream ? RCODE.REFUSED : RCODE.FORMERR);
    if (type === QTYPE.IXFR && this.stream) return this.refuse(RCODE.REFUSED);
    if (type === QTYPE.OPT || type === QTYPE.TKEY || type === QTYPE.TSIG) return this.refuse(RCODE.FORMERR);
    if (type === QTYPE.MAILA || type === QTYPE.MAILB) return this.refuse(RCODE.NOTIMP);
    const entry = this.deps.book.find(this.query, 0);
    if (entry === undefined) return this.answerMissing();
    const isApex = entry.name === entry.zone.apex;
    // Who asks for changes by UDP is told the newest serial number, and comes by TCP if he has an older one (RFC 1995 §2).
    if (isApex && (type === TYPE.SOA || type === QTYPE.IXFR)) return this.answerSoa(entry);
    if (type === QTYPE.ANY && entry.types.length > 0) return this.answerAny();
    return this.answerType(entry, type);
  }

  private answerType(entry: Entry, type: number): number {
    const { book, ask } = this.deps;
    const shelf = book.shelf(entry, type);
    if (shelf === undefined) return this.absent(entry, 0, RCODE.NOERROR);
    let answer = shelf.everywhere;
    if (answer === undefined) {
      const place = this.place();
      answer = shelf.byPlace[place];
      if (answer === undefined) {
        answer = ask(entry, shelf, place, this.places.keys[place] ?? '');
        if (answer === undefined) {
          this.counters.waited++;
          return LATER;
        }
        book.keep(entry, shelf, place, answer);
      }
      if (!answer.scoped) this.reply.opt.scope = 0;
    }
    const kind = this.query.hashes[0]! ^ type;
    if (!this.mayAnswer(kind)) return this.limited();
    this.counters.answered++;
    this.mayRepeat(OUTCOME.answered, kind);
    return this.reply.copy(answer);
  }

  /** The number of the asker's place: of the subnet that he asks for, else of himself. */
  private place(): number {
    const { places, query } = this;
    const { opt } = this.reply;
    const { family, bits } = opt.subnet;
    if (bits === 0) return this.here;
    const place = places.find(query.bytes, query.subnetAt + 4, family, bits);
    opt.scope = places.scope;
    return place;
  }

  /** The reply in hand depends on nothing but its query and `here`, unless it has something of its asker's own. */
  private mayRepeat(outcome: number, kind: number): void {
    const { cookieAt, tsigAt } = this.query;
    this.outcome = cookieAt < 0 && tsigAt < 0 ? outcome : OUTCOME.once;
    this.kind = kind;
  }

  /** There is no such name: below which one that there is? */
  private answerMissing(): number {
    const { query } = this;
    for (let label = 1; label <= query.labels; label++) {
      const entry = this.deps.book.find(query, label);
      if (entry !== undefined) return this.absent(entry, label, RCODE.NXDOMAIN);
    }
    return this.refuse(RCODE.REFUSED);
  }

  /** NXDOMAIN or NODATA, with the zone's SOA (RFC 2308 §2). The query has the name of `entry` from its label `from` on. */
  private absent(entry: Entry, from: number, rcode: number): number {
    if (!this.mayAnswer(KIND.missing)) return this.limited();
    if (rcode === RCODE.NXDOMAIN) this.counters.nxdomain++;
    else this.counters.nodata++;
    this.mayRepeat(rcode === RCODE.NXDOMAIN ? OUTCOME.nxdomain : OUTCOME.nodata, KIND.missing);
    const { reply } = this;
    const end = reply.question();
    const length = entry.zone.writeSoa(reply.output, reply.at + end, this.apexAt(entry, from), true);
    reply.head(FLAG.AA, rcode, 0, 1);
    return reply.close(end + length, rcode);
  }

  private answerSoa(entry: Entry): number {
    if (!this.mayAnswer(this.query.hashes[0]! ^ TYPE.SOA)) return this.limited();
    this.counters.answered++;
    const { reply } = this;
    const end = reply.question();
    const length = entry.zone.writeSoa(reply.output, reply.at + end, this.apexAt(entry, 0), false);
    reply.head(FLAG.AA, RCODE.NOERROR, 1, 0);
    return reply.close(end + length);
  }

  private answerAny(): number {
    if (!this.mayAnswer(this.query.hashes[0]! ^ QTYPE.ANY)) return this.limited();
    this.counters.answered++;
    const { reply } = this;
    const end = reply.question();
    reply.output.set(HINFO, reply.at + end);
    reply.head(FLAG.AA, RCODE.NOERROR, 1, 0);
    return reply.close(end + HINFO.length);
  }

  /** Where in the query's name the apex begins. */
  private apexAt({ wire, zone }: Entry, from: number): number {
    const apexBytes = zone.apex === '' ? 1 : zone.apex.length + 2;
    return this.query.labelAt[from]! + wire.length - apexBytes;
  }

  private mayAnswer(kind: number): boolean {
    if (this.judged) return false;
    return this.reply.proven || this.isWithinRate(kind);
  }

  private isWithinRate(kind: number): boolean {
    if (this.limits.rate === 0) return true;
    this.verdict = this.rate.judge(kind, this.source, this.sourceAt, this.now);
    return this.verdict === 'send';
  }

  private limited(): number {
    if (this.verdict === 'drop') {
      this.counters.dropped++;
      return NOTHING_TO_SAY;
    }
    this.counters.slipped++;
    this.reply.question();
    return this.reply.truncate(0);
  }

  /** An answer without records; without a question either, when that was not understood. */
  private refuse(rcode: number): number {
    if (!this.mayAnswer(KIND.error)) return this.limited();
    countRcode(this.counters, rcode);
    // Options that may be malformed are not given back.
    if (rcode === RCODE.FORMERR || rcode === RCODE.NOTAUTH) this.query.cookieAt = this.query.subnetAt = -1;
    const end = this.reply.question();
    this.reply.head(0, rcode, 0, 0);
    return this.reply.close(end, rcode);
  }
}
