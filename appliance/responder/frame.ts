/**
 * What the responder reads of a frame before it knows whether it matters: kinds and addresses in place, without garbage.
 * The layout is that of sdk/wire/arp.ts.
 */
import { type Address, type Mac, macBytes } from '../../sdk/wire/address.ts';
import { ARP_MESSAGE_AT } from '../../sdk/wire/arp.ts';
import { readU16, readU32 } from '../../sdk/wire/tlv.ts';
import type { Link } from '../host/ports.ts';

/** The appliance on one link. */
export interface Station {
  readonly name: string;
  readonly mac: Mac;
  readonly macBytes: Uint8Array;
  /** Its own (unique) IPv4 address there, if it has one. */
  readonly address: Address | undefined;
  readonly mtu: number;
}

/** The appliance on this link; its address is the first IPv4 one that is not a VIP. */
export function stationOf(link: Link, isVip: (address: Address) => boolean): Station {
  const own = link.addresses.find(({ address }) => !address.includes(':') && !isVip(address));
  return {
    name: link.name,
    mac: link.mac,
    macBytes: macBytes(link.mac),
    address: own?.address,
    mtu: link.mtu,
  };
}

/** Whether two stations say the same on the wire. */
export const sameStation = (one: Station, other: Station): boolean =>
  one.mac === other.mac && one.address === other.address && one.mtu === other.mtu;

/** Whether the six bytes at `offset` are `mac`. */
export function sameMac(bytes: Uint8Array, offset: number, mac: Uint8Array): boolean {
  for (let at = 0; at < 6; at++) if (bytes[offset + at] !== mac[at]) return false;
  return true;
}

/**
 * The opcode (ARP_OPERATION) of an ARP frame for IPv4 on Ethernet that is complete up to its message; -1 for any other frame.
 */
export function operationOf(frame: Uint8Array): number {
  if (frame.length < ARP_MESSAGE_AT) return -1;
  if (readU32(frame, 12) !== 0x08060001 || readU32(frame, 16) !== 0x08000604) return -1;
  return readU16(frame, 20);
}

/**
 * The sender of an ARP frame as a key of SourceLimits: the last 30 bits of its MAC, a small integer to JavaScript. Two stations of a
 * link that agree in them share a budget.
 */
export const sourceKey = (frame: Uint8Array): number => readU32(frame, 24) & 0x3fffffff;
