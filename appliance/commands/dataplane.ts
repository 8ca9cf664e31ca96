/** The nftables driver with all that it needs of this host. */
import { createCutter } from '../dataplane/cutter.ts';
import { createFlows } from '../dataplane/kernel-flows.ts';
import { PROBE_MARK } from '../dataplane/layout.ts';
import { createNftables, type NftablesDriver, type NftablesOptions } from '../dataplane/nftables.ts';
import { Routes } from '../dataplane/routes.ts';
import { openNft } from '../host/libnftables.ts';
import { NETLINK_NETFILTER, openMarkedSender, openNetlink } from '../host/netlink.ts';
import type { Clock, Exec, Log } from '../host/ports.ts';
import { openRouteSocket } from '../host/rtnetlink.ts';
import { createSysctl } from '../host/sysctl.ts';

/** Opens it in the network namespace of the caller. Throws when netlink or raw sockets are refused (CAP_NET_ADMIN, CAP_NET_RAW). */
export function openNftables(
  host: { readonly clock: Clock; readonly exec: Exec; readonly log: Log },
  options: Pick<NftablesOptions, 'anycastPort' | 'farmsLater'> = {},
): NftablesDriver {
  const { clock, exec, log } = host;
  const { nft, reason } = openNft(exec);
  if (reason !== undefined)
    log('warning', 'dataplane-slow', { reason, instead: 'a process for each change' });
  const flows = createFlows(openNetlink(NETLINK_NETFILTER, true), openMarkedSender(PROBE_MARK));
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
