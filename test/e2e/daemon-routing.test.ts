/**
 * Managers with real FRR in a row of routers A—B—C: VIPs reach the network, survive a crash of the manager, move with a reload, and are
 * anycast when two managers have them.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { answers, Daemon, Server } from '../support/daemon.ts';
import { type Namespace, Network, poll } from '../support/netns.ts';
import { learned, type Router, type Row, threeRouters, untilLearned } from '../support/routing.ts';

const VIP = '10.50.0.1';
let row: Row;
let network: Network;
let directory: string;

beforeEach(() => {
  network = new Network();
  directory = mkdtempSync(join(tmpdir(), 'bvr-'));
});
afterEach(async () => {
  await network.dispose();
  await row.dispose();
  rmSync(directory, { recursive: true, force: true });
});

/** The manager of a router, and a place for a server behind it. */
function cell(
  router: Router,
  link: string,
  number: number,
  more: object = {},
): { manager: Daemon; host: Namespace } {
  const host = network.namespace(`srv${number}`);
  network.veth(
    { in: router.namespace, name: 'srv', addresses: [`10.1.${number}.1/24`] },
    { in: host, name: 'eth0', addresses: [`10.1.${number}.11/24`] },
  );
  host.ip(`route add default via 10.1.${number}.1`);
  const routing = { kind: 'external', interfaces: [link], hello: 1, sockets: router.frr.directory, ...more };
  const settings = { name: `cell-${number}`, pools: ['10.50.0.0/24'], access: ['srv'], routing };
  return { manager: new Daemon(router.namespace, mkdtempSync(join(directory, 'm-')), settings), host };
}

const frrOf = (router: Router, daemon: 'zebra' | 'ospfd'): Promise<string> =>
  router.frr.vty(daemon, 'show running-config');

const serve = (host: Namespace, number: number, vip = VIP): Server =>
  new Server(host, {
    ...{ name: `web${number}`, manager: `10.1.${number}.1` },
    services: [{ name: 'www.mission', protocol: 'http', ports: 80, vip }],
  });

test.each(['external', 'internal'])('a VIP (%s) comes, outlives a crash, and goes', async kind => {
  row = await threeRouters({ bare: ['a'] });
  const found = await Promise.all((['zebra', 'ospfd'] as const).map(name => frrOf(row.a, name)));
  const { manager, host } = cell(row.a, 'ab', 1, { kind });
  await manager.start();
  await untilLearned(row.a, '10.9.2.0/24', true, 30_000);
  const server = serve(host, 1);
  await server.up();
  // The router between may learn it later.
  for (const router of [row.c, row.b]) await untilLearned(router, VIP);
  // C knows the way to the VIP alone, so the client's own address is one that A knows.
  expect(await answers(row.c.namespace, VIP, 3)).toEqual({ web1: 3 });
  expect(await manager.show('routes')).toMatchObject([{ vip: VIP, state: 'out', metric: 20, reason: '' }]);
  await manager.until('routes', { vip: VIP, advertised: 'yes' });
  expect(await manager.show('neighbours')).toMatchObject([
    { interface: 'ab', state: 'Full', address: '10.9.1.2' },
  ]);
  expect(await manager.show('problems')).toEqual([]);

  const seen = row.c.namespace.spawn('ip', ['monitor', 'route']);
  await manager.stored(1);
  await manager.stop('SIGKILL');
  await manager.start();
  await manager.until('servers', { server: 'web1', state: 'connected' });
  await manager.until('services', { server: 'web1', state: 'up' });
  expect(learned(row.c)).toContain(VIP);
  expect(seen.stdout()).not.toContain(VIP);

  expect(await manager.stop('SIGTERM'), manager.log()).toBe(0);
  await untilLearned(row.c, VIP, false);
  expect(row.a.namespace.ip('route show table all')).not.toContain(VIP);
  expect(row.a.namespace.ip('addr')).not.toContain(VIP);
  // As it was found, though the manager that changed it first was killed.
  expect(await Promise.all((['zebra', 'ospfd'] as const).map(name => frrOf(row.a, name)))).toEqual(found);
});

test('a reload takes a new pool to FRR, and leaves the routes that are alone', async () => {
  row = await threeRouters({ bare: ['a'] });
  const { manager, host } = cell(row.a, 'ab', 1);
  // Whatever moves the VIP's route is to be the reload, and not 300 ms in which a busy machine lets the server say nothing.
  manager.configure({ sessions: { heartbeat: 5000 } });
  await manager.start();
  await untilLearned(row.a, '10.9.2.0/24', true, 30_000);
  await serve(host, 1).up();
  await untilLearned(row.c, VIP);
  const seen = row.c.namespace.spawn('ip', ['monitor', 'route']);
  manager.configure({ pools: ['10.50.0.0/24', '10.51.0.0/24'] });
  await manager.reload();
  expect(manager.log()).toMatch(/reloaded needRestart=\[\]/);
  const second = new Server(host, {
    ...{ name: 'mail', manager: '10.1.1.1', port: 25 },
    services: [{ name: 'mail.mission', protocol: 'smtp', ports: 25, vip: '10.51.0.7' }],
  });
  await second.up();
  for (const router of [row.c, row.b]) await untilLearned(router, '10.51.0.7');
  expect(await answers(row.c.namespace, '10.51.0.7', 1, 25)).toEqual({ mail: 1 });
  expect(seen.stdout()).not.toContain(VIP);
  // Other hellos: the old ones are gone, and the neighbour with the old is lost.
  const routing = { kind: 'external', interfaces: ['ab'], sockets: row.a.frr.directory };
  manager.configure({ routing });
  await manager.reload();
  await poll(async () => !(await frrOf(row.a, 'ospfd')).includes('hello-interval'), 30_000, 'hello as usual');
  manager.configure({ routing: { ...routing, hello: 1 } });
  await manager.reload();
  await poll(
    async () => (await frrOf(row.a, 'ospfd')).includes('hello-interval 1'),
    30_000,
    'hello each second',
  );
  manager.configure({ routing: { kind: 'internal', interfaces: ['ab'], sockets: row.a.frr.directory } });
  await manager.reload();
  expect(manager.log()).toMatch(/reloaded needRestart="?\[.*routing\.kind/);
});

test('one VIP at two managers is anycast: when one has no server left, clients reach the other', async () => {
  row = await threeRouters({ bare: ['a', 'c'] });
  const [a, c] = [cell(row.a, 'ab', 1), cell(row.c, 'cb', 2)];
  await Promise.all([a.manager.start(), c.manager.start()]);
  await untilLearned(row.a, '10.9.2.0/24', true, 30_000);
  await untilLearned(row.c, '10.9.1.0/24', true, 30_000);
  const [one, two] = [serve(a.host, 1), serve(c.host, 2)];
  await one.up();
  await two.up();
  const ways = (): number => row.b.namespace.ip(`route show ${VIP}`).split(' via ').length - 1;
  await poll(() => ways() === 2, 30_000, 'two ways at B');
  expect(Object.keys(await answers(row.b.namespace, VIP, 40)).sort()).toEqual(['web1', 'web2']);
  one.do('close');
  await a.manager.until('vips', { vip: VIP, route: 'none' });
  await poll(() => ways() === 1, 30_000, 'one way at B');
  expect(await answers(row.b.namespace, VIP, 10)).toEqual({ web2: 10 });
  one.do('listen');
  await poll(() => ways() === 2, 30_000, 'two ways at B again');
  await a.manager.stop('SIGTERM');
  await poll(() => ways() === 1, undefined, 'one way at B, for good');
  expect(await answers(row.b.namespace, VIP, 10)).toEqual({ web2: 10 });
});
