/**
 * ICMP echo for IPv4 (RFC 792) and IPv6 (RFC 4443 §4), and the errors about it.
 *
 *     0 type | 1 code | 2 checksum | 4 identifier | 6 sequence | 8 data…
 *     An error: 0 type | 1 code | 2 checksum | 4 unused | 8 the IP header and the beginning of the packet that it is about
 */
import { type Address, addressFromBytes, type Family } from '../../../sdk/wire/address.ts';

const TYPES = {
  4: { request: 8, reply: 0, unreachable: 3 },
  6: { request: 128, reply: 129, unreachable: 1 },
} as const;

const ICMP_PROTOCOL = { 4: 1, 6: 58 } as const;

export interface Echo {
  readonly identifier: number;
  readonly sequence: number;
  readonly data: Uint8Array;
}

/** An echo request. The checksum of an ICMPv6 one covers addresses and is left to the kernel. */
export function encodeEchoRequest(family: Family, { identifier, sequence, data }: Echo): Uint8Array {
  const bytes = new Uint8Array(8 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, TYPES[family].request);
  view.setUint16(4, identifier);
  view.setUint16(6, sequence);
  bytes.set(data, 8);
  if (family === 4) view.setUint16(2, internetChecksum(bytes));
  return bytes;
}

export type IcmpMessage =
  | ({ readonly kind: 'reply' } & Echo)
  /** "Destination unreachable" about an echo request of ours. */
  | {
      readonly kind: 'unreachable';
      readonly code: number;
      readonly to: Address;
      readonly identifier: number;
      readonly sequence: number;
    };

/** Reads an echo reply or an error about an echo request; undefined for all else that a raw socket hears. */
export function decodeIcmp(family: Family, bytes: Uint8Array): IcmpMessage | undefined {
  if (bytes.length < 8) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const type = view.getUint8(0);
  if (type === TYPES[family].reply) {
    if (family === 4 && internetChecksum(bytes) !== 0) return undefined;
    return {
      kind: 'reply',
      identifier: view.getUint16(4),
      sequence: view.getUint16(6),
      data: bytes.subarray(8),
    };
  }
  return type === TYPES[family].unreachable ? decodeUnreachable(family, bytes, view) : undefined;
}

function decodeUnreachable(family: Family, bytes: Uint8Array, view: DataView): IcmpMessage | undefined {
  const quoted = 8;
  if (bytes.length < quoted + 20) return undefined;
  const [inner, protocol, to] =
    family === 4
      ? [
          quoted + (view.getUint8(quoted) & 15) * 4,
          view.getUint8(quoted + 9),
          bytes.subarray(quoted + 16, quoted + 20),
        ]
      : [quoted + 40, view.getUint8(quoted + 6), bytes.subarray(quoted + 24, quoted + 40)];
  if (inner < quoted + 20 || bytes.length < inner + 8 || protocol !== ICMP_PROTOCOL[family]) return undefined;
  if (view.getUint8(inner) !== TYPES[family].request) return undefined;
  return {
    kind: 'unreachable',
    code: view.getUint8(1),
    to: addressFromBytes(to)!,
    identifier: view.getUint16(inner + 4),
    sequence: view.getUint16(inner + 6),
  };
}

/** RFC 1071; zero over a message whose own checksum is right. */
function internetChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at]! << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
