/** Notices over the real kernel's multicast and unicast, between managers in namespaces of their own. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createClock } from '../../appliance/host/clock.ts';
import { verify } from '../../appliance/host/keys.ts';
import { createNet } from '../../appliance/host/net.ts';
import { createRandom } from '../../appliance/host/random.ts';
import type { Heard } from '../../appliance/notices/heard.ts';
import { createNotices } from '../../appliance/notices/notices.ts';
import type { Notices, NoticesConfig } from '../../appliance/notices/options.ts';
import { type Address, address } from '../../sdk/wire/address.ts';
import type { Binding } from '../../sdk/wire/model.ts';
import { type Namespace, Network, poll } from '../support/netns.ts';
import { recordingLog } from '../support/virtual.ts';
import { announced, binding, certificateOf, newSigner, trust } from '../unit/notices/world.ts';

const GROUP4 = address('239.255.79.47');
const GROUP6 = address('ff05::4f47');
const network = new Network();
const spaces: Namespace[] = [];
let core: Namespace;
let far: Namespace;
const open: Notices[] = [];

beforeAll(() => {
  for (const name of ['a', 'b', 'c']) spaces.push(network.namespace(name));
  core = network.lan(
    'core',
    ...spaces.map((space, index) => ({
      in: space,
      name: 'core0',
      addresses: [`10.77.0.${index + 1}/24`, `fd77::${index + 1}/64`],
    })),
  );
  // Behind c, which routes but passes no multicast on.
  far = network.namespace('far');
  network.veth(
    { in: spaces[2]!, name: 'back', addresses: ['10.78.0.1/24'] },
    { in: far, name: 'core0', addresses: ['10.78.0.2/24'] },
  );
  spaces[2]!.sysctl({ 'net.ipv4.ip_forward': 1 });
  far.ip('route add default via 10.78.0.1');
  for (const space of spaces.slice(0, 2)) space.ip('route add 10.78.0.0/24 via 10.77.0.3');
});
afterEach(() => {
  for (const notices of open.splice(0)) notices.close(false);
});
afterAll(() => network.dispose());

interface Running {
  readonly notices: Notices;
  readonly heard: Heard[];
  readonly log: ReturnType<typeof recordingLog>;
  /** `vip epoch` of all bindings that were heard and are not gone. */
  readonly bindings: Map<Address, number>;
  announce(bindings: readonly Binding[]): void;
}

async function start(
  name: string,
  space: Namespace,
  own: string,
  changes: Partial<NoticesConfig> = {},
): Promise<Running> {
  const signer = newSigner();
  const heard: Heard[] = [];
  const bindings = new Map<Address, number>();
  const log = recordingLog();
  const leave = space.enter();
  try {
    const notices = await createNotices({
      ...{ clock: createClock(), random: createRandom(), net: createNet(), log, verify, signer },
      ...{ certificate: certificateOf(signer), boot: 1, trust: trust() },
      config: {
        ...{ port: 9748, groups: [GROUP4], interfaces: ['core0'], ttl: 32, peers: [], refresh: 200 },
        limits: { peers: 16, bindings: 10_000 },
        ...changes,
      },
      self: () => ({ name, addresses: [address(own)], anycastPort: 9747, port: 9746, tls: true }),
      emit(event) {
        heard.push(event);
        if (event.type !== 'heard') return;
        for (const { vip } of event.gone) bindings.delete(vip);
        for (const { vip, epoch } of event.bindings) bindings.set(vip, epoch);
      },
    });
    open.push(notices);
    const announce = (list: readonly Binding[]): void => notices.announce(announced(list));
    return { notices, heard, log, bindings, announce };
  } finally {
    leave();
  }
}

const many = (count: number, epoch: number): Binding[] =>
  Array.from({ length: count }, (_, number) => binding(number, { epoch }));

const knows = (one: Running, count: number): Promise<boolean> =>
  poll(() => one.notices.status().filter(peer => !peer.silent && peer.known >= 0).length === count);

describe.each([
  ['IPv4', GROUP4],
  ['IPv6', GROUP6],
] as const)('multicast over %s', (_name, group) => {
  test('managers find one another, and hear a higher epoch at once', async () => {
    const all: Running[] = [];
    // One after another: the thread is in one namespace at a time.
    for (const [index, space] of spaces.entries())
      all.push(await start('abc'[index]!, space, `10.77.0.${index + 1}`, { groups: [group], refresh: 5000 }));
    const [a, b, c] = all as [Running, Running, Running];
    for (const one of all) await knows(one, 2);
    a.announce(many(1, 1));
    await poll(() => b.bindings.size === 1 && c.bindings.size === 1);
    const took: number[] = [];
    let last = 0;
    for (let epoch = 2; epoch < 30; epoch++) {
      // So that nothing was told a moment before: what follows within 4 ms is gathered.
      await poll(() => performance.now() - (took.length === 0 ? 0 : last) > 6);
      const from = performance.now();
      a.announce(many(1, epoch));
      await poll(() => [b, c].every(one => [...one.bindings.values()][0] === epoch), 30_000, 'the epoch', 0);
      last = performance.now();
      took.push(last - from);
    }
    took.sort((one, other) => one - other);
    // Not at the next refresh: milliseconds, but on a busy machine.
    expect(took[14]).toBeLessThan(1000);
    expect(b.notices.counters()['refused-malformed'] ?? 0).toBe(0);
  });
});

