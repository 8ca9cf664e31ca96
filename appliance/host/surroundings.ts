/**
 * Where this host is in the network, followed by netlink: at each word of the kernel all links, addresses and default routes are
 * asked for anew. Events alone would not do: routes that go with a link or an address are not told of.
 */
import { NETLINK_ROUTE, openNetlink, openNetlinkGroups } from './netlink.ts';
import type { FollowSurroundings, Surroundings } from './ports.ts';
import { DUMPS, readAnswer } from './rtnetlink-messages.ts';

/** RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE */
const GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

/** Asking takes at most about this share of a processor, however busy the kernel's tables are. */
const SHARE = 0.1;
/** ms of a processor; what takes less is never put off. */
const QUICK = 5;

/** Follows the network namespace of the caller. Rejects when netlink cannot be opened. */
export const followSurroundings: FollowSurroundings = async onChange => {
  const groups = openNetlinkGroups(NETLINK_ROUTE, GROUPS);
  const netlink = openNetlink(NETLINK_ROUTE);
  let last = '';
  const look = async (): Promise<void> => {
    const surroundings = await ask(netlink);
    const text = JSON.stringify(surroundings);
    if (text === last) return;
    last = text;
    onChange(surroundings);
  };
  await look();
  const follow = async (): Promise<void> => {
    while (await groups.wait()) {
      groups.drain();
      // By the clock a look takes long where others have the processor: a host that moves must not hear of it later for that.
      const began = process.cpuUsage();
      // One that fails, because so much changed meanwhile, is done again.
      const failed = await look().then(
        () => false,
        () => true,
      );
      const { user, system } = process.cpuUsage(began);
      const took = (user + system) / 1000;
      if (took > QUICK || failed) await new Promise(resolve => setTimeout(resolve, took / SHARE));
      if (failed) await look().catch(() => {});
    }
  };
  void follow();
  return {
    close() {
      groups.close();
      netlink.close();
    },
  };
};

async function ask(netlink: ReturnType<typeof openNetlink>): Promise<Surroundings> {
  const links = new Map<number, Surroundings['interfaces'][number]>();
  const routes: Surroundings['routes'][number][] = [];
  for (const dump of DUMPS) {
    await netlink.request(dump, (type, payload) => {
      const found = readAnswer(type, payload);
      if (found?.type === 'link') links.set(found.link.index, { ...found.link, addresses: [] });
      else if (found?.type === 'route') routes.push(found.route);
      else if (found?.type === 'address') {
        const link = links.get(found.index);
        if (link) links.set(found.index, { ...link, addresses: [...link.addresses, found.address] });
      }
    });
  }
  return { interfaces: [...links.values()], routes };
}
