import { expect, test } from 'vitest';
import { sipHash } from '../../../appliance/responder/siphash.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const key = Uint8Array.from({ length: 16 }, (_, index) => index);

// Appendix A of the paper, and the first of the vectors that its authors publish (input 00 01 02 … of that length).
test.each([
  [0, '310e0edd47db6f72'],
  [1, 'fd67dc93c539f874'],
  [7, '37d1018bf50002ab'],
  [8, '6224939a79f5f593'],
  [15, 'e545be4961ca29a1'],
  [63, '724506eb4c328a95'],
])('SipHash-2-4 of %i bytes', (length, expected) => {
  expect(
    hex(
      sipHash(
        key,
        Uint8Array.from({ length }, (_, index) => index),
      ),
    ),
  ).toBe(expected);
});

test('a key of another length is refused', () => {
  expect(() => sipHash(new Uint8Array(8), new Uint8Array(0))).toThrow('16 bytes');
});
