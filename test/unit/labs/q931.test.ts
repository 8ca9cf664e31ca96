/** The call signalling of the lab's conference servers. Vectors by hand from the tables of Q.931 and RFC 1006. */
import { describe, expect, test } from 'vitest';
import { decodeQ931, encodeStatusEnquiry } from '../../../appliance/health/codec/q931.ts';
import { decode, Element, encode, MessageType, readUserText, userText } from '../../../labs/apps/q931.ts';

const STATUS = {
  type: MessageType.status,
  callReference: 0x0123,
  fromCalled: true,
  elements: new Map([
    [Element.cause, Uint8Array.of(0x80, 0x9e)],
    [Element.callState, Uint8Array.of(0)],
  ]),
};
//              TPKT     length PD CRL  CR      STATUS  cause       call state
const VECTOR = '03 00   00 10  08 02  81 23   7d      08 02 80 9e 14 01 00';
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

test('STATUS as bytes, both ways', () => {
  expect(encode(STATUS)).toEqual(hex(VECTOR));
  const { message, rest } = decode(hex(`${VECTOR} 03`))!;
  expect(message).toMatchObject({ type: 0x7d, callReference: 0x123, fromCalled: true });
  expect([...message.elements.get(Element.cause)!]).toEqual([0x80, 0x9e]);
  expect(rest).toEqual(hex('03'));
});

test('a message cut anywhere is only incomplete', () => {
  const whole = hex(VECTOR);
  for (let length = 0; length < whole.length; length++)
    expect(decode(whole.subarray(0, length))).toBeUndefined();
});

test('empty frames are keep-alives and passed over', () => {
  expect(decode(hex(`03 00 00 04 03 00 00 04 ${VECTOR}`))?.message.callReference).toBe(0x123);
});

test("a manager's health check understands the answer", () => {
  expect(decodeQ931(encode(STATUS).subarray(4))).toMatchObject({
    reference: 0x123,
    fromCalled: true,
    cause: 30,
  });
});

test("a manager's status enquiry is understood", () => {
  const enquiry = Buffer.from(encodeStatusEnquiry(0x4711, new Uint8Array(16)));
  expect(decode(enquiry)?.message).toMatchObject({ type: MessageType.statusEnquiry, callReference: 0x4711 });
});

test('the User-User element has two octets of length', () => {
  const text = 'media=40000'.repeat(30);
  const bytes = encode({
    type: MessageType.connect,
    callReference: 1,
    fromCalled: true,
    elements: new Map([[Element.userUser, userText(text)]]),
  });
  expect(readUserText(decode(bytes)!.message)).toBe(text);
});

describe('refused', () => {
  test.each([
    ['another TPKT version', '02 00 00 09 08 02 00 01 75', 'TPKT version 2'],
    ['a length below the header', '03 00 00 03', 'TPKT length 3'],
    ['a length beyond all use', '03 00 ff ff', 'TPKT length 65535'],
    ['another protocol', '03 00 00 09 09 02 00 01 75', 'not a Q.931'],
    ['an element longer than the message', '03 00 00 0c 08 02 00 01 75 08 05 80', 'longer than its message'],
    ['an element without a length', '03 00 00 0a 08 02 00 01 75 08', 'has no length'],
  ])('%s', (_what, bytes, message) => {
    expect(() => decode(hex(bytes))).toThrow(message);
  });
});
