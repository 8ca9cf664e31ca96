/** Captures made of bytes, for dissectors: Ethernet frames in the pcap format, with IPv4, TCP and UDP headers where asked. */

const u16 = (value: number): number[] => [(value >> 8) & 255, value & 255];
const u32 = (value: number): number[] => [...u16(value >>> 16), ...u16(value & 0xffff)];
const ETHERNET = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 12, 0x08, 0x00];

/** A whole capture: link type 1 (Ethernet), one frame a millisecond. */
export function pcap(frames: readonly Uint8Array[]): Uint8Array {
  const bytes = [...u32(0xa1b2c3d4), ...u16(2), ...u16(4), ...u32(0), ...u32(0), ...u32(262_144), ...u32(1)];
  for (const [index, frame] of frames.entries()) {
    bytes.push(...u32(1 + Math.floor(index / 1000)), ...u32((index % 1000) * 1000));
    bytes.push(...u32(frame.length), ...u32(frame.length), ...frame);
  }
  return Uint8Array.from(bytes);
}

/** Which way a packet goes: `there`, from the client's port 40000 to the given one, or back. */
export type Direction = 'there' | 'back';

function ipv4(protocol: number, payload: readonly number[], direction: Direction = 'there'): Uint8Array {
  const header = [0x45, 0, ...u16(20 + payload.length), 0, 0, 0x40, 0, 64, protocol, 0, 0];
  const [client, server] = [
    [10, 1, 0, 50],
    [10, 9, 0, 1],
  ] as const;
  const addresses = direction === 'there' ? [...client, ...server] : [...server, ...client];
  return Uint8Array.from([...ETHERNET, ...header, ...addresses, ...payload]);
}

const ports = (port: number, direction: Direction): number[] =>
  direction === 'there' ? [...u16(40_000), ...u16(port)] : [...u16(port), ...u16(40_000)];

export const udpFrame = (port: number, payload: Uint8Array): Uint8Array =>
  ipv4(17, [...ports(port, 'there'), ...u16(8 + payload.length), 0, 0, ...payload]);

/** One segment of a connection to `port`; `sequence` and `acknowledged` count bytes from 1. */
const tcpFrame = (
  port: number,
  sequence: number,
  payload: Uint8Array,
  direction: Direction = 'there',
  acknowledged = 1,
): Uint8Array =>
  ipv4(
    6,
    [
      ...ports(port, direction),
      ...u32(sequence),
      ...u32(acknowledged),
      ...[0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0],
      ...payload,
    ],
    direction,
  );

/** A whole connection to `port` from what each side sent, in order; cut into segments of at most `mss` bytes. */
export function tcpFrames(
  port: number,
  sent: readonly (readonly [Direction, Uint8Array])[],
  mss = 1460,
): Uint8Array[] {
  const next = { there: 1, back: 1 };
  const frames: Uint8Array[] = [];
  for (const [direction, bytes] of sent) {
    for (let at = 0; at < bytes.length; at += mss) {
      const segment = bytes.subarray(at, at + mss);
      const other = direction === 'there' ? next.back : next.there;
      frames.push(tcpFrame(port, next[direction], segment, direction, other));
      next[direction] += segment.length;
    }
  }
  return frames;
}
