import { expect, test } from 'vitest';
import type { Farm } from '../../../appliance/desired/wanted.ts';
import { Cutter } from '../../../appliance/ipvs/cutter.ts';
import { createIpvs, type IpvsDriver } from '../../../appliance/ipvs/ipvs.ts';
import { Untracked } from '../../../appliance/ipvs/untracked.ts';
import { address } from '../../../sdk/wire/address.ts';
import type { ServerId } from '../../../sdk/wire/model.ts';
import { wanted } from '../../support/dataplane.ts';
import { VirtualClock } from '../../support/virtual.ts';
import { farm, member } from '../dataplane/farms.ts';
import { FAMILY, FakeIpvs, FakeNft, FakeRoutes } from './kernel.ts';

const A = member('10.1.0.11');
const B = member('10.1.0.12', { weight: 3 });

class Host {
  readonly clock = new VirtualClock();
  readonly ipvs = new FakeIpvs();
  readonly routes = new FakeRoutes();
  readonly nft = new FakeNft();
  readonly settings = new Map<string, string>();
  /** Lines of /proc/net/ip_vs_conn. */
  connections: string[] = [];
  /** Addresses that were probed. */
  readonly probed: string[] = [];
  remembered = '';

  constructor() {
    for (const name of ['expire_nodest_conn', 'expire_quiescent_template', 'conn_reuse_mode', 'sloppy_tcp'])
      this.settings.set(`net/ipv4/vs/${name}`, '0');
    this.settings.set('net/ipv4/ip_forward', '0');
    for (const name of ['arp_ignore', 'arp_announce']) this.settings.set(`net/ipv4/conf/all/${name}`, '0');
  }

  driver(): IpvsDriver {
    return createIpvs({
      family: FAMILY,
      ipvs: this.ipvs,
      routes: this.routes,
      clock: this.clock,
      log: () => {},
      sysctl: {
        read: name => this.settings.get(name),
        write: (name, value) => void this.settings.set(name, value),
        list: () => [],
      },
      memory: {
        read: () => this.remembered,
        write: text => {
          this.remembered = text;
        },
      },
      untracked: new Untracked({ open: () => this.nft, anycastPort: 9747, log: () => {} }),
      cutter: new Cutter({
        read: async onLine => this.connections.forEach(onLine),
        sender: {
          send: async packets => void this.probed.push(...packets.map(({ to }) => to.join('.'))),
          close: () => {},
        },
        clock: this.clock,
        log: () => {},
      }),
    });
  }

  /** `service → destination weight`, as text. */
  holds(): number {
    let count = 0;
    for (const { destinations } of this.ipvs.services.values()) count += destinations.size;
    return count;
  }
}

const apply = async (driver: IpvsDriver, ...farms: Farm[]): ReturnType<IpvsDriver['apply']> =>
  driver.apply(wanted(farms));

test('what comes is put in before what goes is taken out, and the same again changes nothing', async () => {
  const host = new Host();
  const driver = host.driver();
  const first = await apply(driver, farm([A, B]));
  expect(first.problems).toEqual([]);
  expect([...first.reached.entries()]).toEqual([[farm([A]).key, 2]]);
  expect(host.ipvs.commands).toEqual([1, 5, 5]);
  expect(host.routes.routes.size).toBe(1);
  await apply(driver, farm([{ ...A }, { ...B }]));
  expect(host.ipvs.commands.length).toBe(3);
  host.ipvs.commands.length = 0;
  const C = member('10.1.0.13');
  await apply(driver, farm([B, C]));
  // C comes, A is quiet, A goes.
  expect(host.ipvs.commands).toEqual([5, 6, 7]);
  await apply(driver);
  expect([host.ipvs.services.size, host.routes.routes.size]).toEqual([0, 0]);
});

