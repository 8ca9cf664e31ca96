import { beforeEach, expect, test } from 'vitest';
import type { Farm, FarmKey, Member, WantedDataplane } from '../../../appliance/desired/wanted.ts';
import { createPassiveDataplane } from '../../../appliance/reconciler/passive.ts';
import { choose } from '../../../appliance/redirector/choose.ts';
import {
  LINGER,
  listenHttp,
  MOST_OF_ALL,
  MOST_OF_ONE,
  PATIENCE,
} from '../../../appliance/redirector/listener.ts';
import { createRedirector, type Redirector } from '../../../appliance/redirector/redirector.ts';
import { Table } from '../../../appliance/registry/table.ts';
import { type Address, address } from '../../../sdk/wire/address.ts';
import type { ServerId } from '../../../sdk/wire/model.ts';
import { type VirtualHost, virtualWorld } from '../../support/virtual.ts';
import { directory, ListedLinks, link } from '../responder/support.ts';

const VIP = address('10.9.0.1');
const KEY = `${VIP}|tcp|80-80` as FarmKey;

const member = (at: string, fields: Partial<Member> = {}): Member => ({
  server: at as ServerId,
  address: address(at),
  port: 0,
  weight: 100,
  accepts: true,
  ...fields,
});
const farm = (fields: Partial<Farm> = {}): Farm => ({
  key: KEY,
  vip: VIP,
  transport: 'tcp',
  ports: { first: 80, last: 80 },
  mode: 'redirect',
  scheduler: 'wrr',
  affinity: 0,
  members: [member('10.1.0.11'), member('10.1.0.12')],
  ...fields,
});

let world: ReturnType<typeof virtualWorld>;
let manager: VirtualHost;
let client: VirtualHost;
let links: ListedLinks;
let redirector: Redirector;
let applied: WantedDataplane[];
let moved: number;
let driver: ReturnType<Redirector['around']>;
let wanted: WantedDataplane;

beforeEach(() => {
  world = virtualWorld();
  manager = world.network.host('manager', '10.1.0.1');
  client = world.network.host('client', '10.5.0.5');
  links = new ListedLinks();
  links.links = [
    link({
      addresses: [
        { address: VIP, length: 32 },
        { address: address('10.1.0.1'), length: 24 },
      ],
    }),
  ];
  applied = [];
  moved = 0;
  redirector = createRedirector({
    ...{ clock: world.clock, random: world.random, net: manager.net, links, log: world.log },
    onMoved: () => moved++,
  });
  const inner = createPassiveDataplane();
  driver = redirector.around({
    ...inner,
    apply: (state, onPart) => {
      applied.push(state);
      return inner.apply(state, onPart);
    },
  });
  wanted = { farms: Table.empty(), vips: Table.from([[VIP, true as const]]), partings: Table.empty() };
});

const apply = (farms: readonly Farm[]) => {
  const keep = new Map(farms.map(one => [one.key, one]));
  let table = wanted.farms;
  for (const key of table.keys()) if (!keep.has(key)) table = table.without(key);
  for (const [key, one] of keep) if (table.get(key) !== one) table = table.with(key, one);
  wanted = { ...wanted, farms: table };
  return world.clock.runToEnd(driver.apply(wanted));
};
/** What the data plane was told of the farm. */
const carried = (): Farm | undefined => applied.at(-1)!.farms.get(KEY);

/** Sends a text to the listener; gives what came back, and whether it was closed. */
function ask(text: string): { readonly said: () => string; readonly ended: () => boolean } {
  let said = '';
  let ended = false;
  const [{ address: at, port }] = carried()!.members as [Member];
  const stream = client.net.connect(
    { address: at, port },
    {
      onOpen: () => void stream.write(new TextEncoder().encode(text)),
      onData: bytes => (said += new TextDecoder().decode(bytes)),
      onClose: () => (ended = true),
    },
  );
  return { said: () => said, ended: () => ended };
}
const GET = 'GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n';

test('to the data plane it is a nat farm to this host, at the port that was opened first', async () => {
  const other = farm({ key: `${VIP}|tcp|90-90` as FarmKey, ports: { first: 90, last: 90 }, mode: 'nat' });
  const { reached, problems } = await apply([farm(), other]);
  expect(problems).toEqual([]);
  expect(carried()).toMatchObject({
    mode: 'nat',
    members: [{ address: '10.1.0.1', weight: 1, accepts: true }],
  });
  expect(carried()!.members[0]!.port).toBeGreaterThan(0);
  expect(applied[0]!.farms.get(other.key)).toBe(other);
  expect([...reached.entries()].sort()).toEqual([
    [KEY, 2],
    [other.key, 2],
  ]);
});

test('without such farms the wanted state is handed on as it is, and nothing is watched', async () => {
  await apply([farm({ mode: 'nat' })]);
  expect(applied[0]).toBe(wanted);
  expect(world.clock.timers).toBe(0);
});

test('members that come and go change nothing in the data plane', async () => {
  await apply([farm()]);
  const before = carried();
  const { reached } = await apply([farm({ members: [member('10.1.0.13')] })]);
  expect(carried()).toBe(before);
  expect(reached.get(KEY)).toBe(1);
  const asked = ask(GET);
  await world.clock.runUntil(asked.ended);
  expect(asked.said()).toContain('Location: http://10.1.0.13/a?b\r\n');
});

