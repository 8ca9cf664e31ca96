/**
 * What a worker does with datagrams: answers from its book, asks the main thread for what it has not, and keeps the queries that wait
 * for that.
 */
import type { Clock, Hmac, Random } from '../host/ports.ts';
import { type AnswererOptions, LATER } from './answerer.ts';
import type { Update } from './authority.ts';
import type { DnsCounts } from './counters.ts';
import { Desk } from './desk.ts';
import type { FinishedAnswer } from './finish.ts';
import type { Place } from './view.ts';

/** From the main thread to a worker. Plain values. */
export type ToClerk =
  | { readonly kind: 'update'; readonly update: Update }
  | ({ readonly kind: 'finished'; readonly answer: FinishedAnswer } & Wanted)
  | { readonly kind: 'count' };

/** From a worker to the main thread. */
export type FromClerk =
  | ({ readonly kind: 'ask' } & Wanted)
  | { readonly kind: 'counts'; readonly counts: DnsCounts };

/** A question at a place. */
export interface Wanted {
  readonly name: string;
  readonly type: number;
  readonly place: Place;
}

/** A query that was put aside, and the way back to who sent it. */
export interface Kept {
  readonly bytes: Uint8Array;
  /** 16 bytes. */
  readonly source: Uint8Array;
  reply(bytes: Uint8Array): void;
}

/** Queries that wait at most; others have to be sent again. */
export const MOST_WAITING = 1024;

export class Clerk {
  readonly desk: Desk;
  private readonly post: (message: FromClerk) => void;
  private readonly waiting = new Map<string, Kept[]>();
  private waitingCount = 0;
  private asked = '';
  private readonly output = new Uint8Array(2048);

  constructor(
    deps: {
      readonly clock: Clock;
      readonly random: Random;
      readonly seconds: () => number;
      readonly hmac: Hmac;
      readonly post: (message: FromClerk) => void;
    },
    options: AnswererOptions,
  ) {
    this.post = deps.post;
    const ask = (
      { name }: { readonly name: string },
      { type }: { readonly type: number },
      _number: number,
      place: Place,
    ): undefined => {
      this.asked = keyOf({ name, type, place });
      if (this.waiting.has(this.asked)) return;
      // Nothing is asked for that nobody could wait for.
      if (this.waitingCount >= MOST_WAITING) return;
      this.waiting.set(this.asked, []);
      this.post({ kind: 'ask', name, type, place });
    };
    this.desk = new Desk({ ...deps, ask }, options);
  }

  begin(): void {
    this.desk.answerer.begin();
  }

  /** As Answerer.answer, of a datagram. After LATER, `keep` is to be called with a copy of it. */
  answer(
    bytes: Uint8Array,
    start: number,
    end: number,
    source: Uint8Array,
    sourceAt: number,
    output: Uint8Array,
    at: number,
  ): number {
    return this.desk.answerer.answer(bytes, start, end, source, sourceAt, false, output, at);
  }

  /** Keeps the query that was answered LATER just now. */
  keep(query: Kept): void {
    const list = this.waiting.get(this.asked);
    if (list === undefined || this.waitingCount >= MOST_WAITING) return;
    list.push(query);
    this.waitingCount++;
  }

  hear(message: ToClerk): void {
    switch (message.kind) {
      case 'update':
        this.desk.update(message.update);
        break;
      case 'finished':
        this.finished(message);
        break;
      case 'count':
        this.post({ kind: 'counts', counts: { ...this.desk.answerer.counters } });
    }
  }

  private finished(message: Extract<ToClerk, { kind: 'finished' }>): void {
    const { name, type, place, answer } = message;
    const { book, answerer } = this.desk;
    const entry = book.entry(name);
    const shelf = entry && book.shelf(entry, type);
    const number = answerer.placeNumber(place);
    if (entry !== undefined && shelf !== undefined && number >= 0) book.keep(entry, shelf, number, answer);
    const key = keyOf(message);
    const list = this.waiting.get(key) ?? [];
    this.waiting.delete(key);
    this.waitingCount -= list.length;
    this.begin();
    for (const query of list) {
      const { bytes, source } = query;
      const length = this.answer(bytes, 0, bytes.length, source, 0, this.output, 0);
      if (length === LATER) this.keep(query);
      else if (length > 0) query.reply(this.output.subarray(0, length));
    }
  }
}

const keyOf = ({ name, type, place }: Wanted): string => `${name} ${type} ${place}`;
