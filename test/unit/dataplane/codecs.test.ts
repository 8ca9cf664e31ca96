import { expect, test } from 'vitest';
import { attribute, attributes, big32 } from '../../../appliance/dataplane/attributes.ts';
import { forgetTracked, readRemembered, readTracked } from '../../../appliance/dataplane/flow.ts';
import { hostRoute } from '../../../appliance/dataplane/route-messages.ts';
import { synTo } from '../../../appliance/dataplane/syn.ts';
import { address } from '../../../sdk/wire/address.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const ip = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);

const entry = Buffer.concat([
  ip(2, 0, 0, 0),
  attribute(1, [
    attribute(1, [attribute(1, ip(10, 9, 0, 2)), attribute(2, ip(10, 50, 0, 1))]),
    attribute(2, [attribute(1, ip(6)), attribute(2, ip(0x9c, 0x40)), attribute(3, ip(0, 80))]),
  ]),
  attribute(4, [attribute(1, [attribute(1, ip(3))])]),
  attribute(8, big32(0xb2345678)),
]);

test('a conntrack entry becomes a flow', () => {
  expect(readTracked(entry)).toEqual({
    client: '10.9.0.2',
    clientPort: 40000,
    vip: '10.50.0.1',
    vipPort: 80,
    transport: 'tcp',
    mark: 0xb2345678,
    established: true,
  });
});

test.each([0, 1, 0x8000, 0x9fffffff, 0xc0000000, 0xffffffff])(
  'a flow that other software marked %i is not ours',
  mark => {
    const theirs = Buffer.concat([entry.subarray(0, -4), big32(mark)]);
    expect(readTracked(theirs)).toBeUndefined();
  },
);

test('a conntrack entry that is cut short anywhere is refused or read in part, never misread', () => {
  for (let length = 0; length < entry.length; length++) {
    const flow = readTracked(entry.subarray(0, length));
    if (flow !== undefined) expect(flow.mark).toBe(0xb2345678);
  }
  expect(readTracked(Buffer.alloc(0))).toBeUndefined();
});

test('an element of the map of remembered flows becomes a flow', () => {
  const expiration = new Uint8Array(8);
  new DataView(expiration.buffer).setBigUint64(0, 7_000_000n);
  const element = (data: Uint8Array): Uint8Array =>
    attribute(1, [
      attribute(1, [attribute(1, ip(10, 9, 0, 2, 0x9c, 0x40, 0, 0, 10, 50, 0, 1, 0, 80, 0, 0))]),
      attribute(2, [attribute(1, data)]),
      attribute(5, expiration),
    ]);
  const message = Buffer.concat([
    ip(1, 0, 0, 0),
    attribute(3, [element(ip(0x78, 0x56, 0x34, 0x12)), element(ip(1))]),
  ]);
  expect(readRemembered(message, 'tcp', 3_600_000)).toEqual([
    {
      client: '10.9.0.2',
      clientPort: 40000,
      vip: '10.50.0.1',
      vipPort: 80,
      transport: 'tcp',
      mark: 0x12345678,
      established: true,
    },
  ]);
});

test('requests, byte by byte', () => {
  expect(hex(forgetTracked(0x1002))).toBe(
    '240000000201050001000000000000000000000008000800000010020800150' + '0ffffffff',
  );
  expect(hex(hostRoute(address('10.1.0.11'), true))).toBe(
    '3400000018000505010000000000000002200000' +
      '00b100010000000008000100' +
      '0a01000b080005000a01000b08000f0013260000',
  );
});

test('attributes that lie about their length end the list', () => {
  expect([...attributes(ip(200, 0, 1, 0, 1, 2, 3, 4)).keys()]).toEqual([]);
  expect([...attributes(ip(0, 0, 1, 0)).keys()]).toEqual([]);
});

test('the SYN carries a right checksum', () => {
  const flow = { clientPort: 40000, vipPort: 80, transport: 'tcp', mark: 1, established: true } as const;
  for (const [vip, client, header] of [
    ['10.50.0.1', '10.9.0.2', 20],
    ['fd50::1', 'fd09::2', 40],
  ] as const) {
    const packet = synTo({ ...flow, vip: address(vip), client: address(client) });
    expect(packet).toHaveLength(header + 20);
    const addresses = header === 20 ? packet.subarray(12, 20) : packet.subarray(8, 40);
    let sum = 6 + 20;
    for (const bytes of [addresses, packet.subarray(header)])
      for (let at = 0; at < bytes.length; at += 2) sum += bytes[at]! * 256 + bytes[at + 1]!;
    expect(sum % 0xffff).toBe(0);
  }
});
