/**
 * Steps as rtnetlink(7) messages, all of them for one send: what the lines of kernel-form.ts say, for VIPs of IPv4 as external routes.
 * ip(8) waits for the kernel's answer to each line, 20 µs each; a thousand VIPs are two thousand lines. Pure.
 *
 *      0         4      6      8         12      16                            28
 *     +---------+------+------+---------+-------+-----------------------------+-----------------------+
 *     | length  | type | flags| sequence| 0     | struct rtmsg (12 bytes)     | destination, link, hop|
 *     +---------+------+------+---------+-------+-----------------------------+-----------------------+
 */
import { type Address, addressBytes, familyOf } from '../../sdk/wire/address.ts';
import type { RouteKind } from './config.ts';
import { hopOf, OURS } from './kernel-form.ts';
import type { Step } from './plan.ts';

/** Messages to send at once, and the sequence number whose answer ends them. */
interface RouteBatch {
  readonly bytes: Uint8Array;
  readonly last: number;
  readonly count: number;
}

/** rtnetlink, as far as batches need it (host/netlink.ts). */
export interface RouteSocket {
  /**
   * Sends the messages, on another thread if told to; gives '' when the kernel did all of them, else the first error (the others are done
   * all the same).
   */
  batch(bytes: Uint8Array, last: number, onThread: boolean): Promise<string>;
  close(): void;
}

const RTM = { newRoute: 24, delRoute: 25 } as const;
const RTA = { destination: 1, link: 4, gateway: 5 } as const;
const FLAG = { request: 1, ack: 4, replace: 0x100, exclusive: 0x200, create: 0x400 } as const;
const AF_INET = 2;
const TABLE = { main: 254, local: 255 } as const;
const SCOPE = { universe: 0, link: 253, host: 254, nowhere: 255 } as const;
const TYPE = { any: 0, unicast: 1, local: 2 } as const;
const RTNH_F_ONLINK = 4;
/** `lo` is the first link of every network namespace. */
const LOOPBACK = 1;
const FIXED = 28;
const ATTRIBUTE = 8;

interface Message {
  readonly type: number;
  readonly flags: number;
  readonly table: number;
  readonly scope: number;
  readonly kind: number;
  readonly vip: Address;
  readonly onLoopback: boolean;
  readonly hop?: string | undefined;
}

/** The messages of these steps, or undefined where it takes ip(8). */
export function encodeSteps(kind: RouteKind, steps: readonly Step[]): RouteBatch | undefined {
  if (kind !== 'external' || steps.length === 0) return undefined;
  if (steps.some(({ vip }) => familyOf(vip) !== 4)) return undefined;
  const messages = steps.flatMap(messagesOf);
  const size = (message: Message): number =>
    FIXED + ATTRIBUTE * (1 + Number(message.onLoopback) + Number(message.hop !== undefined));
  const bytes = new Uint8Array(messages.reduce((sum, message) => sum + size(message), 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [index, message] of messages.entries()) {
    const ack = index === messages.length - 1 ? FLAG.ack : 0;
    write(bytes, view, at, message, { length: size(message), sequence: index + 1, ack });
    at += size(message);
  }
  return { bytes, last: messages.length, count: messages.length };
}

/** As linesOf in kernel-form.ts, in the same order, which leaves no gap. */
function messagesOf({ type, vip, step }: Step): readonly Message[] {
  const hop = hopOf(step);
  const create = FLAG.create | (type === 'change' ? FLAG.replace : FLAG.exclusive);
  const route: Message = {
    type: RTM.newRoute,
    flags: create,
    table: TABLE.main,
    scope: hop === undefined ? SCOPE.link : SCOPE.universe,
    kind: TYPE.unicast,
    vip,
    onLoopback: true,
    hop,
  };
  const local: Message = {
    type: RTM.newRoute,
    flags: create,
    table: TABLE.local,
    scope: SCOPE.host,
    kind: TYPE.local,
    vip,
    onLoopback: true,
  };
  switch (type) {
    case 'add':
      return [local, route];
    case 'change':
      return [route];
    case 'remove':
      return [
        {
          type: RTM.delRoute,
          flags: 0,
          table: TABLE.main,
          scope: SCOPE.nowhere,
          kind: TYPE.any,
          vip,
          onLoopback: false,
        },
        { ...local, type: RTM.delRoute, flags: 0 },
      ];
  }
}

function write(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  message: Message,
  { length, sequence, ack }: { readonly length: number; readonly sequence: number; readonly ack: number },
): void {
  const { type, flags, table, scope, kind, vip, onLoopback, hop } = message;
  view.setUint32(start, length, true);
  view.setUint16(start + 4, type, true);
  view.setUint16(start + 6, FLAG.request | flags | ack, true);
  view.setUint32(start + 8, sequence, true);
  // struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags (4).
  bytes.set([AF_INET, 32, 0, 0, table, OURS, scope, kind], start + 16);
  view.setUint32(start + 24, hop === undefined ? 0 : RTNH_F_ONLINK, true);
  let at = start + FIXED;
  const attribute = (type: number): number => {
    view.setUint16(at, ATTRIBUTE, true);
    view.setUint16(at + 2, type, true);
    at += ATTRIBUTE;
    return at - 4;
  };
  bytes.set(addressBytes(vip), attribute(RTA.destination));
  if (hop !== undefined) bytes.set(addressBytes(hop as Address), attribute(RTA.gateway));
  if (onLoopback) view.setUint32(attribute(RTA.link), LOOPBACK, true);
}
