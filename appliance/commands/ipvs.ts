/** The IPVS driver with all that it needs of this host. */
import { PROBE_MARK } from '../dataplane/layout.ts';
import { readConnections } from '../host/ipvs-connections.ts';
import {
  NETLINK_GENERIC,
  NETLINK_ROUTE,
  type Netlink,
  openMarkedSender,
  openNetlink,
} from '../host/netlink.ts';
import type { Clock, Log } from '../host/ports.ts';
import { createSysctl } from '../host/sysctl.ts';
import { Cutter } from '../ipvs/cutter.ts';
import { createIpvs, type IpvsDriver } from '../ipvs/ipvs.ts';
import { askFamily, readFamily } from '../ipvs/messages.ts';
import type { Memory } from '../ipvs/settings.ts';
import type { IpvsSocket } from '../ipvs/socket.ts';

/** The number by which this kernel knows IPVS in generic netlink; undefined when it has none. Loads the module, where there is one. */
export async function findIpvs(): Promise<number | undefined> {
  const netlink = openNetlink(NETLINK_GENERIC);
  let family: number | undefined;
  try {
    await netlink.request(askFamily(), (_, payload) => {
      family ??= readFamily(payload);
    });
  } catch {
    // The controller knows no such family.
  } finally {
    netlink.close();
  }
  return family;
}

/** Opens it in the network namespace of the caller. Throws when netlink or raw sockets are refused (CAP_NET_ADMIN, CAP_NET_RAW). */
export function openIpvs(
  host: { readonly clock: Clock; readonly log: Log },
  options: { readonly family: number; readonly memory: Memory },
): IpvsDriver {
  const { clock, log } = host;
  return createIpvs({
    ...options,
    ...{ clock, log },
    ipvs: socketOf(openNetlink(NETLINK_GENERIC)),
    routes: socketOf(openNetlink(NETLINK_ROUTE)),
    sysctl: createSysctl(),
    cutter: new Cutter({ read: readConnections, sender: openMarkedSender(PROBE_MARK), clock, log }),
  });
}

const socketOf = (netlink: Netlink): IpvsSocket => ({
  send: requests => netlink.each(requests),
  request: (message, onMessage) => netlink.request(message, onMessage),
  close: () => netlink.close(),
});
