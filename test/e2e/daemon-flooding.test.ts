/**
 * Two managers, one of them a GSLB too, in a row of routers A—B—C whose only carrier of notices is OSPF. Bivouac sets OSPF up itself; B
 * is a router without the API.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Daemon, PROGRAM, Server } from '../support/daemon.ts';
import { Network, poll } from '../support/netns.ts';
import { type Row, threeRouters } from '../support/routing.ts';

let row: Row;
let network: Network;
let directory: string;
let a: Daemon;
let c: Daemon;
let server: Server;

const bivouac = (...words: readonly string[]): string =>
  execFileSync(process.execPath, [PROGRAM, ...words], { encoding: 'utf8', stdio: 'pipe' });

beforeAll(async () => {
  network = new Network();
  directory = mkdtempSync(join(tmpdir(), 'bvo-'));
  row = await threeRouters({
    ...{ bare: ['a', 'c'], api: true },
    extra: { b: 'router ospf\n capability opaque\n' },
  });
  const ca = join(directory, 'ca');
  bivouac('pki', 'init', ca, '--mission', 'm');
  bivouac('pki', 'issue', ca, '--name', 'cell-1', '--role', 'manager');
  bivouac('pki', 'issue', ca, '--name', 'cell-2', '--role', 'manager');
  bivouac('pki', 'issue', ca, '--name', 'web', '--role', 'server', '--any');
  const host = network.namespace('srv');
  network.veth(
    { in: row.a.namespace, name: 'srv', addresses: ['10.1.1.1/24'] },
    { in: host, name: 'eth0', addresses: ['10.1.1.11/24'] },
  );
  host.ip('route add default via 10.1.1.1');
  // Wherever its manager is, the server stays behind A.
  row.b.namespace.ip('route add 10.1.1.0/24 via 10.9.1.1');
  row.c.namespace.ip('route add 10.1.1.0/24 via 10.9.2.2');
  const settings = (name: string, at: 'a' | 'c', link: string, address: string): object => ({
    ...{ name, notices: { ospf: {}, addresses: [address] }, roaming: { vips: ['10.50.0.0/16'] } },
    tls: { ca: `${ca}/ca.pem`, certificate: `${ca}/${name}.pem`, key: `${ca}/${name}.key` },
    routing: { kind: 'external', interfaces: [link], hello: 1, sockets: row[at].frr.directory },
  });
  const daemon = (at: 'a' | 'c', more: object): Daemon =>
    new Daemon(row[at].namespace, mkdtempSync(join(directory, 'm-')), more);
  a = daemon('a', {
    ...settings('cell-1', 'a', 'ab', '10.9.1.1'),
    ...{ pools: ['10.50.1.0/24'], access: ['srv'] },
  });
  c = daemon('c', {
    ...settings('cell-2', 'c', 'cb', '10.9.2.3'),
    pools: ['10.50.2.0/24'],
    gslb: {
      zones: ['mission'],
      nameServers: { 'ns1.mission': ['10.9.2.3'] },
      poll: 300,
      workers: 0,
      policies: [{ match: '*', whenNone: 'none' }],
    },
  });
  await Promise.all([a.start(), c.start()]);
  server = new Server(host, {
    ...{ name: 'web', manager: '10.1.1.1', certificate: join(ca, 'web'), roams: true },
    services: [
      {
        ...{ name: 'www.mission', protocol: 'http', ports: 80 },
        check: { kind: 'tcp', interval: 500, timeout: 450 },
      },
    ],
  });
  await server.up();
}, 120_000);
afterAll(async () => {
  await network.dispose();
  await row.dispose();
  rmSync(directory, { recursive: true, force: true });
});

const LIMIT = 60_000;

/** What the GSLB at C itself is asked. */
async function dig(): Promise<string> {
  const script = `const r = new (require('dns').promises.Resolver)({ timeout: 2000, tries: 3 }); r.setServers(['10.9.2.3']); r.resolve('www.mission', 'A').then(x => console.log(JSON.stringify(x)), e => console.log(e.code))`;
  return (await row.c.namespace.run(process.execPath, ['-e', script])).stdout.trim();
}

test('a service two hops away is in DNS, by OSPF alone', async () => {
  await c.until('peers', { peer: 'cell-1' }, LIMIT);
  await a.until('peers', { peer: 'cell-2' }, LIMIT);
  await c.until('sites', { manager: 'cell-1', polls: 'answers', offers: 1 }, LIMIT);
  expect(await poll(async () => /10\.50\.1\.\d+/.test(await dig()), LIMIT, 'an address')).toBe(true);
  expect(c.log()).toContain('ospf-api-ready');
  // What Bivouac itself has to set up first was waited for.
  expect(c.log()).not.toContain('notice-refused');
});

test('a service that fails is out of DNS, and in again when it is back', async () => {
  server.do('close');
  expect(await poll(async () => !/10\.50\.1\.\d+/.test(await dig()), LIMIT, 'none')).toBe(true);
  server.do('listen');
  expect(await poll(async () => /10\.50\.1\.\d+/.test(await dig()), LIMIT, 'an address again')).toBe(true);
});

test('a server that goes over to the other manager leaves the first, with its VIP', async () => {
  const [before] = await a.show('services');
  server.do('relocate 10.9.2.3');
  await c.until('services', { server: 'web', state: 'up' }, LIMIT);
  // Only a notice can say that.
  const where = async (): Promise<string> => JSON.stringify(await a.show('vips'));
  expect(await poll(async () => /cell-2 \(epoch \d+\)/.test(await where()), LIMIT, 'the move')).toBe(true);
  await poll(async () => (await a.show('services')).length === 0, LIMIT, 'nothing is left');
  expect(await c.show('services')).toMatchObject([{ vip: before!['vip'] }]);
  expect(await poll(async () => (await dig()).includes(String(before!['vip'])), LIMIT, 'the VIP')).toBe(true);
});

test('a stop in good order is heard before OSPF is taken down', async () => {
  expect(await a.stop('SIGTERM'), a.log()).toBe(0);
  expect(await poll(() => c.log().includes('peer-gone'), LIMIT, 'the farewell')).toBe(true);
  expect(await poll(async () => (await c.show('peers')).length === 0, LIMIT, 'no peer')).toBe(true);
  // ospfd 8.4 ends itself when its OSPF is taken away while somebody still floods by it.
  expect(await row.a.frr.vty('ospfd', 'show running-config')).not.toContain('router ospf');
});
