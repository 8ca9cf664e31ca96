/** The bytes of ospfd's API, as ospfd 8.4.4 sent and took them. */
import { describe, expect, test } from 'vitest';
import {
  ApiReader,
  encodeDelete,
  encodeEvents,
  encodeOriginate,
  encodeRegister,
  encodeSyncLsdb,
  encodeSyncReachable,
  errorOf,
  MOST_DATA,
} from '../../../appliance/flooding/ospf-api.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

test.each([
  ['register', encodeRegister(1, 187), '01 01 0004 00000001 0b bb 0000'],
  ['events', encodeEvents(2), '01 03 0004 00000002 0400 02 00'],
  ['sync of the database', encodeSyncLsdb(3), '01 04 0004 00000003 0400 02 00'],
  ['sync of routers', encodeSyncReachable(4), '01 07 0004 00000004 00000000'],
  [
    'originate',
    encodeOriginate(5, { opaqueType: 187, id: 0x010203, data: bytes('42 56 01 31 ff') }),
    '01 05 0024 00000005 00000000 00000000 0000 00 0b bb010203 00000000 00000000 0000 001c 42560131ff000000',
  ],
  ['delete', encodeDelete(6, 187, 0x010203), '01 06 000c 00000006 00000000 0b bb 00 00 00010203'],
])('%s', (_name, encoded, wanted) => {
  expect(hex(encoded)).toBe(hex(bytes(wanted)));
});

test('an LSA has room for MOST_DATA bytes, and ids have 24 bits', () => {
  const data = new Uint8Array(MOST_DATA);
  expect(encodeOriginate(1, { opaqueType: 187, id: 0, data })).toHaveLength(8 + 8 + 20 + MOST_DATA);
  const longer = new Uint8Array(MOST_DATA + 1);
  expect(() => encodeOriginate(1, { opaqueType: 187, id: 0, data: longer })).toThrow(RangeError);
  expect(() => encodeOriginate(1, { opaqueType: 187, id: 1 << 24, data })).toThrow(RangeError);
  expect(() => encodeOriginate(1, { opaqueType: 187, id: -1, data })).toThrow(RangeError);
});

const REPLIES = bytes('010a 0004 00000001 00000000 010a 0004 00000002 fb000000');
const LSA = '0002 40 0b bb93a142 01000001 80000001 e756 0018 42560131';
const UPDATE = bytes(`010c 0024 00000000 00000000 00000000 00 000000 ${LSA}`);
const GONE = bytes(`010d 0024 00000000 00000000 00000000 01 000000 ${LSA}`);
const REACHABLE = bytes('0112 0010 00000000 0002 0001 01000001 02000002 03000003');
const lsa = {
  ...{ type: 11, age: 2, opaqueType: 187, id: 0x93a142, router: '1.0.0.1', sequence: -0x7fffffff },
  data: bytes('42560131'),
};

describe('what ospfd says', () => {
  const whole = Uint8Array.from([...REPLIES, ...UPDATE, ...GONE, ...REACHABLE]);
  const wanted = [
    { type: 'reply', sequence: 1, code: 0 },
    { type: 'reply', sequence: 2, code: -5 },
    { type: 'update', own: false, lsa },
    { type: 'gone', own: true, lsa },
    { type: 'reachable', added: ['1.0.0.1', '2.0.0.2'], removed: ['3.0.0.3'] },
  ];

  test('is read at once', () => {
    expect(new ApiReader().push(whole)).toEqual(wanted);
  });

  test('is read from any two pieces, and byte by byte', () => {
    for (let at = 0; at <= whole.length; at++) {
      const reader = new ApiReader();
      expect([...reader.push(whole.slice(0, at)), ...reader.push(whole.slice(at))]).toEqual(wanted);
    }
    const reader = new ApiReader();
    expect([...whole].flatMap(byte => reader.push(Uint8Array.of(byte)))).toEqual(wanted);
  });

  test('an age that is not to be flooded on (DoNotAge) counts without that bit', () => {
    const [message] = new ApiReader().push(bytes(hex(UPDATE).replace('000240', '8e1040')));
    expect(message).toMatchObject({ lsa: { age: 3600 } });
  });

  test.each([
    ['another version', '02 0a 0004 00000001 00000000'],
    ['a message that is too long', '01 0c 1001 00000000'],
    ['a reply without its code', '01 0a 0000 00000001'],
    ['an LSA that is cut', '01 0c 0010 00000000 000000000000000000000000 00000000'],
    ['an LSA longer than its message', hex(UPDATE).replace('e7560018', 'e7560019')],
    ['an LSA shorter than its header', hex(UPDATE).replace('e7560018', 'e7560013')],
    ['more routers than there are', '01 12 0008 00000000 0002 0000 01000001'],
    ['routers without their counts', '01 12 0002 00000000 0002'],
  ])('%s ends the stream', (_name, text) => {
    expect(() => new ApiReader().push(bytes(text))).toThrow(RangeError);
  });

  test('what is of no use is passed over: other messages, LSAs of other types', () => {
    expect(new ApiReader().push(bytes('01 10 0004 00000000 00000000'))).toEqual([
      { type: 'other', number: 16 },
    ]);
    const router = bytes(hex(UPDATE).replace('00024' + '00b', '00024' + '001'));
    expect(new ApiReader().push(router)).toEqual([{ type: 'other', number: 12 }]);
  });
});

test('error codes are told in words', () => {
  expect(errorOf(-5)).toContain('opaque type');
  expect(errorOf(-77)).toBe('error -77');
});
