import { expect, test } from 'vitest';
import { type DhcpMessage, decodeDhcp } from '../../../appliance/roaming/dhcp-message.ts';
import { udpFrame, udpPayload } from '../../../appliance/roaming/udp-frame.ts';
import { address, type Mac } from '../../../sdk/wire/address.ts';
import { dhcpBytes, dhcpFrame } from '../../support/dhcp.ts';

const decoded = (bytes: Uint8Array): DhcpMessage => {
  const message = decodeDhcp(bytes);
  if (typeof message === 'string') throw new Error(message);
  return message;
};

test('a REQUEST with all that is looked at', () => {
  const message = decoded(
    dhcpBytes('request', {
      client: [1, 2, 0, 0, 0, 1, 1],
      name: 'web1',
      requested: '10.1.0.50',
      server: '10.1.0.1',
      relay: '10.7.0.1',
    }),
  );
  expect(message).toEqual({
    type: 'request',
    fromServer: false,
    xid: 0x12345678,
    hardware: Uint8Array.of(1, 2, 0, 0, 0, 1, 1),
    client: Uint8Array.of(1, 2, 0, 0, 0, 1, 1),
    name: 'web1',
    current: undefined,
    given: undefined,
    relay: '10.7.0.1',
    requested: '10.1.0.50',
    server: '10.1.0.1',
    lease: undefined,
  });
});

test('an ACK: the address given, and for how long', () => {
  const message = decoded(dhcpBytes('ack', { given: '10.1.0.50', lease: 0xffffffff }));
  expect([message.fromServer, message.given, message.lease]).toEqual([true, '10.1.0.50', 0xffffffff]);
});

test('an option in parts is one (RFC 3396), over the overloaded fields too, file before sname', () => {
  const bytes = dhcpBytes('request', {
    more: [
      [12, [0x61]],
      [52, [3]],
    ],
  });
  bytes.set([12, 1, 0x62, 255], 108);
  bytes.set([12, 1, 0x63, 255], 44);
  expect(decoded(bytes).name).toBe('abc');
});

test('a client identifier in parts is no longer than one option could be', () => {
  const client = (length: number) =>
    decoded(
      dhcpBytes('request', {
        more: [
          [61, Array(200).fill(7)],
          [61, Array(length).fill(7)],
        ],
      }),
    ).client?.length;
  expect([client(55), client(56)]).toEqual([255, undefined]);
});

test('a name holds nothing that a terminal would obey', () => {
  expect(decoded(dhcpBytes('discover', { name: '\u001b[2Jweb 1\n' })).name).toBe('[2Jweb1');
});

test.each(['0.0.0.0', '127.0.0.1', '224.0.0.1', '255.255.255.255'])('%s is no address of a host', text => {
  expect(decoded(dhcpBytes('ack', { given: text })).given).toBeUndefined();
});

const changed = (at: number, ...values: number[]): Uint8Array => {
  const bytes = dhcpBytes('discover');
  bytes.set(values, at);
  return bytes;
};
test.each([
  ['short', dhcpBytes('discover').subarray(0, 239)],
  ['long', new Uint8Array(1501)],
  ['op', changed(0, 3)],
  ['hardware', changed(2, 17)],
  ['cookie', changed(236, 0)],
  ['options', changed(241, 200)],
  ['bootp', changed(240, 255)],
  ['type', changed(242, 9)],
  ['type', changed(242, 0)],
])('%s', (fault, bytes) => {
  expect(decodeDhcp(bytes)).toBe(fault);
});

test('the payload of a frame, and of no other', () => {
  const frame = dhcpFrame('discover');
  expect(udpPayload(frame)).toEqual(dhcpBytes('discover'));
  const broken = (at: number, value: number): Uint8Array =>
    Uint8Array.from(frame, (byte, index) => (index === at ? value : byte));
  for (const other of [
    broken(12, 0x86),
    broken(14, 0x65),
    broken(14, 0x44),
    broken(20, 0x20),
    broken(21, 1),
    broken(23, 6),
    broken(38, 0xff),
    broken(39, 7),
    frame.subarray(0, 60),
  ])
    expect(udpPayload(other)).toBeUndefined();
});

test('a frame that is made has right checksums', () => {
  const end = { mac: '02:00:00:00:00:01' as Mac, address: address('10.1.0.1'), port: 9747 };
  const frame = udpFrame({
    from: end,
    to: { ...end, address: address('10.1.0.2') },
    payload: Uint8Array.of(1, 2, 3),
  });
  const words = (from: number, to: number, start = 0): number => {
    let sum = start;
    for (let at = from; at < to; at += 2) sum += (frame[at]! << 8) | (frame[at + 1] ?? 0);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    return sum;
  };
  expect(words(14, 34)).toBe(0xffff);
  expect(words(26, frame.length, 17 + 11)).toBe(0xffff);
});
