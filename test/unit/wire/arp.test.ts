import { describe, expect, test } from 'vitest';
import type { Address, Mac } from '../../../sdk/wire/address.ts';
import { encodeAnycast } from '../../../sdk/wire/anycast.ts';
import {
  anycastAnswerFrame,
  anycastQueryFrame,
  BROADCAST,
  decodeArp,
  encodeArp,
  NO_ADDRESS,
  NO_MAC,
} from '../../../sdk/wire/arp.ts';
import { WireError } from '../../../sdk/wire/errors.ts';
import { vectors } from '../../support/vectors.ts';

const frame = (name: string) => Uint8Array.from(vectors.find(vector => vector.name === name)!.bytes);
const client = '02:00:00:00:00:0c' as Mac;
const manager = '02:00:00:00:00:01' as Mac;
const message = encodeAnycast({ type: 'cookie', nonce: new Uint8Array(8), cookie: new Uint8Array(8) });

describe('frames that are not ours are passed over', () => {
  const altered = (name: string, at: number, ...bytes: number[]) => {
    const copy = frame(name);
    copy.set(bytes, at);
    return copy;
  };
  test.each([
    ['nothing', new Uint8Array(0)],
    ['IPv4', altered('frame-request', 12, 0x08, 0x00)],
    ['another hardware', altered('frame-request', 14, 0, 6)],
    ['another protocol', altered('frame-request', 16, 0x86, 0xdd)],
    ['other lengths', altered('frame-request', 18, 8, 4)],
    ['RARP’s opcode', altered('frame-request', 20, 0, 3)],
    ['a wide opcode that ends in 24', altered('frame-query', 20, 1, 24)],
  ])('%s', (_case, bytes) => expect(decodeArp(bytes)).toBeUndefined());
});

test('padding behind the message is not part of it, whatever it holds', () => {
  const bytes = frame('frame-query-short');
  expect(bytes.length).toBe(66);
  const longer = Uint8Array.from([...bytes, 0xde, 0xad]);
  expect(decodeArp(longer)).toEqual(decodeArp(bytes));
});

test('a frame that ends before its message does is refused as a frame', () => {
  const bytes = frame('frame-query');
  for (const length of [41, 42, 53, 54, bytes.length - 1])
    expect(() => decodeArp(bytes.slice(0, length)), `${length} bytes`).toThrow(WireError);
});

test('a query frame says who asks for what', () => {
  const bytes = anycastQueryFrame(client, '10.1.0.50' as Address, '10.9.0.1' as Address, message);
  expect(decodeArp(bytes)).toEqual({
    destination: BROADCAST,
    source: client,
    operation: 'query',
    senderMac: client,
    senderAddress: '10.1.0.50',
    targetMac: NO_MAC,
    targetAddress: '10.9.0.1',
    message,
  });
});

test.each(['fd00::1' as Address, undefined])('a query for %s has no target address', vip => {
  expect(decodeArp(anycastQueryFrame(client, NO_ADDRESS, vip, message))).toMatchObject({
    targetAddress: '0.0.0.0',
    senderAddress: '0.0.0.0',
  });
});

test('an answer goes to the asker alone', () => {
  const query = decodeArp(anycastQueryFrame(client, '10.1.0.50' as Address, undefined, message))!;
  expect(decodeArp(anycastAnswerFrame(manager, '10.1.0.1' as Address, query, message))).toEqual({
    destination: client,
    source: manager,
    operation: 'answer',
    senderMac: manager,
    senderAddress: '10.1.0.1',
    targetMac: client,
    targetAddress: '10.1.0.50',
    message,
  });
});

test('IPv6 addresses have no place in an ARP body', () => {
  const bad = { ...decodeArp(frame('frame-request'))!, senderAddress: 'fd00::1' as Address };
  expect(() => encodeArp(bad)).toThrow(/IPv4/);
});

test('frames are as long as Ethernet wants them', () => {
  expect(encodeArp(decodeArp(frame('frame-request'))!).length).toBe(60);
});
