import { describe, expect, it } from 'vitest';
import { RaceLost, race } from '../../../sdk/client/race.ts';
import { VirtualClock } from '../../support/virtual/clock.ts';

/** Candidates say when (ms after their start) and how they end; `log` has what was started, won, aborted and when. */
function scene(plans: Record<string, { readonly after: number; readonly fails?: boolean }>, delay = 250) {
  const clock = new VirtualClock();
  const log: string[] = [];
  const discarded: string[] = [];
  const controller = new AbortController();
  const running = race<string, string>(Object.keys(plans), {
    clock,
    delay,
    signal: controller.signal,
    discard: result => void discarded.push(result),
    attempt: (name, signal) => {
      const { after, fails = false } = plans[name]!;
      log.push(`${clock.now()} ${name} starts`);
      signal.addEventListener('abort', () => log.push(`${clock.now()} ${name} aborted`));
      return new Promise((resolve, reject) => {
        clock.after(name, after, () => (fails ? reject(new Error(`${name} failed`)) : resolve(name)));
      });
    },
  });
  return { clock, log, discarded, running, controller };
}

describe('race (RFC 8305 §5)', () => {
  it('starts only the first candidate when it succeeds within the delay', async () => {
    const { clock, log, running } = scene({ a: { after: 240 }, b: { after: 1 } });
    expect(await clock.runToEnd(running)).toEqual({ candidate: 'a', result: 'a' });
    await clock.advance(1000);
    expect(log).toEqual(['0 a starts']);
  });

  it('starts the next one after the delay, lets both run, takes the first to succeed and aborts the other', async () => {
    const { clock, log, running, discarded } = scene({
      a: { after: 400 },
      b: { after: 100 },
      c: { after: 1 },
    });
    expect(await clock.runToEnd(running)).toEqual({ candidate: 'b', result: 'b' });
    await clock.advance(1000);
    expect(log).toEqual(['0 a starts', '250 b starts', '350 a aborted']);
    expect(discarded).toEqual(['a']);
  });

  it('prefers the better one that is slow but succeeds while the next one still tries', async () => {
    const { clock, running } = scene({ a: { after: 300 }, b: { after: 100 } });
    expect((await clock.runToEnd(running)).candidate).toBe('a');
  });

  it('starts the next one at once when one fails, and the stagger begins anew', async () => {
    const { clock, log, running } = scene({
      a: { after: 10, fails: true },
      b: { after: 5000 },
      c: { after: 20 },
    });
    expect((await clock.runToEnd(running)).candidate).toBe('c');
    expect(log).toEqual(['0 a starts', '10 b starts', '260 c starts', '280 b aborted']);
  });

  it('fails when all have failed, with every reason in order', async () => {
    const { clock, running } = scene({ a: { after: 600, fails: true }, b: { after: 10, fails: true } });
    const error = await clock.runToEnd(running.catch((reason: unknown) => reason));
    expect(error).toBeInstanceOf(RaceLost);
    expect((error as RaceLost).errors.map(String)).toEqual(['Error: a failed', 'Error: b failed']);
    expect(clock.now()).toBe(600);
  });

  it('never staggers by less than 10 ms', async () => {
    const { clock, log, running } = scene({ a: { after: 100 }, b: { after: 100 }, c: { after: 100 } }, 0);
    await clock.runToEnd(running);
    expect(log.slice(0, 3)).toEqual(['0 a starts', '10 b starts', '20 c starts']);
  });

  it('aborts everything when the caller does, and leaves no timer', async () => {
    const { clock, log, running, controller } = scene({ a: { after: 9000 }, b: { after: 9000 } });
    const outcome = running.catch((error: unknown) => error);
    await clock.advance(300);
    controller.abort();
    expect(await outcome).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR' });
    expect(log.slice(2)).toEqual(['300 a aborted', '300 b aborted']);
    await clock.advance(10_000);
    expect(clock.timers).toBe(0);
  });
});
