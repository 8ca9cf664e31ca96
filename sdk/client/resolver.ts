/**
 * The client as an object with defaults of its own, as `dns.promises.Resolver` is one, and as plain functions.
 */
import type { Socket } from 'node:net';
import type { Environment } from '../transport/environment.ts';
import { nodeEnvironment } from '../transport/node.ts';
import type { Answer } from './answer.ts';
import { CookieJar } from './cookies.ts';
import type { ClientOptions, QueryOptions } from './options.ts';
import type { Picked, PickOptions } from './pick.ts';
import { pickWith } from './pick-with.ts';
import { queryWith } from './query.ts';
import type { Wanted } from './question.ts';
import { type Change, type WatchOptions, watchWith } from './watch.ts';

export class Resolver {
  readonly #defaults: QueryOptions;
  readonly #environment: Environment;
  readonly #cookies = new CookieJar();
  readonly #pending = new Set<AbortController>();

  /** Options given here are the defaults of its calls. */
  constructor({ environment, ...defaults }: ClientOptions = {}) {
    this.#defaults = defaults;
    this.#environment = environment ?? nodeEnvironment();
  }

  /** Servers that match, best first. `what`: a VIP, a service's name, or a selector. Rejects with BivouacError. */
  query(what: string | Wanted, options: QueryOptions = {}): Promise<Answer> {
    return this.#cancellable(options, all => queryWith(this.#environment, this.#cookies, what, all));
  }

  /**
   * Queries, then connects: best first, with attempts to the next ones in the manner of RFC 8305; then the servers of the next manager that
   * a GSLB names; at last, for a name and a protocol, where DNS has it (SRV). Rejects with BivouacError.
   */
  pick<T = Socket>(what: string | Wanted, options: PickOptions<T> = {}): Promise<Picked<T>> {
    return this.#cancellable(options, all => pickWith<T>(this.#environment, this.#cookies, what, all));
  }

  /** What matches now, then each change of it, until the signal is aborted or the loop is left. */
  watch(what: string | Wanted, options: WatchOptions = {}): AsyncGenerator<Change, void, void> {
    const all = { ...this.#defaults, ...options };
    return watchWith(this.#environment, () => this.query(what, all), all);
  }

  /** Aborts all queries and picks under way. */
  cancel(): void {
    for (const controller of this.#pending) controller.abort(new Error('the resolver was cancelled'));
  }

  async #cancellable<O extends QueryOptions, R>(
    options: O,
    run: (options: QueryOptions & O & { signal: AbortSignal }) => Promise<R>,
  ): Promise<R> {
    const all = { ...this.#defaults, ...options };
    const controller = new AbortController();
    const outer = all.signal;
    const onAbort = (): void => controller.abort(outer?.reason);
    if (outer?.aborted) onAbort();
    outer?.addEventListener('abort', onAbort);
    this.#pending.add(controller);
    try {
      return await run({ ...all, signal: controller.signal });
    } finally {
      this.#pending.delete(controller);
      outer?.removeEventListener('abort', onAbort);
    }
  }
}

let shared: Resolver | undefined;
const resolver = (): Resolver => {
  shared ??= new Resolver();
  return shared;
};

/** Resolver.query of a resolver with no defaults. */
export const query = (what: string | Wanted, options?: QueryOptions): Promise<Answer> =>
  resolver().query(what, options);

/** Resolver.pick of a resolver with no defaults. */
export const pick = <T = Socket>(what: string | Wanted, options?: PickOptions<T>): Promise<Picked<T>> =>
  resolver().pick(what, options);

/** Resolver.watch of a resolver with no defaults. */
export const watch = (what: string | Wanted, options?: WatchOptions): AsyncGenerator<Change, void, void> =>
  resolver().watch(what, options);
