import { describe, expect, it } from 'vitest';
import { countConnections, loadOf } from '../../../appliance/agent/usage.ts';
import { address } from '../../../sdk/wire/address.ts';

const HEAD4 =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const line4 = (index: number, local: string, state: string): string =>
  `${String(index).padStart(4)}: ${local} 0900000A:D431 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${index} 1 0000000000000000 100 0 0 10 0\n`;
const line6 = (index: number, local: string, state: string): string =>
  `${String(index).padStart(4)}: ${local} 0000000000000000FFFF00000900000A:D431 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${index} 1 0000000000000000\n`;

const TCP4 = [
  HEAD4,
  line4(0, '0100630A:06B8', '01'), // 10.99.0.1:1720 established
  line4(1, '0100630A:06B8', '01'),
  line4(2, '0100630A:06B8', '0A'), // listening
  line4(3, '0200630A:06B8', '01'), // another VIP
  line4(4, '0100630A:0050', '06'), // time-wait
  line4(10_000, '0100630A:1388', '01'), // 10.99.0.1:5000
].join('');
const TCP6 = [
  HEAD4,
  line6(0, '0000000000000000FFFF00000100630A:06B8', '01'), // ::ffff:10.99.0.1
  line6(1, 'B80D0120000000000000000001000000:06B8', '01'), // 2001:db8::1
].join('');

const port = (first: number, last = first) => [{ first, last }];

describe('countConnections', () => {
  it('counts established sockets at a VIP and its ports, in both tables', () => {
    const vip = address('10.99.0.1');
    expect(
      countConnections(TCP4, TCP6, [
        { ports: port(1720), address: vip },
        { ports: port(1720), address: address('10.99.0.2') },
        { ports: port(80), address: vip },
        { ports: port(5000, 5100), address: vip },
        { ports: port(1720), address: address('2001:db8::1') },
        { ports: port(1720), address: undefined },
        { ports: [], address: undefined },
      ]),
    ).toEqual([3, 1, 0, 1, 1, 0, 0]);
  });

  it('counts for a service with no VIP of its own what came to none of the VIPs', () => {
    const place = { ports: port(1720), address: undefined };
    expect(countConnections(TCP4, TCP6, [place])).toEqual([5]);
    expect(countConnections(TCP4, TCP6, [place, { ports: port(80), address: address('10.99.0.1') }])).toEqual(
      [2, 0],
    );
  });

  it('reads nothing out of nothing, and survives a text that is cut', () => {
    const places = [{ ports: port(1720), address: undefined }];
    expect(countConnections('', '', places)).toEqual([0]);
    for (let end = 0; end < TCP4.length; end += 7)
      expect(countConnections(TCP4.slice(0, end), '', places)[0]).toBeLessThanOrEqual(3);
  });

  it('reads 50,000 sockets in a moment', () => {
    const text = HEAD4 + line4(1, '0100630A:06B8', '01').repeat(50_000);
    const began = process.cpuUsage();
    expect(countConnections(text, '', [{ ports: port(1720), address: address('10.99.0.1') }])).toEqual([
      50_000,
    ]);
    // µs of its own, whatever else the machine does.
    expect(process.cpuUsage(began).user).toBeLessThan(2_000_000);
  });
});

describe('loadOf', () => {
  it.each([
    ['0.00 0.01 0.05 1/123 4567\n', '0-3\n', 0],
    ['2.00 1.00 0.50 1/123 4567\n', '0-3\n', 500],
    ['9.00 1.00 0.50 1/123 4567\n', '0-3\n', 1000],
    ['1.00 1.00 0.50 1/123 4567\n', '0-1,6\n', 333],
    ['1.00', '', 1000],
    ['', '0-3', 0],
  ])('%j on processors %j is %i', (loadavg, online, load) => {
    expect(loadOf(loadavg, online)).toBe(load);
  });
});
