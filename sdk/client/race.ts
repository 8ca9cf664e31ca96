/**
 * Connection attempts to candidates in order, staggered (RFC 8305 §5): the next one starts when the one before has failed or a
 * delay has passed; the first success wins, and the others are aborted.
 */
import { aborted } from '../errors.ts';
import type { Clock, Timer } from '../transport/environment.ts';

/** Connection Attempt Delay, ms (RFC 8305 §8): recommended, and the least that is ever used. */
export const ATTEMPT_DELAY = { recommended: 250, least: 10 } as const;

export interface RaceOptions<C, T> {
  readonly clock: Clock;
  /** ms between starts. */
  readonly delay: number;
  readonly attempt: (candidate: C, signal: AbortSignal) => Promise<T>;
  /** Gets what an attempt that lost has nevertheless brought. */
  readonly discard: (result: T) => void;
  readonly signal?: AbortSignal | undefined;
}

/** All attempts failed; `errors` in the order of the candidates. */
export class RaceLost extends Error {
  readonly errors: readonly unknown[];

  constructor(errors: readonly unknown[]) {
    super('every attempt failed');
    this.errors = errors;
  }
}

/** Rejects with RaceLost, or with BivouacError ABORT_ERR. */
export function race<C, T>(
  candidates: readonly C[],
  { clock, delay, attempt, discard, signal }: RaceOptions<C, T>,
): Promise<{ readonly candidate: C; readonly result: T }> {
  return new Promise((resolve, reject) => {
    const stagger = Math.max(ATTEMPT_DELAY.least, delay);
    const running = new Set<AbortController>();
    const errors: unknown[] = [];
    let next = 0;
    let timer: Timer | undefined;
    let settled = false;

    const settle = (finish: () => void): void => {
      settled = true;
      timer?.cancel();
      signal?.removeEventListener('abort', onAbort);
      for (const controller of running) controller.abort();
      finish();
    };
    const onAbort = (): void => settle(() => reject(aborted(signal!)));
    const startNext = (): void => {
      timer?.cancel();
      const index = next++;
      const candidate = candidates[index];
      if (candidate === undefined) return;
      if (next < candidates.length) timer = clock.after('connection-attempt', stagger, startNext);
      const controller = new AbortController();
      running.add(controller);
      attempt(candidate, controller.signal).then(
        result => {
          running.delete(controller);
          if (settled) discard(result);
          else settle(() => resolve({ candidate, result }));
        },
        error => {
          running.delete(controller);
          if (settled) return;
          errors[index] = error;
          if (next < candidates.length) startNext();
          else if (running.size === 0) settle(() => reject(new RaceLost(errors)));
        },
      );
    };
    if (signal?.aborted) return reject(aborted(signal));
    if (candidates.length === 0) return reject(new RaceLost([]));
    signal?.addEventListener('abort', onAbort);
    startNext();
  });
}
