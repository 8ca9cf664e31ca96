/**
 * The agent of a server that is carried about, on a real kernel: two cells with a switch and a manager each, and a cable.
 *
 *     manager A 10.1.0.1 ── switch A ──┐
 *                                      ├┄┄ eth0 server (eth1 when there are two)
 *     manager B 10.2.0.1 ── switch B ──┘
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { agentPrograms } from '../support/agent-programs.ts';
import { type LongProcess, type Namespace, Network, poll } from '../support/netns.ts';

const work = mkdtempSync(join(tmpdir(), 'bivouac-roaming-'));
const programs = agentPrograms('roaming');
const { agent: agentProgram, manager: managerProgram } = programs;
const VIP = '10.99.0.1';
const network = new Network();
let switches: Namespace;
let server: Namespace;
let agent: LongProcess;
let monitor: LongProcess;
let a: Manager;
let b: Manager;
let counter = 0;

type Heard = Record<string, never> & { readonly at: number };
interface Manager {
  readonly process: LongProcess;
  heard(type: string): Heard[];
}

function manage(namespace: Namespace, id: string, own: string): Manager {
  const one = namespace.spawn(process.execPath, [managerProgram, '--id', id, '--invite', own]);
  const heard = (type: string): Heard[] =>
    one
      .stdout()
      .split('\n')
      .filter(line => line.startsWith('{'))
      .map(line => JSON.parse(line))
      .filter(message => message.type === type);
  return { process: one, heard };
}

const cells = new Map<string, Namespace>();

beforeAll(async () => {
  await programs.build();
  switches = network.namespace('switches');
  for (const [number, cell] of ['a', 'b'].entries()) {
    switches.ipBatch([
      `link add sw-${cell} type bridge forward_delay 0 mcast_snooping 0`,
      `link set sw-${cell} up`,
    ]);
    const manager = network.namespace(`manager-${cell}`);
    cells.set(cell, manager);
    network.veth(
      { in: switches, name: `up-${cell}` },
      { in: manager, name: 'lan', addresses: [`10.${number + 1}.0.1/24`] },
    );
    switches.ip(`link set up-${cell} master sw-${cell}`);
    manager.ip('route add default dev lan');
  }
});
afterAll(async () => {
  await network.dispose();
  rmSync(work, { recursive: true, force: true });
  rmSync(programs.directory, { recursive: true, force: true });
});

beforeEach(async () => {
  server = network.namespace('server');
  for (const name of ['eth0', 'eth1']) {
    network.veth({ in: switches, name: `${name}-${++counter}` }, { in: server, name });
    server.ip(`link set ${name} down`);
    ports.set(name, `${name}-${counter}`);
  }
  a = manage(cells.get('a')!, 'aa', '10.1.0.1');
  b = manage(cells.get('b')!, 'bb', '10.2.0.1');
  await poll(
    () => [a, b].every(one => one.process.stdout().includes('listening')),
    30_000,
    'the managers listen',
  );
  plug('eth0', 'a');
  address('eth0', '10.1.0.9/24', '10.1.0.1');
  const config = join(work, `agent-${counter}.json`);
  const services = [{ name: 'www.example.org', protocol: 'http', ports: 80, forward: { mode: 'direct' } }];
  writeFileSync(
    config,
    JSON.stringify({ name: 'one', plain: true, state: join(work, `state-${counter}.json`), services }),
  );
  agent = server.spawn(process.execPath, [agentProgram, '--config', config, '--verbose']);
  await poll(() => a.heard('register-service').length > 0, 30_000, 'it is registered at A');
  monitor = server.spawn('ip', ['monitor', 'address', 'dev', 'lo']);
  await poll(() => monitor.pid > 0);
});
afterEach(async () => {
  for (const one of [agent, monitor, a.process, b.process]) await one.stop('SIGKILL');
  server.ipBatch(['link del eth0', 'link del eth1']);
});

const ports = new Map<string, string>();
/** The cable of an interface goes to a cell's switch, with the interface up. */
function plug(name: string, cell: string): void {
  const port = ports.get(name)!;
  switches.ipBatch([`link set ${port} down`, `link set ${port} master sw-${cell}`, `link set ${port} up`]);
  server.ip(`link set ${name} up`);
}
/** What a DHCP client does with an ACK; gives the time, ms. */
function address(name: string, own: string, router: string, metric = 0): number {
  const at = Date.now();
  server.ipBatch([
    `addr flush dev ${name} scope global`,
    `addr add ${own} dev ${name}`,
    `route replace default via ${router} dev ${name} metric ${metric}`,
  ]);
  return at;
}
/**
 * Waits until it is registered there with this address, and its service after that; gives when that was, by the clock of all. What it did
 * there before `since` does not count: it sees whatever there is between a cable that is plugged and an address that is given.
 */
