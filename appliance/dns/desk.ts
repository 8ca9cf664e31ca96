/**
 * A book and what answers from it, kept up to date: one for each worker, and one for TCP.
 */
import type { Clock, Hmac, Random } from '../host/ports.ts';
import { Answerer, type AnswererDeps, type AnswererOptions } from './answerer.ts';
import type { Update } from './authority.ts';
import { Book } from './book.ts';

export class Desk {
  readonly book = new Book();
  readonly answerer: Answerer;

  constructor(
    deps: {
      readonly clock: Clock;
      readonly random: Random;
      readonly seconds: () => number;
      readonly hmac: Hmac;
      readonly ask: AnswererDeps['ask'];
    },
    options: AnswererOptions,
  ) {
    this.answerer = new Answerer({ ...deps, book: this.book }, options);
  }

  update({ book, topology, changed }: Update): void {
    this.book.change(book);
    if (topology !== undefined) this.answerer.setTopology(topology);
    if (changed === undefined || topology !== undefined) this.book.forgetAll();
    else this.book.forgetNames(changed);
  }
}
