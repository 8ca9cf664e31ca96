/**
 * A VIP that IPVS balances and OSPF advertises is a local route of both: neither shuts out, replaces or takes away the other's.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createClock } from '../../appliance/host/clock.ts';
import { NETLINK_ROUTE, type Netlink, openNetlink } from '../../appliance/host/netlink.ts';
import { listRoutes, localRoute, readLocalRoute } from '../../appliance/ipvs/local-routes.ts';
import { createKernelVips, type KernelVips } from '../../appliance/routing/kernel.ts';
import { type Address, address } from '../../sdk/wire/address.ts';
import { Network } from '../support/netns.ts';
import { execIn } from '../support/routing.ts';

const network = new Network();
let netlink: Netlink;
let kernel: KernelVips;

beforeAll(() => {
  const host = network.namespace('host');
  netlink = host.within(() => openNetlink(NETLINK_ROUTE));
  kernel = createKernelVips('external', execIn(host), createClock(), undefined);
});
afterAll(async () => {
  kernel?.close();
  netlink?.close();
  await network.dispose();
});

/** Throws when the kernel refuses. */
const balance = (vip: Address, add: boolean): Promise<void> => netlink.request(localRoute(vip, add));

async function balanced(): Promise<readonly Address[]> {
  const vips: Address[] = [];
  for (const family of [4, 6] as const)
    await netlink.request(listRoutes(family), (_, payload) => {
      const vip = readLocalRoute(payload);
      if (vip !== undefined) vips.push(vip);
    });
  return vips;
}

/** As the kernel has it, not as it is remembered. */
async function advertised(): Promise<readonly Address[]> {
  await kernel.audit();
  return [...kernel.known!.keys()];
}

for (const vip of [address('10.50.0.1'), address('fd50::1')])
  for (const first of ['balanced', 'advertised'])
    test(`${vip}, ${first} first`, async () => {
      const advertise = async (type: 'add' | 'remove'): Promise<void> =>
        expect(await kernel.take([{ type, vip, step: 0 }])).toEqual(new Map());
      const turns = [() => balance(vip, true), () => advertise('add')];
      for (const turn of first === 'balanced' ? turns : turns.reverse()) await turn();
      expect([await balanced(), await advertised()]).toEqual([[vip], [vip]]);
      // Again, as after a restart.
      await balance(vip, true);
      expect([await balanced(), await advertised()]).toEqual([[vip], [vip]]);
      if (first === 'balanced') {
        await balance(vip, false);
        expect([await balanced(), await advertised()]).toEqual([[], [vip]]);
        await advertise('remove');
      } else {
        await advertise('remove');
        expect([await balanced(), await advertised()]).toEqual([[vip], []]);
        await balance(vip, false);
      }
      expect([await balanced(), await advertised()]).toEqual([[], []]);
    });
