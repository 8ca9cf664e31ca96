/** The manager as its operator runs it: a cell that it serves by DHCP, and a web server to which it redirects. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Daemon, DaemonCell, Server } from '../support/daemon.ts';
import { poll } from '../support/netns.ts';

let cell: DaemonCell;
let manager: Daemon;

beforeAll(async () => {
  cell = new DaemonCell();
  manager = cell.daemon({
    plain: true,
    access: ['lan'],
    dhcp: [{ interface: 'lan', range: '10.1.0.100-10.1.0.199', lease: 120 }],
  });
  await manager.start();
}, 60_000);
afterAll(() => cell.dispose());

test('HTTP to the VIP is redirected to the server, which is up like any other', async () => {
  const web = {
    name: 'www.mission',
    protocol: 'http',
    ports: 80,
    targetPort: 8080,
    check: { kind: 'tcp', interval: 500, timeout: 450 },
    forward: { mode: 'redirect' },
  };
  const server = new Server(cell.host(11), { port: 8080, services: [web] });
  const vip = await server.up();
  const asked = await cell.client.run('curl', ['-sS', '-i', '-m', '25', `http://${vip}/map?x=1`]);
  expect(asked.stdout).toContain('Location: http://10.1.0.11:8080/map?x=1\r\n');
  await manager.until('services', { mode: 'redirect', state: 'up' });
  expect((await manager.get('/metrics')).body).toContain('bivouac_redirects_total{outcome="redirected"} 1');
  server.do('close');
  await manager.until('services', { mode: 'redirect', state: 'down' });
  const late = await cell.client.run('curl', ['-sS', '-i', '-m', '2', `http://${vip}/`]);
  expect(late.stdout).not.toContain('307');
});

test('a host gets its address and option 224 from the manager, is shown, is invited, and let go', async () => {
  const host = cell.network.namespace('mobile');
  const wire = `v${process.pid % 1_000_000}`;
  cell.network.plug(cell.lan, { in: host, name: wire, mac: '02:00:00:00:02:02' });
  const told = join(cell.directory, 'told');
  const script = join(cell.directory, 'script');
  writeFileSync(
    script,
    `#!/bin/sh\ncase "$1" in\nbound) ip addr replace "$ip/24" dev "$interface"; echo "$ip $opt224 $router" > ${told} ;;\nesac\n`,
    { mode: 0o755 },
  );
  const dhcp = () =>
    host.spawn('udhcpc', ['-f', '-R', '-i', wire, '-s', script, '-O', '224', '-t', '20', '-T', '1']);
  const first = dhcp();
  await poll(() => existsSync(told), 30_000, 'it has an address');
  const [at, managers, router] = readFileSync(told, 'utf8').trim().split(' ') as [string, string, string];
  expect(at).toMatch(/^10\.1\.0\.1\d\d$/);
  expect([Buffer.from(managers, 'hex').toString(), router]).toEqual(['10.1.0.1:9746', '10.1.0.1']);
  const row = await manager.until('hosts', { address: at, lease: 'bound' });
  expect(JSON.stringify(row)).toContain('020000000202');

  const server = new Server(host, {
    name: 'mobile',
    services: [{ name: 'm.mission', protocol: 'x', ports: 80 }],
  });
  await server.up();
  await manager.until('hosts', { address: at, server: 'mobile' });
  // Its process ends, its lease is given back, and it comes again: known now, it is invited.
  await server.process.stop('SIGKILL');
  await first.stop();
  await manager.until('hosts', { lease: 'released', server: 'mobile' });
  const listener = host.node(
    "require('dgram').createSocket('udp4').on('message', m => console.log('type ' + m[3])).bind(9747, () => console.log('ready'))",
  );
  await poll(() => listener.stdout().includes('ready'), undefined, 'it listens');
  dhcp();
  await poll(() => listener.stdout().includes(`type ${0x26}`), 30_000, 'an invitation');
});
