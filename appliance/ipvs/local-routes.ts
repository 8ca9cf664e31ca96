/**
 * rtnetlink(7) messages for VIPs as destinations that this host takes for its own, without being addresses of it: `ip route add local VIP dev
 * lo`. IPVS meets packets only where they are delivered to the host itself. Pure codecs.
 */
import { type Address, addressBytes, addressFromBytes, familyOf } from '../../sdk/wire/address.ts';
import { attribute, attributes, message, NLM_F } from '../dataplane/attributes.ts';

/** Marks the routes as this driver's own: they tell after a crash which VIPs, and so which services of IPVS, are ours. */
const PROTOCOL = 0xb2;
const RTM = { newRoute: 24, delRoute: 25, getRoute: 26 } as const;
const RTA = { destination: 1, interface: 4, priority: 6 } as const;
/** Its own, so that the local route of an advertised VIP (routing/kernel-form.ts), of priority 0, stands beside it: neither shuts out the other. */
const PRIORITY = Uint8Array.of(PROTOCOL, 0, 0, 0);
const RT_TABLE_LOCAL = 255;
const RT_SCOPE_HOST = 254;
const RTN_LOCAL = 2;
const AF = { 4: 2, 6: 10 } as const;
/** The interface lo has this number in every network namespace. */
const LOOPBACK = 1;

/** Adds (again, if it is there) or takes out the route of a VIP. */
export function localRoute(vip: Address, add: boolean): Uint8Array {
  const family = familyOf(vip);
  const to = addressBytes(vip);
  // struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags (4).
  const scope = family === 4 ? RT_SCOPE_HOST : 0;
  const header = [AF[family], to.length * 8, 0, 0, RT_TABLE_LOCAL, PROTOCOL, scope, RTN_LOCAL, 0, 0, 0, 0];
  const flags = NLM_F.request | NLM_F.ack | (add ? NLM_F.create | NLM_F.replace : 0);
  return message(add ? RTM.newRoute : RTM.delRoute, flags, Uint8Array.from(header), [
    attribute(RTA.destination, to),
    attribute(RTA.interface, Uint8Array.of(LOOPBACK, 0, 0, 0)),
    ...(add ? [attribute(RTA.priority, PRIORITY)] : []),
  ]);
}

/** Asks for all routes of a family. */
export const listRoutes = (family: 4 | 6): Uint8Array =>
  message(
    RTM.getRoute,
    NLM_F.request | NLM_F.dump,
    Uint8Array.of(AF[family], 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    [],
  );

/** The VIP of a route of a dump; undefined for any that is not this driver's. */
export function readLocalRoute(payload: Uint8Array): Address | undefined {
  const [family, length, , , table, protocol, , type] = payload;
  if (table !== RT_TABLE_LOCAL || protocol !== PROTOCOL || type !== RTN_LOCAL) return undefined;
  const bytes = attributes(payload.subarray(12)).get(RTA.destination);
  if (bytes === undefined || length !== bytes.length * 8) return undefined;
  return family === AF[4] || family === AF[6] ? addressFromBytes(bytes) : undefined;
}
