/** The lab's own client of DNS: what it asks, and what it makes of answers. */
import { expect, test } from 'vitest';
import { readStubReply, stubQuery } from '../../../labs/apps/stub.ts';

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'));
const COOKIE = bytes('0102030405060708');

test('a question for an address on behalf of a client, with its cookie', () => {
  expect(Buffer.from(stubQuery(0x1234, 'a.test', '10.1.0.101', COOKIE)).toString('hex')).toBe(
    '1234 0000 0001 0000 0000 0001 01 61 04 74657374 00 0001 0001 00 0029 04d0 00000000 0018'
      .concat('0008 0008 0001 20 00 0a010065 000a 0008 0102030405060708')
      .replaceAll(' ', ''),
  );
});

/** Header and question; `flags` and the counts of records. */
const head = (flags: string, counts: string): string =>
  `1234 ${flags} 0001 ${counts} 01 61 04 74657374 00 0001 0001`;
const record = (address: string): string => `c00c 0001 0001 00000002 0004 ${address}`;

test('addresses in their order, names compressed or not, and the cookie for the next time', () => {
  const opt = '00 0029 04d0 00000000 0014 000a 0010 0102030405060708 1112131415161718';
  const named = '01 61 04 74657374 00 0001 0001 00000002 0004 0aff0250';
  const reply = readStubReply(
    bytes(`${head('8400', '0002 0000 0001')} ${record('0aff0150')} ${named} ${opt}`),
  );
  expect(reply).toMatchObject({ id: 0x1234, whole: true, addresses: ['10.255.1.80', '10.255.2.80'] });
  expect(Buffer.from(reply.cookie!).toString('hex')).toBe('01020304050607081112131415161718');
});

test('no such name is an answer; a truncated one, or one that only hands out a cookie, is none', () => {
  const none = readStubReply(bytes(head('8403', '0000 0000 0000')));
  expect(none).toMatchObject({ whole: true, addresses: [], cookie: undefined });
  expect(readStubReply(bytes(head('8600', '0000 0000 0000'))).whole).toBe(false);
  // BADCOOKIE (23) has its upper bits in OPT.
  const bad = readStubReply(bytes(`${head('8407', '0000 0000 0001')} 00 0029 04d0 01000000 0000`));
  expect(bad.whole).toBe(false);
});

test('what is cut short is refused', () => {
  const whole = bytes(`${head('8400', '0001 0000 0000')} ${record('0aff0150')}`);
  for (let length = 0; length < whole.length - 4; length++)
    expect(() => readStubReply(whole.subarray(0, length))).toThrow(RangeError);
});
