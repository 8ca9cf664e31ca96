/**
 * One question and what comes back, without sockets and without timers: what to send, and what to make of each datagram.
 * Each transmission has a nonce of its own, so a late answer to an earlier one is still good, and parts of two never mix.
 */
import type { Random } from '../transport/environment.ts';
import type { Address } from '../wire/address.ts';
import { LEAST_QUERY, padQuery } from '../wire/answer.ts';
import { decodeAnycast, encodeAnycast } from '../wire/anycast.ts';
import type { AnycastMessage, RefusalCode } from '../wire/messages.ts';
import { type AnswerPart, Assembly } from './assembly.ts';
import type { Question } from './question.ts';
import type { Trust } from './trust.ts';

/** Why bytes were passed over. */
export type Ignored =
  | 'wrong-source'
  | 'not-a-message'
  | 'not-an-answer'
  | 'unknown-nonce'
  | 'bad-signature'
  | 'too-many-cookies'
  | 'duplicate'
  | 'too-many-parts'
  | 'too-large'
  | 'part-mismatch';

export type Received =
  | { readonly kind: 'ignored'; readonly reason: Ignored }
  /** A part; others are missing. */
  | { readonly kind: 'progress' }
  /** The manager wants the address proved: transmit again, at once. */
  | { readonly kind: 'repeat' }
  | { readonly kind: 'refused'; readonly code: RefusalCode; readonly sentence: string }
  | { readonly kind: 'complete'; readonly assembly: Assembly; readonly sent: number };

/** How often within one question a manager may ask for a cookie (twice if its secret was just renewed). */
const MAX_COOKIES = 2;

export interface ExchangeOptions {
  readonly random: Random;
  /** Where answers must come from; absent on a link, where anybody may answer. */
  readonly source?: { readonly address: Address; readonly port: number };
  /** Absent: signatures are not looked at. */
  readonly trust?: Trust | undefined;
  /** From an earlier exchange with the same manager. */
  readonly cookie?: Uint8Array | undefined;
}

interface Transmission {
  readonly sent: number;
  readonly assembly: Assembly;
}

export class Exchange {
  /** What the manager gave last, for the next exchange with it. */
  cookie: Uint8Array | undefined;
  /** How often bytes were passed over, by reason. */
  readonly ignored = new Map<Ignored, number>();
  private readonly question: Question;
  private readonly options: ExchangeOptions;
  private readonly transmissions = new Map<string, Transmission>();
  private cookies = 0;

  constructor(question: Question, options: ExchangeOptions) {
    this.question = question;
    this.options = options;
    this.cookie = options.cookie;
  }

  /** The bytes of the next transmission, made at `now`. */
  transmit(now: number): Uint8Array {
    const nonce = this.options.random.bytes(8);
    this.transmissions.set(keyOf(nonce), { sent: now, assembly: new Assembly() });
    const query = {
      type: 'query' as const,
      nonce,
      ...this.question,
      ...(this.cookie && { cookie: this.cookie }),
      padding: 0,
    };
    return encodeAnycast(padQuery(query, this.options.source === undefined ? 0 : LEAST_QUERY));
  }

  /** What to make of bytes that came in at `now`; whatever they are, it does not throw. */
  receive(bytes: Uint8Array, address: Address, port: number, now: number): Received {
    const { source } = this.options;
    if (source !== undefined && (source.address !== address || source.port !== port))
      return this.ignore('wrong-source');
    const message = decode(bytes, source === undefined);
    if (message === undefined) return this.ignore('not-a-message');
    if (message.type !== 'answer' && message.type !== 'cookie' && message.type !== 'query-refused')
      return this.ignore('not-an-answer');
    const transmission = this.transmissions.get(keyOf(message.nonce));
    if (transmission === undefined) return this.ignore('unknown-nonce');
    if (message.type === 'answer') return this.take(message, bytes, transmission, now);
    if (message.type === 'query-refused')
      return { kind: 'refused', code: message.code, sentence: message.sentence };
    if (this.cookies >= MAX_COOKIES) return this.ignore('too-many-cookies');
    this.cookies++;
    this.cookie = message.cookie.slice();
    return { kind: 'repeat' };
  }

  private take(part: AnswerPart, bytes: Uint8Array, { sent, assembly }: Transmission, now: number): Received {
    if (this.options.trust !== undefined && !this.options.trust(part, bytes))
      return this.ignore('bad-signature');
    const added = assembly.add(part, bytes.length, now);
    if (added === 'complete') return { kind: 'complete', assembly, sent };
    return added === 'incomplete' ? { kind: 'progress' } : this.ignore(added);
  }

  private ignore(reason: Ignored): Received {
    this.ignored.set(reason, (this.ignored.get(reason) ?? 0) + 1);
    return { kind: 'ignored', reason };
  }
}

function decode(bytes: Uint8Array, padded: boolean): AnycastMessage | undefined {
  try {
    return decodeAnycast(bytes, padded);
  } catch {
    return undefined;
  }
}

const keyOf = (nonce: Uint8Array): string => String.fromCharCode(...nonce);
