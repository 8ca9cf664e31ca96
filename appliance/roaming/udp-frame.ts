/**
 * UDP over IPv4 (RFC 768, RFC 791) in Ethernet frames: read as they are captured, and made for a station that has an address but is in
 * nobody's ARP cache yet.
 */
import { type Address, addressBytes, type Mac, macBytes } from '../../sdk/wire/address.ts';
import { readU16 } from '../../sdk/wire/tlv.ts';

const ETHERNET = 14;
const IPV4 = 20;
const UDP = 8;
const PROTOCOL_UDP = 17;
const HOPS = 64;

/** The payload of an unfragmented UDP datagram, as a view of the frame; undefined for any other frame. Checksums are not looked at: a frame on its way out has none yet. */
export function udpPayload(frame: Uint8Array): Uint8Array | undefined {
  if (frame.length < ETHERNET + IPV4 + UDP || readU16(frame, 12) !== 0x0800) return undefined;
  const header = (frame[ETHERNET]! & 15) * 4;
  const total = readU16(frame, ETHERNET + 2);
  const end = ETHERNET + total;
  const udp = ETHERNET + header;
  if (frame[ETHERNET]! >> 4 !== 4 || header < IPV4 || total < header + UDP || end > frame.length)
    return undefined;
  // More fragments, or not the first of them.
  if ((readU16(frame, ETHERNET + 6) & 0x3fff) !== 0 || frame[ETHERNET + 9] !== PROTOCOL_UDP) return undefined;
  const length = readU16(frame, udp + 4);
  return length < UDP || udp + length > end ? undefined : frame.subarray(udp + UDP, udp + length);
}

export interface UdpFrame {
  readonly from: { readonly mac: Mac; readonly address: Address; readonly port: number };
  readonly to: { readonly mac: Mac; readonly address: Address; readonly port: number };
  readonly payload: Uint8Array;
}

/** A whole frame; both addresses are IPv4. */
export function udpFrame({ from, to, payload }: UdpFrame): Uint8Array {
  const frame = new Uint8Array(ETHERNET + IPV4 + UDP + payload.length);
  const view = new DataView(frame.buffer);
  frame.set(macBytes(to.mac), 0);
  frame.set(macBytes(from.mac), 6);
  view.setUint16(12, 0x0800);
  view.setUint16(ETHERNET, 0x4500);
  view.setUint16(ETHERNET + 2, IPV4 + UDP + payload.length);
  view.setUint16(ETHERNET + 6, 0x4000); // Don't fragment.
  view.setUint16(ETHERNET + 8, (HOPS << 8) | PROTOCOL_UDP);
  frame.set(addressBytes(from.address), ETHERNET + 12);
  frame.set(addressBytes(to.address), ETHERNET + 16);
  view.setUint16(ETHERNET + 10, complement(sum(frame.subarray(ETHERNET, ETHERNET + IPV4))));
  const udp = ETHERNET + IPV4;
  view.setUint16(udp, from.port);
  view.setUint16(udp + 2, to.port);
  view.setUint16(udp + 4, UDP + payload.length);
  frame.set(payload, udp + UDP);
  const pseudo = sum(frame.subarray(ETHERNET + 12, udp)) + PROTOCOL_UDP + UDP + payload.length;
  // Zero would mean that there is none.
  view.setUint16(udp + 6, complement(sum(frame.subarray(udp), pseudo)) || 0xffff);
  return frame;
}

/** RFC 1071. */
function sum(bytes: Uint8Array, start = 0): number {
  let total = start;
  for (let at = 0; at < bytes.length; at += 2) total += (bytes[at]! << 8) | (bytes[at + 1] ?? 0);
  return total;
}

function complement(total: number): number {
  let folded = total;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000);
  return ~folded & 0xffff;
}
