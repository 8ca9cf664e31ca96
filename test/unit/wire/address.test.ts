import { describe, expect, test } from 'vitest';
import {
  type Address,
  addressBytes,
  addressFromBytes,
  familyOf,
  type Mac,
  macBytes,
  macFromBytes,
  parseAddress,
  parseMac,
  parsePrefix,
  prefixHolds,
} from '../../../sdk/wire/address.ts';

describe('addresses have one spelling (RFC 5952)', () => {
  test.each([
    ['10.0.0.1', '10.0.0.1'],
    ['0.0.0.0', '0.0.0.0'],
    ['FD00::1', 'fd00::1'],
    ['2001:0db8:0:0:0:0:0:0001', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['::ffff:10.0.0.1', '::ffff:a00:1'],
    ['1:2:3:4:5:6:10.0.0.1', '1:2:3:4:5:6:a00:1'],
  ])('%s', (text, canonical) => {
    const address = parseAddress(text)!;
    expect(address).toBe(canonical);
    expect(addressFromBytes(addressBytes(address))).toBe(canonical);
    expect(familyOf(address)).toBe(canonical.includes(':') ? 6 : 4);
  });

  test.each([
    '',
    '10.0.0',
    '10.0.0.0.1',
    '10.0.0.256',
    '10.0.0.01',
    '10.0.0.-1',
    '0x0a.0.0.1',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '12345::',
    'g::',
    ':1:2:3:4:5:6:7',
    '10.0.0.1::',
    '1:10.0.0.1::2',
    'fe80::1%eth0',
    ' 10.0.0.1',
    '10.0.0.1/8',
  ])('%j is none', text => expect(parseAddress(text)).toBeUndefined());

  test('of other lengths there is none', () => {
    expect([0, 3, 5, 15, 17].map(length => addressFromBytes(new Uint8Array(length)))).toEqual(
      Array(5).fill(undefined),
    );
  });
});

describe('prefixes', () => {
  test.each([
    ['10.1.2.3/16', '10.1.0.0/16'],
    ['10.1.2.3/32', '10.1.2.3/32'],
    ['10.1.2.3/0', '0.0.0.0/0'],
    ['10.1.2.255/25', '10.1.2.128/25'],
    ['fd00:1:2::3/32', 'fd00:1::/32'],
  ])('%s', (text, canonical) => expect(parsePrefix(text)).toBe(canonical));

  test.each(['10.0.0.0', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/8/8', 'fd00::/129', '/8', '10.0.0.0/'])(
    '%j is none',
    text => expect(parsePrefix(text)).toBeUndefined(),
  );

  test('hold what is in them', () => {
    const holds = (prefix: string, address: string) => prefixHolds(parsePrefix(prefix)!, address as Address);
    expect(holds('10.1.0.0/16', '10.1.255.255')).toBe(true);
    expect(holds('10.1.0.0/16', '10.2.0.0')).toBe(false);
    expect(holds('0.0.0.0/0', '10.2.0.0')).toBe(true);
    expect(holds('0.0.0.0/0', 'fd00::1')).toBe(false);
    expect(holds('fd00::/8', 'fdff::1')).toBe(true);
  });
});

test('Ethernet addresses', () => {
  expect(parseMac('02-AB-00-00-00-0C')).toBe('02:ab:00:00:00:0c');
  expect(parseMac('02:ab:00:00:00')).toBeUndefined();
  expect(parseMac('02:ab:00:00:00:0g')).toBeUndefined();
  expect(macFromBytes(Uint8Array.from([9, ...macBytes('02:ab:00:00:00:0c' as Mac)]), 1)).toBe(
    '02:ab:00:00:00:0c',
  );
});
