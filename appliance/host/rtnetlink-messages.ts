/**
 * What the kernel's answers about links, addresses and routes say (rtnetlink(7); linux/if_link.h, if_addr.h, rtnetlink.h), and the
 * questions. Pure. Integers are in the host's order, which on every machine that Node runs on is little-endian.
 */
import { addressFromBytes } from '../../sdk/wire/address.ts';
import type { DefaultRoute, Interface } from './ports.ts';

const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const NLM_F_REQUEST_DUMP = 0x301;
const FAMILY: Readonly<Record<number, 4 | 6>> = { 2: 4, 10: 6 };

const IFF_UP = 0x1;
const IFF_LOOPBACK = 0x8;
const IFF_RUNNING = 0x40;
const IFLA_IFNAME = 3;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_FLAGS = 8;
/** IFA_F_DADFAILED | IFA_F_TENTATIVE */
const UNUSABLE = 0x08 | 0x40;
const RT_SCOPE_SITE = 200;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_MULTIPATH = 9;
const RTA_TABLE = 15;
const RT_TABLE_MAIN = 254;
const RTN_UNICAST = 1;

/** Questions for all links, addresses and routes, with their header. */
export const DUMPS: readonly Uint8Array[] = [RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE].map((type, index) => {
  const message = Buffer.alloc(16 + [16, 8, 12][index]!);
  message.writeUInt32LE(message.length, 0);
  message.writeUInt16LE(type, 4);
  message.writeUInt16LE(NLM_F_REQUEST_DUMP, 6);
  return message;
});

export type Found =
  | { readonly type: 'link'; readonly link: Omit<Interface, 'addresses'> }
  | { readonly type: 'address'; readonly index: number; readonly address: Interface['addresses'][number] }
  | { readonly type: 'route'; readonly route: DefaultRoute };

/** What an answer says, if it is of use here; undefined also for one that is cut short. */
export function readAnswer(type: number, payload: Buffer): Found | undefined {
  if (type === RTM_NEWLINK) return readLink(payload);
  if (type === RTM_NEWADDR) return readAddress(payload);
  return type === RTM_NEWROUTE ? readRoute(payload) : undefined;
}

function readLink(payload: Buffer): Found | undefined {
  // A bridge tells of its ports by the same type, with a family of its own.
  if (payload.length < 16 || payload.readUInt8(0) !== 0) return undefined;
  const flags = payload.readUInt32LE(8);
  const name = attributes(payload, 16).get(IFLA_IFNAME);
  if (name === undefined) return undefined;
  const running = (flags & IFF_UP) !== 0 && (flags & IFF_RUNNING) !== 0;
  return {
    type: 'link',
    link: {
      index: payload.readInt32LE(4),
      name: name.toString('utf8').replace(/\0.*$/s, ''),
      loopback: (flags & IFF_LOOPBACK) !== 0,
      running,
    },
  };
}

function readAddress(payload: Buffer): Found | undefined {
  if (payload.length < 8 || FAMILY[payload.readUInt8(0)] === undefined) return undefined;
  const found = attributes(payload, 8);
  const flags = found.get(IFA_FLAGS);
  const bits = flags?.length === 4 ? flags.readUInt32LE(0) : payload.readUInt8(2);
  // On a point-to-point link IFA_ADDRESS is the far end's.
  const address = addressFromBytes(found.get(IFA_LOCAL) ?? found.get(IFA_ADDRESS) ?? Buffer.alloc(0));
  if (address === undefined || (bits & UNUSABLE) !== 0 || payload.readUInt8(3) > RT_SCOPE_SITE)
    return undefined;
  return {
    type: 'address',
    index: payload.readUInt32LE(4),
    address: { address, prefix: payload.readUInt8(1) },
  };
}

function readRoute(payload: Buffer): Found | undefined {
  const family = FAMILY[payload[0] ?? 0];
  if (payload.length < 12 || family === undefined || payload.readUInt8(1) !== 0) return undefined;
  const found = attributes(payload, 12);
  const table = found.get(RTA_TABLE)?.readUInt32LE(0) ?? payload.readUInt8(4);
  if (table !== RT_TABLE_MAIN || payload.readUInt8(7) !== RTN_UNICAST) return undefined;
  const hop = found.get(RTA_MULTIPATH);
  // Of several next hops the first is taken: struct rtnexthop, 8 bytes, then its attributes.
  const inner = hop && attributes(hop.subarray(0, hop.readUInt16LE(0)), 8);
  const oif = hop ? hop.readInt32LE(4) : found.get(RTA_OIF)?.readInt32LE(0);
  if (oif === undefined) return undefined;
  const gateway = addressFromBytes((inner ?? found).get(RTA_GATEWAY) ?? Buffer.alloc(0));
  const metric = found.get(RTA_PRIORITY)?.readUInt32LE(0) ?? 0;
  return { type: 'route', route: { interface: oif, family, gateway, metric } };
}

/** struct rtattr: length (with its own 4 bytes), type, value, padded to 4. */
function attributes(payload: Buffer, from: number): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = from; at + 4 <= payload.length; ) {
    const length = payload.readUInt16LE(at);
    if (length < 4 || at + length > payload.length) break;
    found.set(payload.readUInt16LE(at + 2) & 0x3fff, payload.subarray(at + 4, at + length));
    at += (length + 3) & ~3;
  }
  return found;
}
