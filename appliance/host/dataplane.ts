/** The nftables driver with all that it needs of this host. */
import { createCutter } from '../dataplane/cutter.ts';
import { createNftables, type NftablesDriver } from '../dataplane/nftables.ts';
import { Routes } from '../dataplane/routes.ts';
import { NETLINK_NETFILTER, openFlows } from './flows.ts';
import { openNft } from './libnftables.ts';
import { openNetlink } from './netlink.ts';
import type { Clock, Exec, Log } from './ports.ts';
import { openRouteSocket } from './rtnetlink.ts';
import { createSysctl } from './sysctl.ts';

/** Opens it in the network namespace of the caller. Throws when netlink or raw sockets are refused (CAP_NET_ADMIN, CAP_NET_RAW). */
export function openNftables(
  host: { readonly clock: Clock; readonly exec: Exec; readonly log: Log },
  options: { readonly anycastPort?: number } = {},
): NftablesDriver {
  const { clock, exec, log } = host;
  const { nft, reason } = openNft(exec);
  if (reason !== undefined)
    log('warning', 'dataplane-slow', { reason, instead: 'a process for each change' });
  const flows = openFlows();
  const netlink = openNetlink(NETLINK_NETFILTER);
  return createNftables({
    ...options,
    nft,
    batches: { commit: ({ bytes, last }) => netlink.batch(bytes, last), close: () => netlink.close() },
    sysctl: createSysctl(),
    routes: new Routes(openRouteSocket(), clock),
    flows,
    cutter: createCutter({ flows, clock, log }),
    log,
  });
}
