/** Lines of a wide-area network: what the file may say of them, and what becomes of frames in one. */
import { expect, test } from 'vitest';
import { parseTopology } from '../../../labs/topology/parse.ts';
import { hook, unhook } from '../../../labs/wan/hook.ts';
import { isControl, Pipe } from '../../../labs/wan/pipe.ts';

const shapeOf = (vars: string) =>
  parseTopology(
    '/x.yml',
    `name: x
topology:
  defaults: { kind: linux, image: i }
  nodes: { a: , b: }
  links:
    - { endpoints: [a:eth1, b:eth1], vars: ${vars} }
`,
  ).links[0]!.shape;

test('a link is told its delay, rate and queue with the units of tc', () => {
  expect(shapeOf('{ delay: 20ms, rate: 4mbit }')).toEqual({ delay: 20, rate: 4e6, queue: 100 });
  expect(shapeOf('{ delay: 0.3s, rate: 64kbit, queue: 1s }')).toEqual({
    delay: 300,
    rate: 64e3,
    queue: 1000,
  });
});

test.each([
  ['{ delay: 20ms }', "/x.yml:6: topology.links[0].vars: needs 'delay' and 'rate'"],
  ['{ delay: 20, rate: 4mbit }', "vars.delay: '20' must be a number with a unit: ms, s"],
  ['{ delay: 20ms, rate: 4mbps }', "vars.rate: '4mbps' must be a number with a unit: kbit, mbit, gbit"],
  ['{ delay: 20ms, rate: 99gbit }', "vars.rate: '99gbit' is too much"],
  ['{ delay: 20ms, rate: 4mbit, loss: 1% }', "'loss' is not supported here"],
])('what is no line is refused with its place: %s', (vars, message) => {
  expect(() => shapeOf(vars)).toThrow(message);
});

/** 1000 bytes of IPv4 take 1 ms at 8 Mbit/s. */
const shape = { delay: 10, rate: 8e6, queue: 5 };
const frame = (mark: number, tos = 0, size = 1000): Uint8Array => {
  const bytes = new Uint8Array(size);
  bytes.set([0x08, 0x00, 0x45, tos], 12);
  bytes[20] = mark;
  return bytes;
};
const marks = (frames: readonly Uint8Array[]): number[] => frames.map(bytes => bytes[20]!);

test('a frame takes its time through the transmitter and then the delay; the next one waits for it', () => {
  const pipe = new Pipe(shape);
  expect(pipe.next).toBe(Number.POSITIVE_INFINITY);
  pipe.offer(frame(1), 100);
  pipe.offer(frame(2), 100);
  expect(marks(pipe.arrived(110.9))).toEqual([]);
  expect(pipe.next).toBe(111);
  expect(marks(pipe.arrived(111))).toEqual([1]);
  expect(pipe.next).toBe(112);
  expect(marks(pipe.arrived(500))).toEqual([2]);
  expect(pipe.next).toBe(Number.POSITIVE_INFINITY);
});

test('it carries its rate and no more: what waits longer than the queue holds is dropped', () => {
  const pipe = new Pipe(shape);
  let taken = 0;
  // Twice what it can carry, for 100 ms.
  for (let ms = 0; ms < 100; ms++) for (const half of [0, 0.5]) if (pipe.offer(frame(0), ms + half)) taken++;
  const arrived = pipe.arrived(1000).length;
  expect(arrived).toBe(taken);
  expect(arrived).toBeGreaterThanOrEqual(100);
  expect(arrived).toBeLessThanOrEqual(107);
  expect(pipe.dropped).toBe(200 - taken);
});

test('when it is full, what keeps the network together goes first, and is not dropped', () => {
  const pipe = new Pipe(shape);
  for (let count = 0; count < 20; count++) pipe.offer(frame(1), 0);
  expect(pipe.offer(frame(9, 0xc0), 0)).toBe(true);
  expect(marks(pipe.arrived(12))).toEqual([1, 9]);
});

test('network control is known by its class of traffic, whichever version of IP; ARP is', () => {
  const other = (...bytes: number[]): Uint8Array =>
    Uint8Array.from([...new Array<number>(12).fill(0), ...bytes]);
  expect(isControl(other(0x08, 0x00, 0x45, 0xc0))).toBe(true);
  expect(isControl(other(0x08, 0x00, 0x45, 0xb8))).toBe(false);
  expect(isControl(other(0x86, 0xdd, 0x6c, 0x00))).toBe(true);
  expect(isControl(other(0x86, 0xdd, 0x60, 0x00))).toBe(false);
  expect(isControl(other(0x08, 0x06, 0, 1))).toBe(true);
  expect(isControl(other())).toBe(false);
});

test('the hook lets through what has been through the line, and is taken away as it was put there', () => {
  expect(hook('eth3')).toContain('meta mark 7823726 accept\n    fwd to "wan-eth3"');
  expect(unhook('eth3').join(' ')).toBe('nft delete table netdev wan-eth3');
});
