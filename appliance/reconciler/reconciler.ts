/**
 * Keeps one driver busy with the newest wanted state: bursts become one, what did not change is skipped, failures are tried
 * again with backoff, and what was really reached is reported each time.
 */
import type { Driver } from '../desired/driver.ts';
import type { Clock, Log, Random, Timer } from '../host/ports.ts';

export interface Reconciler<W, R = unknown> {
  /** Asks for this state; only the newest counts. */
  want(wanted: W): void;
  /** Resolves when nothing is wanted that was not tried. */
  settled(): Promise<void>;
  /** Goes on with another driver, which takes over what the present one put in. */
  replace(driver: Driver<W, R>): Promise<void>;
  /** Waits for what is under way, then takes out everything that the driver put in. */
  release(): Promise<void>;
  /** Waits for what is under way, and leaves everything in place. */
  detach(): Promise<void>;
  /** What went wrong in the last try, empty when all was reached. */
  readonly problems: readonly string[];
}

const FIRST_RETRY = 100;
const LAST_RETRY = 10_000;

export function createReconciler<W, R>(options: {
  readonly name: string;
  readonly driver: Driver<W, R>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly onReached: (reached: R) => void;
  /** What went wrong, after a try in which it was not the same as in the one before. */
  readonly onProblems?: (problems: readonly string[]) => void;
}): Reconciler<W, R> {
  const { name, clock, random, log, onReached } = options;
  let { driver } = options;
  let next: { readonly wanted: W } | undefined;
  let tried: W | undefined;
  let running: Promise<void> | undefined;
  let problems: readonly string[] = [];
  let failures = 0;
  let retry: Timer | undefined;
  let closed = false;

  const part = (reached: R): Promise<void> => {
    onReached(reached);
    return turn();
  };

  /** Lets everybody else have a turn. */
  const turn = (): Promise<void> => new Promise(resolve => clock.after(`${name}-turn`, 0, resolve));

  const run = async (): Promise<void> => {
    while (next !== undefined && !closed) {
      const { wanted } = next;
      next = undefined;
      tried = wanted;
      retry?.cancel();
      const before = problems.join('\n');
      try {
        const result = await driver.apply(wanted, part);
        problems = result.problems;
        onReached(result.reached);
      } catch (error) {
        problems = [error instanceof Error ? error.message : String(error)];
      }
      if (problems.join('\n') !== before) options.onProblems?.(problems);
      if (problems.length === 0) failures = 0;
      else again();
      // What hangs on what was reached comes before what is wanted next.
      if (next !== undefined) await turn();
    }
    running = undefined;
  };

  const again = (): void => {
    const delay = Math.min(LAST_RETRY, FIRST_RETRY * 2 ** failures) * (0.75 + 0.5 * random.uniform());
    failures = Math.min(failures + 1, 16);
    log('error', `${name}-failed`, {
      problems: problems.slice(0, 5),
      count: problems.length,
      retryMs: Math.round(delay),
    });
    retry = clock.after(`${name}-retry`, delay, () => {
      if (next === undefined && tried !== undefined) next = { wanted: tried };
      start();
    });
  };

  const start = (): void => {
    if (running === undefined && next !== undefined && !closed) running = run();
  };

  const close = async (): Promise<void> => {
    closed = true;
    retry?.cancel();
    await running;
  };

  return {
    want(wanted) {
      if (wanted === (next?.wanted ?? tried)) return;
      next = { wanted };
      start();
    },
    async settled() {
      while (running !== undefined) await running;
    },
    async replace(other) {
      while (running !== undefined) await running;
      driver.detach();
      driver = other;
      if (tried !== undefined) next ??= { wanted: tried };
      start();
    },
    async release() {
      await close();
      await driver.release();
    },
    async detach() {
      await close();
      driver.detach();
    },
    get problems() {
      return problems;
    },
  };
}
