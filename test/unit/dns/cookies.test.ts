/** RFC 9018, appendix A. */
import { expect, test } from 'vitest';
import { ServerCookies } from '../../../appliance/dns/cookies.ts';
import { sourceBytes } from './support.ts';

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));

test.each([
  // A.1
  [
    '198.51.100.100',
    'e5e973e5a6b2a43f48e7dc849e37bfcf',
    '2464c4abcf10c957',
    1559731985,
    '010000005cf79f111f8130c3eee29480',
  ],
  // A.4, with the new secret
  [
    '2001:db8:220:1:59de:d0f4:8769:82b8',
    '445536bcd2513298075a5d379663c962',
    '22681ab97d52c298',
    1559741961,
    '010000005cf7c609a6bb79d16625507a',
  ],
])('%s is given the cookie of the RFC', (source, secret, client, now, expected) => {
  const cookies = new ServerCookies([bytes(secret)]);
  const output = new Uint8Array(16);
  cookies.write(bytes(client), 0, sourceBytes(source), 0, now, output, 0);
  expect(Buffer.from(output).toString('hex')).toBe(expected);
});

test.each([
  // A.3: with bits reserved set, by another implementation.
  [
    '203.0.113.203',
    'e5e973e5a6b2a43f48e7dc849e37bfcf',
    'fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5',
    0x5cf78f71 + 60,
  ],
  // A.4: by the secret before.
  [
    '2001:db8:220:1:59de:d0f4:8769:82b8',
    'dd3bdf9344b678b185a6f5cb60fca715',
    '22681ab97d52c298010000005cf7c57926556bd0934c72f8',
    1559741961,
  ],
])('%s may use the cookie of the RFC', (source, secret, cookie, now) => {
  const cookies = new ServerCookies([new Uint8Array(16), bytes(secret)]);
  const valid = (at: number, from = source) => cookies.judge(bytes(cookie), 0, 24, sourceBytes(from), 0, at);
  expect(valid(now)).toBe('old');
  expect([valid(now + 7200), valid(now - 7200), valid(now, '192.0.2.1')]).toEqual(['none', 'none', 'none']);
});

test('a young one is given back as it is, one that grows old is renewed', () => {
  const cookies = new ServerCookies([new Uint8Array(16).fill(1)]);
  const source = sourceBytes('192.0.2.1');
  const whole = new Uint8Array(24);
  cookies.write(whole, 0, source, 0, 1000, whole, 8);
  const at = (now: number): string => cookies.judge(whole, 0, 24, source, 0, now);
  expect([at(1000), at(700), at(2800), at(2801), at(4600), at(4601), at(699)]).toEqual([
    'young',
    'young',
    'young',
    'old',
    'old',
    'none',
    'none',
  ]);
});
