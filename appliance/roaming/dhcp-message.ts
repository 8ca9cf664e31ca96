/**
 * DHCP messages (RFC 2131) as far as a bystander needs them: who asks, for which address, and what it was told. Pure; whatever the bytes
 * hold, it reads at most 1500 of them and gives a message or the name of what is wrong.
 *
 * | byte | size | field |
 * |---|---|---|
 * | 0 | 1 | op: 1 from a client, 2 from a server |
 * | 1 | 1 | htype: 1 Ethernet |
 * | 2 | 1 | hlen: bytes of chaddr that count, 0…16 |
 * | 3 | 1 | hops |
 * | 4 | 4 | xid |
 * | 8 | 4 | secs, flags |
 * | 12 | 4 | ciaddr: the address that the client has |
 * | 16 | 4 | yiaddr: the address that it is given |
 * | 20 | 4 | siaddr |
 * | 24 | 4 | giaddr: the relay's address on the client's link |
 * | 28 | 16 | chaddr |
 * | 44 | 64 | sname, or options (option 52) |
 * | 108 | 128 | file, or options (option 52) |
 * | 236 | 4 | 63 82 53 63 |
 * | 240 | | options |
 */
import { type Address, addressFromBytes } from '../../sdk/wire/address.ts';
import { readU32 } from '../../sdk/wire/tlv.ts';

/** RFC 2132 §9.6, by number from 1. */
export const DHCP_TYPES = [
  'discover',
  'offer',
  'request',
  'decline',
  'ack',
  'nak',
  'release',
  'inform',
] as const;
export type DhcpType = (typeof DHCP_TYPES)[number];

export interface DhcpMessage {
  readonly type: DhcpType;
  readonly fromServer: boolean;
  readonly xid: number;
  /** htype, then chaddr: the form of RFC 2132 §9.14's default client identifier. */
  readonly hardware: Uint8Array;
  /** Option 61, as it came; none that is longer than one option holds. */
  readonly client: Uint8Array | undefined;
  /** Option 12, printable ASCII only; '' when there is none. */
  readonly name: string;
  /** ciaddr, yiaddr, giaddr, options 50 and 54; undefined where zero or no unicast address. */
  readonly current: Address | undefined;
  readonly given: Address | undefined;
  readonly relay: Address | undefined;
  readonly requested: Address | undefined;
  readonly server: Address | undefined;
  /** Option 51, seconds. */
  readonly lease: number | undefined;
}

/** Why bytes are no DHCP message. `bootp`: without a message type (RFC 951), which gives no leases. */
export type DhcpFault = 'short' | 'long' | 'op' | 'hardware' | 'cookie' | 'options' | 'bootp' | 'type';

const OPTIONS_AT = 240;
const LONGEST = 1500;
const COOKIE = 0x63825363;
const OPTION = {
  host: 12,
  requested: 50,
  lease: 51,
  overload: 52,
  type: 53,
  server: 54,
  client: 61,
} as const;
const WANTED: ReadonlySet<number> = new Set(Object.values(OPTION));

/** Reads a UDP payload. Never throws; the message holds copies. */
export function decodeDhcp(bytes: Uint8Array): DhcpMessage | DhcpFault {
  if (bytes.length < OPTIONS_AT) return 'short';
  if (bytes.length > LONGEST) return 'long';
  const op = bytes[0]!;
  const hlen = bytes[2]!;
  if (op !== 1 && op !== 2) return 'op';
  if (hlen > 16) return 'hardware';
  if (readU32(bytes, 236) !== COOKIE) return 'cookie';
  const options = readOptions(bytes);
  if (options === undefined) return 'options';
  const type = options.get(OPTION.type);
  if (type === undefined) return 'bootp';
  const known = type.length === 1 ? DHCP_TYPES[type[0]! - 1] : undefined;
  if (known === undefined) return 'type';
  const client = options.get(OPTION.client);
  const lease = options.get(OPTION.lease);
  return {
    type: known,
    fromServer: op === 2,
    xid: readU32(bytes, 4),
    hardware: Uint8Array.of(bytes[1]!, ...bytes.subarray(28, 28 + hlen)),
    client: client !== undefined && client.length >= 2 && client.length <= 255 ? client : undefined,
    name: printable(options.get(OPTION.host)),
    current: unicast(bytes.subarray(12, 16)),
    given: unicast(bytes.subarray(16, 20)),
    relay: unicast(bytes.subarray(24, 28)),
    requested: unicast(options.get(OPTION.requested)),
    server: unicast(options.get(OPTION.server)),
    lease: lease?.length === 4 ? readU32(lease, 0) : undefined,
  };
}

/** The options that matter here, those in parts put together (RFC 3396); undefined when one is longer than what is left. */
function readOptions(bytes: Uint8Array): ReadonlyMap<number, Uint8Array> | undefined {
  const found = new Map<number, Uint8Array>();
  if (!readField(bytes.subarray(OPTIONS_AT), found)) return undefined;
  // RFC 2132 §9.3; in this order: RFC 3396 §5.
  const overload = found.get(OPTION.overload)?.[0] ?? 0;
  if ((overload & 1) !== 0 && !readField(bytes.subarray(108, 236), found)) return undefined;
  if ((overload & 2) !== 0 && !readField(bytes.subarray(44, 108), found)) return undefined;
  return found;
}

function readField(field: Uint8Array, found: Map<number, Uint8Array>): boolean {
  for (let at = 0; at < field.length; ) {
    const code = field[at++]!;
    if (code === 0) continue;
    if (code === 255) return true;
    const length = field[at++];
    if (length === undefined || at + length > field.length) return false;
    if (WANTED.has(code)) {
      const before = found.get(code) ?? new Uint8Array(0);
      const whole = new Uint8Array(before.length + length);
      whole.set(before);
      whole.set(field.subarray(at, at + length), before.length);
      found.set(code, whole);
    }
    at += length;
  }
  return true;
}

/** Not the unspecified address, loopback, multicast, reserved or broadcast. */
function unicast(bytes: Uint8Array | undefined): Address | undefined {
  if (bytes?.length !== 4) return undefined;
  const first = bytes[0]!;
  return first === 0 || first === 127 || first >= 224 ? undefined : addressFromBytes(bytes);
}

const printable = (bytes: Uint8Array | undefined): string =>
  bytes === undefined
    ? ''
    : String.fromCharCode(...bytes.subarray(0, 63).filter(byte => byte > 0x20 && byte < 0x7f));
