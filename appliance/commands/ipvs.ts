/** The IPVS driver with all that it needs of this host. */
import { PROBE_MARK } from '../dataplane/layout.ts';
import { readConnections } from '../host/ipvs-connections.ts';
import { openNft } from '../host/libnftables.ts';
import {
  NETLINK_GENERIC,
  NETLINK_ROUTE,
  type Netlink,
  openMarkedSender,
  openNetlink,
} from '../host/netlink.ts';
import type { Clock, Exec, Log } from '../host/ports.ts';
import { createSysctl } from '../host/sysctl.ts';
import { Cutter } from '../ipvs/cutter.ts';
import { createIpvs, type IpvsDriver } from '../ipvs/ipvs.ts';
import { askFamily, readFamily } from '../ipvs/messages.ts';
import type { Memory } from '../ipvs/settings.ts';
import type { IpvsSocket } from '../ipvs/socket.ts';
import { Untracked } from '../ipvs/untracked.ts';

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
  host: { readonly clock: Clock; readonly exec: Exec; readonly log: Log },
  options: { readonly family: number; readonly memory: Memory; readonly anycastPort?: number },
): IpvsDriver {
  const { clock, exec, log } = host;
  const { family, memory, anycastPort = 9747 } = options;
  return createIpvs({
    ...{ family, memory, clock, log },
    ipvs: socketOf(openNetlink(NETLINK_GENERIC)),
    routes: socketOf(openNetlink(NETLINK_ROUTE)),
    sysctl: createSysctl(),
    untracked: new Untracked({ open: () => openNft(exec).nft, anycastPort, log }),
    cutter: new Cutter({ read: readConnections, sender: openMarkedSender(PROBE_MARK), clock, log }),
  });
}

/** For a manager without IPVS: what one that had it, and was killed, left in nf_tables would keep flows from the nftables driver. */
export async function forgetIpvs({ exec, log }: { readonly exec: Exec; readonly log: Log }): Promise<void> {
  const untracked = new Untracked({ open: () => openNft(exec).nft, anycastPort: 0, log });
  await untracked.release();
  untracked.close();
}

const socketOf = (netlink: Netlink): IpvsSocket => ({
  send: requests => netlink.each(requests),
  request: (message, onMessage) => netlink.request(message, onMessage),
  close: () => netlink.close(),
});
