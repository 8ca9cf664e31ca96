/**
 * Follows an answer over time: asks again before it ceases to hold, and tells of changes only.
 */
import { BivouacError } from '../errors.ts';
import type { Clock, Environment } from '../transport/environment.ts';
import type { AnsweredServer } from '../wire/model.ts';
import type { Answer } from './answer.ts';
import type { QueryOptions } from './options.ts';

export interface WatchOptions extends QueryOptions {
  /** A score that moved by less than this is no change. Default 1. */
  readonly tolerance?: number;
}

/** What is known now, and how it differs from what was known before. */
export interface Change {
  /** Best first. Empty also when nobody answers any more: then `error` says why. */
  readonly servers: readonly AnsweredServer[];
  readonly added: readonly AnsweredServer[];
  readonly removed: readonly AnsweredServer[];
  readonly changed: readonly AnsweredServer[];
  /** The answer behind it; undefined once it is out of date and no other came. */
  readonly answer: Answer | undefined;
  /** Why no new answer came. */
  readonly error: BivouacError | undefined;
}

/** Between two queries at least, ms, whatever validity a manager gives. */
const LEAST_PAUSE = 100;
/** While nobody answers: the first pause and the longest, ms. */
const RETRY = { first: 250, longest: 5000 } as const;

/** The share of the validity after which to ask again: spread, so that a thousand clients do not ask at once. */
export const refreshAfter = (validity: number, uniform: number): number =>
  Math.max(LEAST_PAUSE, validity * (0.5 + 0.3 * uniform));

/** Ends when `signal` is aborted; never throws for want of an answer. */
export async function* watchWith(
  { clock, random }: Environment,
  query: () => Promise<Answer>,
  { signal, tolerance = 1 }: WatchOptions,
): AsyncGenerator<Change, void, void> {
  let known: Answer | undefined;
  let told: readonly AnsweredServer[] | undefined;
  let failures = 0;
  while (!signal?.aborted) {
    const asked = await query().then(
      answer => ({ answer, error: undefined }),
      (error: BivouacError) => ({ answer: undefined, error }),
    );
    if (signal?.aborted) return;
    const { error } = asked;
    if (error !== undefined && (!(error instanceof BivouacError) || error.code === 'EINVAL')) throw error;
    if (error !== undefined) failures++;
    else failures = 0;
    if (asked.answer !== undefined) known = asked.answer;
    else if (known?.fresh() !== true) known = undefined;
    const servers = known?.servers ?? [];
    const change = compare(told ?? [], servers, tolerance);
    if (told === undefined || change.added.length + change.removed.length + change.changed.length > 0) {
      told = servers;
      yield { servers, ...change, answer: known, error };
    }
    await pause(clock, pauseFor(known, failures, random.uniform()), signal);
  }
}

function pauseFor(known: Answer | undefined, failures: number, uniform: number): number {
  if (failures === 0) return refreshAfter(known!.remaining(), uniform);
  const backoff = Math.min(RETRY.longest, RETRY.first * 2 ** (failures - 1)) * (0.5 + 0.5 * uniform);
  // What is about to lapse is looked at when it lapses, so that nobody acts on it any longer.
  return known === undefined ? backoff : Math.max(1, Math.min(backoff, known.remaining()));
}

function compare(before: readonly AnsweredServer[], after: readonly AnsweredServer[], tolerance: number) {
  const old = new Map(before.map(server => [server.address, server]));
  const now = new Set(after.map(server => server.address));
  return {
    added: after.filter(server => !old.has(server.address)),
    removed: before.filter(server => !now.has(server.address)),
    changed: after.filter(server => {
      const was = old.get(server.address);
      return was !== undefined && differs(was, server, tolerance);
    }),
  };
}

function differs(a: AnsweredServer, b: AnsweredServer, tolerance: number): boolean {
  const moved = (x: number, y: number): boolean =>
    x !== y && (Math.abs(x - y) >= tolerance || x === 0 || y === 0);
  if (moved(a.score, b.score) || a.services.length !== b.services.length) return true;
  return a.services.some((service, index) => {
    const { score, ...rest } = b.services[index]!;
    const { score: was, ...before } = service;
    return moved(was, score) || JSON.stringify(before) !== JSON.stringify(rest);
  });
}

function pause(clock: Clock, delay: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = clock.after('watch', delay, done);
    signal?.addEventListener('abort', done);
  });
}
