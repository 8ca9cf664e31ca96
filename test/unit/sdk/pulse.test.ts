import { expect, test } from 'vitest';
import { Pulse } from '../../../sdk/server/pulse.ts';
import { VirtualClock } from '../../support/virtual.ts';

/** What a pulse of 100 ms says of a manager that is last heard at `heard`, and when, ms. */
async function saidOf(heard: readonly number[], until: number): Promise<string[]> {
  const clock = new VirtualClock();
  const said: string[] = [];
  const start = clock.now();
  const say = (what: string): void => void said.push(`${what} at ${clock.now() - start}`);
  const pulse = new Pulse(clock, 100, {
    beat() {},
    doubt: reason => say(reason === undefined ? 'heard' : 'doubted'),
    lost() {
      say('lost');
      pulse.stop();
    },
  });
  for (const at of heard) clock.after('read', at, () => pulse.heard());
  await clock.advance(until);
  return said;
}

test('what comes at the last moment, as after a short stall of this process, counts; silence does not', async () => {
  expect(await saidOf([302], 590)).toEqual([]);
  expect(await saidOf([302], 5000)).toEqual(['doubted at 607', 'lost at 1307']);
});

test('a manager that is heard again is doubted as soon as before when it is silent again', async () => {
  expect(await saidOf([900], 5000)).toEqual([
    'doubted at 305',
    'heard at 900',
    'doubted at 1205',
    'lost at 1905',
  ]);
});
