import { expect, test } from 'vitest';
import { Pulse } from '../../../sdk/server/pulse.ts';
import { VirtualClock } from '../../support/virtual.ts';

test('what comes at the last moment, as after a short stall of this process, counts; silence does not', async () => {
  const clock = new VirtualClock();
  const lost: number[] = [];
  const start = clock.now();
  const pulse = new Pulse(
    clock,
    100,
    () => {},
    () => {
      lost.push(clock.now() - start);
      pulse.stop();
    },
  );
  clock.after('read', 302, () => pulse.heard());
  await clock.advance(590);
  expect(lost).toEqual([]);
  await clock.advance(100);
  expect(lost).toEqual([607]);
});
