/** The kernel's routing by netlink (rtnetlink(7)): requests, and word of links and addresses that changed. */
import { NETLINK_ROUTE, openNetlink, openNetlinkGroups } from './netlink.ts';

/** RTMGRP_LINK | RTMGRP_IPV4_IFADDR */
const GROUPS = 0x1 | 0x10;

export interface RouteSocket {
  /** Sends a request; gives the errno that the kernel answers with, 0 when done, -1 when it could not be sent. */
  request(message: Uint8Array): Promise<number>;
  /** Whether any link or address has changed since it was last asked. */
  changed(): boolean;
  close(): void;
}

/** Opens the sockets, in the network namespace of the caller. Throws when one cannot be. */
export function openRouteSocket(): RouteSocket {
  const netlink = openNetlink(NETLINK_ROUTE);
  const groups = openNetlinkGroups(NETLINK_ROUTE, GROUPS);
  return {
    async request(message) {
      try {
        await netlink.request(message);
        return 0;
      } catch (error) {
        return (error as { errno?: number }).errno ?? -1;
      }
    },
    changed: () => groups.drain(),
    close() {
      netlink.close();
      groups.close();
    },
  };
}
