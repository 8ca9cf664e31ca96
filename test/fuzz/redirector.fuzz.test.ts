/** Whatever comes as a request: one answer at the most, bounded, and nothing of the request but its target in the Location. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LONGEST_HEAD, RequestReader } from '../../appliance/redirector/request.ts';
import { redirection } from '../../appliance/redirector/response.ts';
import { address } from '../../sdk/wire/address.ts';

const word = fc.constantFrom(
  'GET',
  ' ',
  '/',
  '\r',
  '\n',
  '\r\n',
  'HTTP/1.1',
  'http://',
  'x',
  '?',
  '#',
  '\u0000',
  ':',
  '\t',
  '\u007f',
  '%0d%0a',
);
const noise = fc.uint8Array({ maxLength: 200 }).map(bytes => String.fromCharCode(...bytes));
const request = fc
  .tuple(
    fc.constantFrom('GET', 'HEAD', 'P{OST', ''),
    fc.oneof(fc.webUrl({ withQueryParameters: true }), fc.string(), fc.constant('/a')),
    noise,
  )
  .map(([method, target, rest]) => `${method} ${target} HTTP/1.1\r\n${rest}\r\n\r\n`);
const text = fc.oneof(
  request,
  fc.array(word, { maxLength: 40 }).map(words => `${words.join('')}\n\n`),
  noise,
);

test('heads', () => {
  let good = 0;
  fc.assert(
    fc.property(text, fc.array(fc.nat(30), { maxLength: 50 }), (whole, cuts) => {
      const bytes = Uint8Array.from(whole, char => char.charCodeAt(0) & 255);
      const once = new RequestReader().push(bytes);
      const reader = new RequestReader();
      let inParts: typeof once;
      let at = 0;
      for (const length of [...cuts, bytes.length]) {
        inParts ??= reader.push(bytes.subarray(at, at + length));
        at += length;
      }
      expect(inParts).toEqual(once);
      if (once === undefined || 'status' in once) return;
      good++;
      expect(once.target).toMatch(/^\/[!-~]*$/);
      const answer = new TextDecoder().decode(
        redirection({ address: address('10.0.0.1'), port: 80 }, once.target),
      );
      expect(answer.split('\r\n')).toHaveLength(7);
    }),
    { numRuns: 3000 },
  );
  expect(good).toBeGreaterThan(100);
});

test('a head without end is refused at its bound', () => {
  const reader = new RequestReader();
  expect(reader.push(new Uint8Array(LONGEST_HEAD).fill(65))).toBeUndefined();
  expect(reader.push(Uint8Array.of(65))).toMatchObject({ status: 431 });
});
