/**
 * A SYN from the VIP to a client that has a connection there: a client in any synchronized state answers it with a challenge ACK
 * (RFC 5961 §4.2), which meets the dead flow's rule, which answers with exactly the RST that the client believes (RFC 9293 §3.10.7).
 * So a client that waits in read() for a dead server learns of it within a round trip, though nobody here knows its sequence numbers.
 */
import { addressBytes, familyOf } from '../../sdk/wire/address.ts';
import type { Flow } from './flow.ts';

const TCP_LENGTH = 20;
const SYN = 0x02;
const TTL = 64;

/** The IP packet, header included (the kernel fills in the IPv4 checksum and identification). */
export function synTo(flow: Flow): Uint8Array {
  const [from, to] = [addressBytes(flow.vip), addressBytes(flow.client)];
  const four = familyOf(flow.vip) === 4;
  const header = four ? 20 : 40;
  const packet = new Uint8Array(header + TCP_LENGTH);
  const view = new DataView(packet.buffer);
  if (four) {
    view.setUint8(0, 0x45);
    view.setUint16(2, packet.length);
    view.setUint8(8, TTL);
    view.setUint8(9, 6);
    packet.set(from, 12);
    packet.set(to, 16);
  } else {
    view.setUint8(0, 0x60);
    view.setUint16(4, TCP_LENGTH);
    view.setUint8(6, 6);
    view.setUint8(7, TTL);
    packet.set(from, 8);
    packet.set(to, 24);
  }
  view.setUint16(header, flow.vipPort);
  view.setUint16(header + 2, flow.clientPort);
  view.setUint8(header + 12, (TCP_LENGTH / 4) << 4);
  view.setUint8(header + 13, SYN);
  view.setUint16(header + 14, 1024);
  view.setUint16(header + 16, checksum(from, to, packet.subarray(header)));
  return packet;
}

/** RFC 9293 §3.1: over the pseudo-header and the segment (whose checksum is zero so far). */
function checksum(from: Uint8Array, to: Uint8Array, segment: Uint8Array): number {
  let sum = 6 + segment.length;
  for (const bytes of [from, to, segment])
    for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at]! << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
