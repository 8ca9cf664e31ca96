/** A line of the lab's wide-area network, whatever is sent through it and however late it is looked at. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Pipe } from '../../labs/wan/pipe.ts';

const DELAY = 10;
/** 1000 bytes a ms. */
const RATE = 8e6;
const QUEUE = 20;
const shape = { delay: DELAY, rate: RATE, queue: QUEUE };

const offers = fc.array(
  fc.record({
    gap: fc.double({ min: 0, max: 5, noNaN: true }),
    size: fc.integer({ min: 60, max: 1514 }),
    control: fc.boolean(),
    /** Whether it is looked at before the frame comes. */
    looked: fc.boolean(),
  }),
  { maxLength: 120 },
);

function frameOf(number: number, size: number, control: boolean): Uint8Array {
  const frame = new Uint8Array(size);
  frame.set([0x08, 0x00, 0x45, control ? 0xc0 : 0], 12);
  new DataView(frame.buffer).setUint32(20, number);
  return frame;
}
const numberOf = (frame: Uint8Array): number => new DataView(frame.buffer).getUint32(20);

test('what is taken arrives once, in its order, no sooner than the line allows, and never faster than its rate', () => {
  fc.assert(
    fc.property(offers, all => {
      const pipe = new Pipe(shape);
      const taken: { readonly at: number; readonly size: number; readonly control: boolean }[] = [];
      const arrived: { readonly number: number; readonly at: number }[] = [];
      let now = 0;
      let refused = 0;
      const look = (at: number): void => {
        for (const frame of pipe.arrived(at)) arrived.push({ number: numberOf(frame), at });
      };
      for (const { gap, size, control, looked } of all) {
        now += gap;
        if (looked) look(now);
        if (pipe.offer(frameOf(taken.length, size, control), now)) taken.push({ at: now, size, control });
        else refused++;
      }
      // As the program does it: when it says that something is due.
      for (let turns = 0; pipe.next < Number.POSITIVE_INFINITY; turns++) {
        expect(turns).toBeLessThan(1000);
        now = Math.max(now, pipe.next);
        look(now);
      }
      expect(pipe.dropped).toBe(refused);
      expect(arrived.map(({ number }) => number).sort((a, b) => a - b)).toEqual(taken.map((_, at) => at));
      for (const control of [true, false]) {
        const order = arrived
          .map(({ number }) => number)
          .filter(number => taken[number]!.control === control);
        expect(order).toEqual([...order].sort((a, b) => a - b));
      }
      let bytes = 0;
      for (const { number, at } of arrived) {
        const { at: sent, size } = taken[number]!;
        bytes += size;
        expect(at - sent).toBeGreaterThanOrEqual(DELAY + size / 1000 - 1e-6);
        // From the first frame on, no more bytes than the time since allows.
        expect(bytes / 1000).toBeLessThanOrEqual(at - DELAY - taken[0]!.at + 1e-6);
      }
    }),
    { numRuns: 500 },
  );
});