test('a thousand bindings at once arrive with nothing to mend', async () => {
  const [a, b] = [await start('a', spaces[0]!, '10.77.0.1'), await start('b', spaces[1]!, '10.77.0.2')];
  await knows(b, 1);
  a.announce(many(1000, 1));
  await poll(() => b.bindings.size === 1000);
  expect(a.notices.counters()['notice-sent']).toBeLessThan(80);
  expect(a.notices.counters()['repair-sent'] ?? 0).toBe(0);
});

test('what a cut link swallowed is mended by unicast once it is back', async () => {
  const [a, b] = [await start('a', spaces[0]!, '10.77.0.1'), await start('b', spaces[1]!, '10.77.0.2')];
  await knows(b, 1);
  a.announce(many(500, 1));
  await poll(() => b.bindings.size === 500);
  spaces[1]!.ip('link set core0 down');
  a.announce(many(400, 2));
  await poll(() => b.heard.some(event => event.type === 'peer-silent'));
  spaces[1]!.ip('link set core0 up');
  spaces[1]!.ip('addr replace fd77::2/64 dev core0 nodad');
  spaces[1]!.ip('route replace 10.78.0.0/24 via 10.77.0.3');
  await poll(() => b.bindings.size === 400 && [...b.bindings.values()].every(epoch => epoch === 2));
  expect(a.notices.counters()['repair-answered']).toBeGreaterThan(0);
});

test('unicast receivers hear across a router that passes no multicast, and mend what they missed', async () => {
  const peer = (to: string) => ({ peers: [{ address: address(to), port: 9748 }] });
  const a = await start('a', spaces[0]!, '10.77.0.1', peer('10.78.0.2'));
  a.announce(many(300, 1));
  const d = await start('d', far, '10.78.0.2', { interfaces: [], ...peer('10.77.0.1') });
  await poll(() => d.bindings.size === 300);
  a.announce(many(1, 2));
  await poll(() => d.bindings.size === 1);
  await knows(a, 1);
  expect(a.notices.status()).toMatchObject([{ name: 'd' }]);
});

test('multicasts pass as many routers as they may, and follow an address that changes', async () => {
  const wire = spaces[1]!.spawn('tcpdump', ['-l', '-v', '-n', '-i', 'core0', 'udp', 'port', '9748']);
  await poll(() => wire.stderr().includes('listening'));
  const b = await start('b', spaces[1]!, '10.77.0.2', { refresh: 100 });
  const leave = spaces[0]!.enter();
  try {
    const a = await start('a', spaces[0]!, '10.77.0.1', { groups: [GROUP4, GROUP6], ttl: 17, refresh: 100 });
    await knows(a, 1);
    await poll(() => /ttl 17,.*\n.*10\.77\.0\.1\.\d+ > 239\.255\.79\.47\.9748/.test(wire.stdout()));
    await poll(() => /hlim 17,.*> ff05::4f47\.9748/.test(wire.stdout()));
    spaces[0]!.ip('addr del 10.77.0.1/24 dev core0');
    spaces[0]!.ip('addr add 10.77.0.91/24 dev core0');
    expect(await poll(() => wire.stdout().includes('10.77.0.91'), 30_000)).toBe(true);
    // Another interface of the same name and address: pulled out, and in again.
    spaces[0]!.ip('link del core0');
    await poll(() => a.notices.status()[0]?.silent && b.notices.status()[0]?.silent);
    const own = ['10.77.0.91/24', 'fd77::1/64'];
    network.plug(core, { in: spaces[0]!, name: 'core0', addresses: own });
    const from = wire.stdout().length;
    expect(await poll(() => /fd77::1\.\d+ > ff05/.test(wire.stdout().slice(from)), 30_000)).toBe(true);
    expect(await poll(() => b.notices.status()[0]?.silent === false, 30_000)).toBe(true);
    b.announce(many(7, 1));
    expect(await poll(() => a.bindings.size === 7, 30_000)).toBe(true);
  } finally {
    leave();
    await wire.stop();
    spaces[0]!.ip('addr flush dev core0 scope global');
    for (const own of ['10.77.0.1/24', 'fd77::1/64']) spaces[0]!.ip(`addr add ${own} dev core0`);
    spaces[0]!.ip('route replace 10.78.0.0/24 via 10.77.0.3');
  }
});

test('an interface that is not there is said, and keeps nobody from the rest', async () => {
  const late = network.namespace('late');
  const one = await start('late', late, '10.77.0.9');
  expect(one.log.of('notices-carrier')[0]?.fields['sentence']).toContain('no interface core0');
  expect(one.notices.counters()['refresh-sent']).toBeGreaterThan(0);
});