test('settings are changed only once something is to be balanced, and put back, after a crash too', async () => {
  const host = new Host();
  const before = new Map(host.settings);
  const driver = host.driver();
  await apply(driver);
  expect(host.settings).toEqual(before);
  await apply(driver, farm([A]));
  expect(host.settings.get('net/ipv4/conf/all/arp_ignore')).toBe('1');
  expect(host.settings.get('net/ipv4/ip_forward')).toBe('1');
  // Quiet connections last as long as with nftables.
  expect(host.ipvs.timeouts).toEqual({ established: 7440, closing: 240, udp: 300 });
  driver.detach();
  const next = host.driver();
  await apply(next, farm([A]));
  await next.release();
  expect(host.settings).toEqual(before);
  expect([host.ipvs.services.size, host.routes.routes.size, host.remembered]).toEqual([0, 0, '']);
  expect([host.ipvs.closed, host.routes.closed]).toEqual([true, true]);
  expect(host.ipvs.timeouts).toEqual({ established: 900, closing: 120, udp: 300 });
});

test('another daemon adopts what it finds and takes out what nobody wants', async () => {
  const host = new Host();
  const other = farm([A], { vip: address('10.50.0.2') });
  const first = host.driver();
  await apply(first, farm([A, B], { affinity: 60, scheduler: 'maglev' }), other);
  first.detach();
  host.ipvs.commands.length = 0;
  const second = host.driver();
  const result = await apply(second, farm([A, B], { affinity: 60, scheduler: 'maglev' }));
  expect(result.problems).toEqual([]);
  expect([...result.reached.values()]).toEqual([2]);
  expect(host.ipvs.commands).toEqual([7, 3]);
  expect([host.holds(), host.routes.routes.size]).toEqual([2, 1]);
});

