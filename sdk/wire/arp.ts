/**
 * ARP frames on Ethernet: ordinary ones (RFC 826), and anycast ARP (docs/protocol.md §7.1), which puts a message behind
 * the ARP body and uses the experimental opcodes of RFC 5494.
 *
 *     byte  0  destination   6   ff:ff:ff:ff:ff:ff, or a station
 *           6  source        6
 *          12  EtherType     2   0x0806
 *          14  hardware type 2   1
 *          16  protocol type 2   0x0800
 *          18  lengths       2   6, 4
 *          20  opcode        2   1 request, 2 reply, 24 query, 25 answer
 *          22  sender MAC    6
 *          28  sender IPv4   4
 *          32  target MAC    6
 *          38  target IPv4   4
 *          42  message           opcodes 24 and 25 only; then zero bytes up to 60
 */
import {
  type Address,
  address,
  addressBytes,
  addressFromBytes,
  type Mac,
  macBytes,
  macFromBytes,
} from './address.ts';
import { messageLength } from './anycast.ts';
import { WireError } from './errors.ts';
import { HEADER } from './header.ts';
import { WELL_KNOWN } from './messages.ts';
import { readU16 } from './tlv.ts';

export const ARP_OPERATION = {
  request: 1,
  reply: 2,
  query: WELL_KNOWN.arpQuery,
  answer: WELL_KNOWN.arpAnswer,
} as const;
export type ArpOperation = keyof typeof ARP_OPERATION;

/** An ARP frame. Addresses are IPv4; `0.0.0.0` and `00:00:00:00:00:00` where there is none. */
export interface ArpFrame {
  readonly destination: Mac;
  readonly source: Mac;
  readonly operation: ArpOperation;
  readonly senderMac: Mac;
  readonly senderAddress: Address;
  readonly targetMac: Mac;
  readonly targetAddress: Address;
  /** The anycast message's bytes (encodeAnycast's); only with `query` and `answer`. */
  readonly message?: Uint8Array;
}

export const BROADCAST = 'ff:ff:ff:ff:ff:ff' as Mac;
export const NO_MAC = '00:00:00:00:00:00' as Mac;
export const NO_ADDRESS = address('0.0.0.0');

/** Where the message begins. */
export const ARP_MESSAGE_AT = 42;
/** Shortest Ethernet frame without its check sequence. */
const LEAST_FRAME = 60;

const ETHERTYPE_ARP = 0x0806;
const FIXED = [0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 0x06, 0x04] as const;
const byNumber = new Map<number, ArpOperation>(
  Object.entries(ARP_OPERATION).map(([word, number]) => [number, word as ArpOperation]),
);

/** The frame's bytes, padded with zeros to 60. Throws WireError if an address is not IPv4. */
export function encodeArp(frame: ArpFrame): Uint8Array {
  const message = frame.message ?? new Uint8Array(0);
  const bytes = new Uint8Array(Math.max(LEAST_FRAME, ARP_MESSAGE_AT + message.length));
  bytes.set(macBytes(frame.destination), 0);
  bytes.set(macBytes(frame.source), 6);
  bytes.set(FIXED, 12);
  bytes[21] = ARP_OPERATION[frame.operation];
  bytes.set(macBytes(frame.senderMac), 22);
  bytes.set(fourBytes(frame.senderAddress, 28), 28);
  bytes.set(macBytes(frame.targetMac), 32);
  bytes.set(fourBytes(frame.targetAddress, 38), 38);
  bytes.set(message, ARP_MESSAGE_AT);
  return bytes;
}

/**
 * Reads an ARP frame; undefined if it is none of ours to read: another EtherType, hardware, protocol, or an opcode other than
 * 1, 2, 24, 25. Throws WireError if it is one and is cut short, or its message is not a message.
 */
export function decodeArp(bytes: Uint8Array): ArpFrame | undefined {
  if (bytes.length < 14 || readU16(bytes, 12) !== ETHERTYPE_ARP) return undefined;
  if (bytes.length < ARP_MESSAGE_AT)
    throw new WireError('malformed', `an ARP frame of ${bytes.length} bytes, it has 42 at least`, {
      offset: 14,
    });
  for (let at = 14; at < 20; at++) if (bytes[at] !== FIXED[at - 12]) return undefined;
  const operation = byNumber.get(readU16(bytes, 20));
  if (operation === undefined) return undefined;
  const frame = {
    destination: macFromBytes(bytes, 0),
    source: macFromBytes(bytes, 6),
    operation,
    senderMac: macFromBytes(bytes, 22),
    senderAddress: addressFromBytes(bytes.subarray(28, 32))!,
    targetMac: macFromBytes(bytes, 32),
    targetAddress: addressFromBytes(bytes.subarray(38, 42))!,
  };
  if (operation === 'request' || operation === 'reply') return frame;
  const behind = bytes.subarray(ARP_MESSAGE_AT);
  return { ...frame, message: behind.subarray(0, HEADER + messageLength(behind, true)) };
}

/** An anycast-ARP query to all stations, or to one manager; `sender` is the asker's own address, or NO_ADDRESS. */
export const anycastQueryFrame = (
  source: Mac,
  sender: Address,
  vip: Address | undefined,
  message: Uint8Array,
  destination: Mac = BROADCAST,
): Uint8Array =>
  encodeArp({
    destination,
    source,
    operation: 'query',
    senderMac: source,
    senderAddress: sender,
    targetMac: NO_MAC,
    targetAddress: vip !== undefined && addressBytes(vip).length === 4 ? vip : NO_ADDRESS,
    message,
  });

/** The answer to the asker alone. `sender` is the manager's own address on the link, never the VIP (docs/protocol.md §7.1). */
export const anycastAnswerFrame = (
  source: Mac,
  sender: Address,
  query: Pick<ArpFrame, 'senderMac' | 'senderAddress'>,
  message: Uint8Array,
): Uint8Array =>
  encodeArp({
    destination: query.senderMac,
    source,
    operation: 'answer',
    senderMac: source,
    senderAddress: sender,
    targetMac: query.senderMac,
    targetAddress: query.senderAddress,
    message,
  });

function fourBytes(value: Address, offset: number): Uint8Array {
  const bytes = addressBytes(value);
  if (bytes.length !== 4)
    throw new WireError('malformed', `ARP's body holds IPv4 addresses, not ${value}`, { offset });
  return bytes;
}
