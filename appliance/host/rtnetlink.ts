/** The kernel's routing by netlink (rtnetlink(7)): requests, and word of links and addresses that changed. */
import type { RouteSocket } from '../dataplane/routes.ts';
import { openNetlink, openNetlinkGroups } from './netlink.ts';

const NETLINK_ROUTE = 0;
/** RTMGRP_LINK | RTMGRP_IPV4_IFADDR */
const GROUPS = 0x1 | 0x10;

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