test('services of other software are left alone, and said', async () => {
  const host = new Host();
  const stranger = host.driver();
  await apply(stranger, farm([A]));
  // As if somebody had made the service by ipvsadm: no route of ours leads to it.
  host.routes.routes.clear();
  const driver = host.driver();
  const { problems, reached } = await apply(driver, farm([B]), farm([B], { vip: address('10.50.0.7') }));
  expect(problems.length).toBe(1);
  expect(problems[0]).toMatch(/10\.50\.0\.1\|tcp\|80-80: IPVS has a service there that is somebody else's/);
  expect([...reached.keys()]).toEqual(['10.50.0.7|tcp|80-80']);
  expect([host.holds(), host.routes.routes.size]).toEqual([2, 1]);
});

test('clients of a destination that goes are probed, three times, and its VIP stays as long', async () => {
  const host = new Host();
  const driver = host.driver();
  await apply(driver, farm([A]));
  host.connections = [
    'Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData',
    'TCP 0A090002 A1B2 0A320001 0050 0A01000B 0050 ESTABLISHED     899',
    'TCP 0A090003 A1B2 0A320001 0050 0A01000B 0050 TIME_WAIT        12',
    'TCP 0A090004 A1B2 0A320001 0050 0A01000C 0050 ESTABLISHED     899',
  ];
  await apply(driver);
  expect(host.probed).toEqual(['10.9.0.2']);
  expect(host.routes.routes.size).toBe(1);
  await host.clock.advance(700);
  expect(host.probed).toEqual(['10.9.0.2', '10.9.0.2']);
  await host.clock.advance(700);
  expect(host.probed.length).toBe(3);
  await host.clock.advance(2000);
  expect(host.routes.routes.size).toBe(0);
});

test('a VIP that is wanted again while it is late stays', async () => {
  const host = new Host();
  const driver = host.driver();
  await apply(driver, farm([A]));
  host.connections = ['TCP 0A090002 A1B2 0A320001 0050 0A01000B 0050 ESTABLISHED     899'];
  await apply(driver);
  await apply(driver, farm([A]));
  await host.clock.advance(5000);
  expect(host.routes.routes.size).toBe(1);
  // And the one that is back is not asked again.
  expect(host.probed).toEqual(['10.9.0.2']);
});

test('a server that has gone on with its flows leaves them in peace, but not in nat', async () => {
  for (const [mode, probes] of [
    ['direct', 0],
    ['nat', 1],
  ] as const) {
    const host = new Host();
    const driver = host.driver();
    await apply(driver, farm([A], { mode }));
    host.connections = ['TCP 0A090002 A1B2 0A320001 0050 0A01000B 0050 ESTABLISHED     899'];
    await driver.apply(wanted([], [], ['10.1.0.11' as ServerId]));
    expect(host.probed.length).toBe(probes);
    expect(host.routes.routes.size).toBe(probes);
  }
});

test('what the kernel refuses is said, hinders nothing else, and is tried again by the next', async () => {
  const host = new Host();
  const driver = host.driver();
  host.ipvs.refuse.set(1, 2);
  const { problems, reached } = await apply(driver, farm([A], { scheduler: 'maglev' }));
  expect(problems).toEqual([
    'farm 10.50.0.1|tcp|80-80: the kernel has no scheduler mh, or no engine for its affinity',
  ]);
  expect(reached.size).toBe(0);
  host.ipvs.refuse.clear();
  const again = await apply(driver, farm([A], { scheduler: 'maglev' }));
  expect(again.problems).toEqual([]);
  expect([...again.reached.values()]).toEqual([1]);
});

test('somebody flushes IPVS: the next change finds out, and the one after it has all back', async () => {
  const host = new Host();
  const driver = host.driver();
  await apply(driver, farm([A, B]));
  host.ipvs.services.clear();
  expect((await apply(driver, farm([A]))).problems.length).toBeGreaterThan(0);
  const { problems, reached } = await apply(driver, farm([A]));
  expect(problems).toEqual([]);
  expect([...reached.values()]).toEqual([1]);
  expect(host.holds()).toBe(1);
});

test('a port that another farm has is refused to the second', async () => {
  const host = new Host();
  const driver = host.driver();
  const { problems, reached } = await apply(driver, farm([A]), farm([B], { ports: { first: 80, last: 82 } }));
  expect(problems.length).toBe(1);
  expect(problems[0]).toContain('another farm has ports of it already');
  expect(reached.get(farm([A]).key)).toBe(1);
});

test('conntrack is kept from the packets of its services, and of nothing else', async () => {
  const host = new Host();
  const { nft } = host;
  const driver = host.driver();
  await apply(driver);
  expect(nft.listed).toBeUndefined();
  const web = farm([A, B]);
  // The anycast port of a range is the responder's, by a redirect that takes conntrack.
  const range = farm([A], { transport: 'udp', ports: { first: 9746, last: 9748 } });
  const six = farm([member('fd01::11')], { vip: address('fd50::1') });
  await apply(driver, web, range, six);
  const all = [
    ...['10.50.0.1 . tcp . 80', '10.50.0.1 . udp . 9746', '10.50.0.1 . udp . 9748'],
    'fd50::1 . tcp . 80',
  ];
  expect([...nft.listed!].sort()).toEqual(all);
  // A server that goes is no affair of it.
  const { runs } = nft;
  await apply(driver, farm([A]), range, six);
  expect(nft.runs).toBe(runs);
  await apply(driver, farm([A]), six);
  expect([...nft.listed!].sort()).toEqual([all[0], all[3]]);
  // Whatever a daemon that was killed has left there.
  driver.detach();
  expect(nft.closed).toBe(true);
  nft.listed!.add('10.50.0.9 . tcp . 80');
  const next = host.driver();
  await apply(next, farm([A]));
  expect([...nft.listed!]).toEqual([all[0]]);
  // When it cannot be listed, the farm is carried nevertheless, and the next change lists it.
  nft.error = 'Operation not permitted';
  expect((await apply(next, farm([A]), six)).problems).toEqual([]);
  nft.error = '';
  await apply(next, farm([A, B]), six);
  expect([...nft.listed!].sort()).toEqual([all[0], all[3]]);
  await apply(next);
  expect(nft.listed).toBeUndefined();
  await apply(next, web);
  await next.release();
  expect(nft.listed).toBeUndefined();
});