test('the best server, path and query kept, its own port', async () => {
  redirector.setDirectory(
    directory({ [VIP]: { '10.1.0.11': ['tcp/8080 http www 500'], '10.1.0.12': ['tcp/8080 http www 900'] } }),
  );
  await apply([
    farm({ members: [member('10.1.0.11', { port: 8080 }), member('10.1.0.12', { port: 8080 })] }),
  ]);
  const asked = ask(GET);
  await world.clock.runUntil(asked.ended);
  expect(asked.said()).toMatch(/^HTTP\/1\.1 307 [\s\S]*Location: http:\/\/10\.1\.0\.12:8080\/a\?b\r\n/);
  expect(redirector.counters.redirected).toBe(1);
});

test('nothing up: 503 and when to come again', async () => {
  await apply([farm({ members: [member('10.1.0.11', { accepts: false })] })]);
  const asked = ask(GET);
  await world.clock.runUntil(asked.ended);
  expect(asked.said()).toMatch(/^HTTP\/1\.1 503 [\s\S]*Retry-After: 1\r\n/);
});

test('who says nothing, or never ends, is answered and closed in time; who does not close is dropped', async () => {
  await apply([farm()]);
  const slow = ask('GET / HTTP/1.1\r\nX: ');
  await world.clock.advance(PATIENCE - 10);
  expect(slow.said()).toBe('');
  await world.clock.advance(LINGER + 20);
  expect(slow.said()).toContain('HTTP/1.1 408');
  expect(slow.ended()).toBe(true);
  expect(redirector.counters.timeout).toBe(1);
});

test('one address has no more than its share of connections', async () => {
  await apply([farm()]);
  const asked = Array.from({ length: MOST_OF_ONE + 10 }, () => ask('GET'));
  await world.clock.advance(1000);
  expect(redirector.counters.limit).toBe(10);
  expect(asked.filter(one => one.ended()).length).toBe(10);
});

test('all listeners together have no more than there is memory for, and who leaves makes room', async () => {
  const crowd = { open: MOST_OF_ALL - 1 };
  const outcomes: string[] = [];
  const listener = await listenHttp({
    ...{ net: manager.net, clock: world.clock, address: address('10.1.0.1'), crowd },
    answer: () => ({ outcome: 'nothing-up', bytes: new Uint8Array(0) }),
    count: outcome => outcomes.push(outcome),
  });
  const connect = () =>
    client.net.connect(
      { address: address('10.1.0.1'), port: listener.port },
      { onOpen() {}, onData() {}, onClose() {} },
    );
  const first = connect();
  await world.clock.advance(10);
  expect([crowd.open, outcomes]).toEqual([MOST_OF_ALL, []]);
  connect();
  await world.clock.advance(10);
  expect(outcomes).toEqual(['limit']);
  first.destroy();
  await world.clock.advance(10);
  expect([crowd.open, outcomes]).toEqual([MOST_OF_ALL - 1, ['limit', 'gone']]);
});

test('an address that goes: another is taken, and the data plane asked to follow', async () => {
  await apply([farm()]);
  manager = world.network.host('manager-2', '10.1.0.2');
  links.links = [link({ addresses: [{ address: address('10.1.0.2'), length: 24 }] })];
  await world.clock.advance(1500);
  expect(moved).toBe(1);
  // What main does then: the same, wanted again.
  wanted = { ...wanted };
  await world.clock.runToEnd(driver.apply(wanted));
  expect(carried()!.members[0]!.address).toBe('10.1.0.2');
});

test('a host without an address of the family: a problem, and no farm', async () => {
  links.links = [];
  const { problems, reached } = await apply([farm()]);
  expect(problems).toEqual([`farm ${KEY}: this host has no IPv4 address to redirect from`]);
  expect([carried(), reached.size]).toEqual([undefined, 0]);
});

test('a farm that goes takes its listener with it, and close all of them', async () => {
  await apply([farm()]);
  const [{ address: at, port }] = carried()!.members as [Member];
  await apply([]);
  let error: string | undefined;
  client.net.connect({ address: at, port }, { onData() {}, onClose: why => (error = why) });
  await world.clock.advance(5000);
  expect(error).toMatch(/ECONNREFUSED/);
  await apply([farm()]);
  redirector.close();
  expect(world.clock.pending).toEqual([]);
});

test.each([
  [[1000, 400], 0.99, '10.1.0.11'],
  [[960, 1000], 0, '10.1.0.11'],
  [[960, 1000], 0.6, '10.1.0.12'],
  [[0, 0], 0.6, '10.1.0.12'],
])('scores %j, draw %d: %s', (scores, draw, expected) => {
  const tree = Object.fromEntries(
    scores.map((score, index) => [`10.1.0.${11 + index}`, [`tcp/80 http www ${score}`]]),
  );
  expect(choose(farm(), directory({ [VIP]: tree }), draw)?.address).toBe(expected as Address);
});

test('equals are chosen by weight', () => {
  const members = [member('10.1.0.11', { weight: 300 }), member('10.1.0.12', { weight: 100 })];
  const draws = Array.from(
    { length: 8 },
    (_, index) => choose(farm({ members }), directory({}), index / 8)?.address,
  );
  expect(draws.filter(at => at === '10.1.0.11').length).toBe(6);
});