async function registered(manager: Manager, own: string, since: number): Promise<number> {
  const find = (): Heard | undefined => {
    const session = manager
      .heard('register')
      .findLast(
        ({ addresses, at }) => at >= since && (addresses as unknown as readonly string[]).includes(own),
      );
    return session && manager.heard('register-service').find(({ at }) => at >= session.at);
  };
  const { at } = await poll(find, undefined, `registered as ${own}`).catch((error: Error) => {
    throw new Error(`${error.message}\n${agent.stderr()}`);
  });
  return at;
}
/** ms; an agent that was told nothing finds out after three heartbeats, nine seconds. */
const AT_ONCE = 6000;
/** Each once: a session that is begun again has the same. */
const epochs = (manager: Manager): unknown[] => [
  ...new Set(manager.heard('register').map(({ epoch }) => epoch)),
];
const flapped = (): boolean => monitor.stdout().includes(VIP);

test('a cable moved to another switch: registered there at once, with its lease and a higher epoch; the VIP never flaps', async () => {
  const took: number[] = [];
  for (let round = 0; round < 5; round++) {
    plug('eth0', 'b');
    let since = address('eth0', '10.2.0.9/24', '10.2.0.1');
    took.push((await registered(b, '10.2.0.9', since)) - since);
    plug('eth0', 'a');
    since = address('eth0', '10.1.0.9/24', '10.1.0.1');
    took.push((await registered(a, '10.1.0.9', since)) - since);
  }
  for (const { leases } of b.heard('register')) expect(leases).toMatchObject([{ vip: VIP }]);
  expect(epochs(b)).toEqual([2, 4, 6, 8, 10]);
  expect(epochs(a)).toEqual([1, 3, 5, 7, 9, 11]);
  expect(flapped()).toBe(false);
  expect(a.heard('lease-request').length).toBe(1);
  const median = took.sort((x, y) => x - y)[took.length >> 1]!;
  console.log(`address → service registered, ms: median ${median} (${took.join(', ')})`);
  expect(median).toBeLessThan(AT_ONCE);
});

test('the link stays up and the subnet changes', async () => {
  const port = ports.get('eth0')!;
  switches.ip(`link set ${port} master sw-b`);
  const since = address('eth0', '10.2.0.9/24', '10.2.0.1');
  expect((await registered(b, '10.2.0.9', since)) - since).toBeLessThan(AT_ONCE);
  expect(epochs(b)).toEqual([2]);
  expect(flapped()).toBe(false);
});

test('an address that changes in the same cell is another session at the same manager, with the same epoch', async () => {
  const since = address('eth0', '10.1.0.77/24', '10.1.0.1');
  expect((await registered(a, '10.1.0.77', since)) - since).toBeLessThan(AT_ONCE);
  expect(epochs(a)).toEqual([1]);
  expect(flapped()).toBe(false);
});

test('two interfaces: the better one is gone over to, and the former left only then', async () => {
  address('eth0', '10.1.0.9/24', '10.1.0.1', 100);
  server.ip('route del default metric 0');
  plug('eth1', 'b');
  const since = address('eth1', '10.2.0.9/24', '10.2.0.1', 50);
  const there = await registered(b, '10.2.0.9', since);
  const left = await poll(() => a.heard('deregister').at(-1), undefined, 'A is left');
  expect(left.at).toBeGreaterThanOrEqual(there);
  await poll(() => agent.stderr().includes('agent-moved'));
  expect(agent.stderr()).toMatch(/agent-moved.*madeBeforeBroken[=: ]*true|"madeBeforeBroken":true/);
  expect(flapped()).toBe(false);
});

test('a bounce A → B → A ends at A', async () => {
  const before = agent.stderr().length;
  const places = (): number => agent.stderr().slice(before).split('agent-place').length - 1;
  plug('eth0', 'b');
  address('eth0', '10.2.0.9/24', '10.2.0.1');
  // The moment at which it sees that it is at B.
  await poll(() => places() > 0, undefined, 'another place');
  plug('eth0', 'a');
  const since = address('eth0', '10.1.0.9/24', '10.1.0.1');
  await registered(a, '10.1.0.9', since);
  const last = a.heard('register').at(-1)!;
  expect(Number(last['epoch'])).toBeGreaterThanOrEqual(Number(b.heard('register').at(-1)?.['epoch'] ?? 1));
  expect(flapped()).toBe(false);
});

test('without any router the manager is found by asking on the link', async () => {
  switches.ip(`link set ${ports.get('eth0')!} master sw-b`);
  const since = Date.now();
  server.ipBatch(['addr flush dev eth0 scope global', 'addr add 10.2.0.66/24 dev eth0']);
  expect((await registered(b, '10.2.0.66', since)) - since).toBeLessThan(AT_ONCE);
  expect(flapped()).toBe(false);
});

test('a host that stood still and wakes elsewhere is registered there at once', async () => {
  process.kill(agent.pid, 'SIGSTOP');
  plug('eth0', 'b');
  address('eth0', '10.2.0.9/24', '10.2.0.1');
  await new Promise(resolve => setTimeout(resolve, 500));
  const since = Date.now();
  process.kill(agent.pid, 'SIGCONT');
  expect((await registered(b, '10.2.0.9', since)) - since).toBeLessThan(AT_ONCE);
  expect(flapped()).toBe(false);
});
