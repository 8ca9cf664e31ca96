/**
 * More VIPs than may go to the kernel in one send: all of them arrive two OSPF hops away, and leave, and FRR's socket loses none.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createClock } from '../../appliance/host/clock.ts';
import { NETLINK_ROUTE, openNetlink } from '../../appliance/host/netlink.ts';
import { createKernelVips, type KernelVips } from '../../appliance/routing/kernel.ts';
import type { Step } from '../../appliance/routing/plan.ts';
import { address } from '../../sdk/wire/address.ts';
import { poll } from '../support/netns.ts';
import { execIn, learned, type Row, threeRouters, untilLearned } from '../support/routing.ts';

const VIPS = Array.from({ length: 5000 }, (_, n) => address(`10.50.${n >> 8}.${n & 255}`));
/** As the parts of the data plane come, one behind the other. */
const PART = 500;
/** How many may go by netlink at once, and how many more each ms. */
const [BURST, PER_MS] = [3000, 25];

let row: Row;
let kernel: KernelVips;
let sends = 0;

beforeAll(async () => {
  row = await threeRouters({ extra: { a: 'router ospf\n redistribute kernel metric-type 1\nexit\n' } });
  const socket = row.a.namespace.within(() => openNetlink(NETLINK_ROUTE));
  const counted = {
    batch(bytes: Uint8Array, last: number) {
      sends++;
      return socket.batch(bytes, last);
    },
    close: () => socket.close(),
  };
  kernel = createKernelVips('external', execIn(row.a.namespace), createClock(), counted);
  await untilLearned(row.c, '10.9.1.0/24');
});
afterAll(async () => {
  kernel?.close();
  await row?.dispose();
});

const take = async (type: Step['type'], vips: readonly Step['vip'][]): Promise<void> => {
  expect((await kernel.take(vips.map(vip => ({ type, vip, step: 0 }) as const))).size).toBe(0);
};
const untilThere = (count: number): Promise<unknown> =>
  poll(
    () => learned(row.c).filter(vip => vip.startsWith('10.50.')).length === count,
    100_000,
    `${count} VIPs in the kernel of c`,
  );

test('in parts as fast as they go, and out again', async () => {
  const from = performance.now();
  for (let at = 0; at < VIPS.length; at += PART) await take('add', VIPS.slice(at, at + PART));
  // Some by netlink, as long as there is credit, which on a slow machine is for all of them; and the others by ip(8).
  expect(sends).toBeGreaterThan(0);
  expect(sends * PART).toBeLessThanOrEqual(BURST + (performance.now() - from) * PER_MS);
  await untilThere(VIPS.length);
  for (let at = 0; at < VIPS.length; at += PART) await take('remove', VIPS.slice(at, at + PART));
  await untilThere(0);
}, 240_000);

test('all at once, and out again', async () => {
  await take('add', VIPS);
  await untilThere(VIPS.length);
  expect((await kernel.carried()).size).toBe(VIPS.length);
  await take('remove', VIPS);
  await untilThere(0);
}, 240_000);
