/**
 * The monotonic clock and the timers of the operating system.
 */
import type { Clock, Millis, Timer } from './ports.ts';

/** Node fires a longer timer at once (its limit is a signed 32-bit number of ms), so longer ones are waited for in pieces. */
const LONGEST = 0x7fffffff;

/** Made once, by the composition root. A timer never fires early by this clock; one with no delay fires in this turn of the loop. */
export function createClock(): Clock {
  const now = (): Millis => performance.now();
  return {
    now,
    after: (name, delay, run) => arm(now, name, delay, run),
    wall: createWall(),
  };
}

/** Many ask within one ms, in a crowd: the text is made once for each. */
function createWall(): () => string {
  let at = 0;
  let text = '';
  return () => {
    const now = Date.now();
    if (now !== at) text = new Date(now).toISOString();
    at = now;
    return text;
  };
}

function arm(now: () => Millis, name: string, delay: Millis, run: () => void): Timer {
  if (Number.isNaN(delay)) throw new RangeError(`timer '${name}': its delay is not a number`);
  const fire = (): void => {
    try {
      run();
    } catch (error) {
      throw new Error(`timer '${name}' failed: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    }
  };
  if (delay <= 0) {
    const immediate = setImmediate(fire);
    return { cancel: () => clearImmediate(immediate) };
  }
  const due = now() + delay;
  const wait = (left: Millis): NodeJS.Timeout =>
    setTimeout(
      () => {
        // The loop's own time is cut to whole ms, so a timer may come up to 1 ms early.
        const rest = due - now();
        if (rest > 0) timeout = wait(rest);
        else fire();
      },
      Math.min(Math.ceil(left), LONGEST),
    );
  let timeout = wait(delay);
  return { cancel: () => clearTimeout(timeout) };
}
