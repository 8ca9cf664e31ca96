/** Waiting for a condition: ask again instead of sleeping, and say what was missing. */

export interface PollOptions {
  /** Milliseconds; 30,000 unless told: what is waited for may take a busy machine seconds. */
  readonly timeout?: number;
  /** Milliseconds between two questions; 20 unless told. */
  readonly interval?: number;
}

/**
 * Asks until the answer is neither undefined nor false; an exception counts as not yet. After the timeout it throws, with `what`
 * and the last exception.
 */
export async function poll<T>(
  what: string,
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  { timeout = 30_000, interval = 20 }: PollOptions = {},
): Promise<T> {
  const deadline = performance.now() + timeout;
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      last = error;
    }
    if (performance.now() >= deadline) {
      const detail = last instanceof Error ? `: ${last.message}` : '';
      throw new Error(`${what}: not within ${timeout / 1000} s${detail}`);
    }
    await new Promise(resolve => setTimeout(resolve, interval));
  }
}

/** Milliseconds that something takes, and what it gives. */
export async function timed<T>(act: () => Promise<T>): Promise<{ readonly ms: number; readonly value: T }> {
  const start = performance.now();
  const value = await act();
  return { ms: performance.now() - start, value };
}
