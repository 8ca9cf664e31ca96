/** rtnetlink(7) messages for the host routes of direct servers, and the rule that leads to them. Pure. */
import { type Address, addressBytes } from '../../sdk/wire/address.ts';
import { attribute, message, NLM_F } from './attributes.ts';

/** The routing table of the driver, and its rule's place: behind `local` (0), before `main` (32766). */
export const ROUTES = { table: 9747, preference: 9747 } as const;
/** Marks the routes as the driver's own among rtm_protocol's numbers (linux/rtnetlink.h leaves 5…255 to users). */
const PROTOCOL = 0xb1;

const RTM = { newRoute: 24, delRoute: 25, newRule: 32, delRule: 33 } as const;
const RTA = { destination: 1, gateway: 5, table: 15 } as const;
const FRA = { priority: 6, mark: 10, table: 15, mask: 16 } as const;
const AF_INET = 2;
const RTN_UNICAST = 1;
const FR_ACT_TO_TBL = 1;
const FIB_RULE_INVERT = 2;

/** The server reached through itself: without an interface named, the kernel finds the link that it is on, or refuses. */
export function hostRoute(server: Address, add: boolean): Uint8Array {
  const to = addressBytes(server);
  // struct rtmsg: family, dst_len, src_len, tos, table (0: see RTA_TABLE), protocol, scope (0: universe), type, flags (4).
  const header = [AF_INET, 32, 0, 0, 0, PROTOCOL, 0, RTN_UNICAST, 0, 0, 0, 0];
  const flags = NLM_F.request | NLM_F.ack | (add ? NLM_F.create | NLM_F.replace : 0);
  return message(add ? RTM.newRoute : RTM.delRoute, flags, Uint8Array.from(header), [
    attribute(RTA.destination, to),
    attribute(RTA.gateway, to),
    attribute(RTA.table, host32(ROUTES.table)),
  ]);
}

/** `not fwmark 0 lookup 9747`: packets that no farm has marked never look there. */
export function markRule(add: boolean): Uint8Array {
  // struct fib_rule_hdr: family, dst_len, src_len, tos, table, two reserved, action, flags (4).
  const header = [AF_INET, 0, 0, 0, 0, 0, 0, FR_ACT_TO_TBL, FIB_RULE_INVERT, 0, 0, 0];
  const flags = NLM_F.request | NLM_F.ack | (add ? NLM_F.create | NLM_F.exclusive : 0);
  return message(add ? RTM.newRule : RTM.delRule, flags, Uint8Array.from(header), [
    attribute(FRA.priority, host32(ROUTES.preference)),
    attribute(FRA.mark, host32(0)),
    attribute(FRA.mask, host32(0xffffffff)),
    attribute(FRA.table, host32(ROUTES.table)),
  ]);
}

/** A number in host order, little-endian on all that this runs on. */
function host32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}
