import { expect, test } from 'vitest';
import { linuxRawSockets } from '../../appliance/host/raw.ts';
import { address } from '../../sdk/wire/address.ts';

/** RFC 1071. */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let index = 0; index < bytes.length; index += 2) sum += (bytes[index]! << 8) | (bytes[index + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

test.each([
  { family: 4, protocol: 1, to: '127.0.0.1', request: 8, reply: 0 },
  { family: 6, protocol: 58, to: '::1', request: 128, reply: 129 },
] as const)(
  'raw sockets: an ICMP echo over IPv$family comes back',
  async ({ family, protocol, to, request, reply }) => {
    const sockets = await linuxRawSockets(problem => {
      throw new Error(problem);
    });
    const echo = Uint8Array.of(request, 0, 0, 0, 0x42, process.pid & 255, 0, 1, 1, 2, 3, 4);
    if (family === 4) new DataView(echo.buffer).setUint16(2, checksum(echo));
    const back = await new Promise<{ packet: Uint8Array; from: string }>(resolve => {
      const socket = sockets.open(family, protocol, false, (packet, from) => {
        if (packet[0] !== reply || packet[5] !== (process.pid & 255)) return;
        resolve({ packet: packet.slice(), from });
        socket.close();
      });
      socket.send(echo, address(to));
    });
    expect(back.from).toBe(to);
    expect([...back.packet.subarray(8)]).toEqual([1, 2, 3, 4]);
  },
);
