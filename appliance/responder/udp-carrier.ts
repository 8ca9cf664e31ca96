/**
 * Anycast ARP over UDP (docs/protocol.md §7): who is answered at once, who must show a cookie first, and who not at all.
 * The rule above all: an address that is not proven never gets more bytes than came from it.
 */
import type { Address } from '../../sdk/wire/address.ts';
import { isQuery, nonceOf, queryCookie, SAFE_DATAGRAM } from '../../sdk/wire/answer.ts';
import type { Clock } from '../host/ports.ts';
import { type Answers, cookieMessage, type Reply } from './answers.ts';
import type { Cookies } from './cookies.ts';
import type { ResponderCounters } from './counters.ts';
import { QueryCache } from './query-cache.ts';
import { SourceLimits } from './source-limits.ts';

/** A source that has proven its address may ask so many times as often. */
const PROVEN = 16;

export interface UdpCarrierOptions {
  readonly clock: Clock;
  readonly answers: Answers;
  readonly cookies: Cookies;
  /** Queries a second that an unproven source may send. */
  readonly rate: number;
  readonly counters: ResponderCounters;
  readonly onFull: () => void;
}

/** Gives back one datagram; the carrier must not change `bytes` afterwards. */
export type SendBack = (bytes: Uint8Array) => void;

export class UdpCarrier {
  private readonly options: UdpCarrierOptions;
  private readonly unproven: SourceLimits<Address>;
  private readonly proven: SourceLimits<Address>;
  private readonly cache = new QueryCache<Reply>();

  constructor(options: UdpCarrierOptions) {
    this.options = options;
    this.unproven = new SourceLimits(options.clock, options.rate, options.onFull);
    this.proven = new SourceLimits(options.clock, options.rate * PROVEN, options.onFull);
  }

  /** What was answered before is void: the directory is another. */
  forget(): void {
    this.cache.clear();
  }

  /** One datagram that is not a solicitation. Never throws for what it holds. */
  receive(query: Uint8Array, source: Address, send: SendBack): void {
    const { counters, cookies } = this.options;
    if (!isQuery(query)) {
      counters.udp['not-a-query']++;
      return;
    }
    const shown = queryCookie(query);
    const proven = shown !== undefined && cookies.valid(shown, source);
    if (!(proven ? this.proven : this.unproven).allow(source)) {
      counters.udp['rate-limited']++;
      return;
    }
    const reply = this.cache.get(query) ?? this.miss(query, source);
    if (!proven && (reply.signed || reply.size > query.length)) {
      this.askForCookie(query, source, send);
      return;
    }
    counters.udp[reply.reason]++;
    for (const template of reply.templates) {
      const message = this.options.answers.finish(template, query, reply.signed);
      if (message !== undefined) send(message);
    }
  }

  private miss(query: Uint8Array, source: Address): Reply {
    const reply = this.options.answers.reply(query, SAFE_DATAGRAM, false, source);
    if (reply.lasting) this.cache.set(query, reply);
    return reply;
  }

  private askForCookie(query: Uint8Array, source: Address, send: SendBack): void {
    const { counters, cookies } = this.options;
    const message = nonceOf(query) && cookieMessage(query, cookies.issue(source));
    if (message === undefined || message.length > query.length) {
      counters.udp['too-short']++;
      return;
    }
    counters.udp['needs-cookie']++;
    send(message);
  }
}
