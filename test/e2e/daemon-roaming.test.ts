/**
 * Two managers of a mission on one LAN that tell one another by multicast, and a server that goes from one to the other.
 *
 *     client ──── appliance A 10.1.0.1 ──┬── 10.1.0.2 appliance B
 *                                        └── 10.1.0.11 … servers
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Daemon, DaemonCell, Server } from '../support/daemon.ts';
import { poll } from '../support/netns.ts';

let cell: DaemonCell;
let a: Daemon;
let b: Daemon;
let mission: string;
let last = 10;

beforeAll(async () => {
  cell = new DaemonCell();
  mission = cell.mission('m');
  cell.bivouac('pki', 'issue', mission, '--name', 'other', '--role', 'manager');
  const other = cell.network.namespace('other');
  cell.network.plug(cell.lan, { in: other, name: 'lan', addresses: ['10.1.0.2/24'] });
  const settings = (name: string, certificate: string) => ({
    ...{ name, access: ['lan'], sessions: { heartbeat: 10_000, grace: 3000 } },
    tls: {
      ca: `${mission}/ca.pem`,
      certificate: `${mission}/${certificate}.pem`,
      key: `${mission}/${certificate}.key`,
    },
    notices: { interfaces: ['lan'], refresh: 300 },
  });
  a = cell.daemon(settings('cell-a', 'manager'));
  const vips = { pools: ['10.255.0.0/29', '10.255.1.0/28'], roaming: { vips: ['10.255.0.8/29'] } };
  b = cell.daemon({ ...settings('cell-b', 'other'), ...vips }, other);
  await a.start();
  await b.start();
}, 90_000);
afterAll(() => cell.dispose());

const check = { kind: 'tcp', interval: 500, timeout: 450 };
const service = (vip?: string) => ({
  ...{ name: 'mcu.mission', protocol: 'h323', ports: 80, shared: false, check },
  ...(vip && { vip }),
});

/** The same server, by its certificate, as it registers at a manager. */
const at = (manager: string, name: string, certificate: string, vip: string): Server =>
  new Server(cell.host(++last), { name, manager, certificate, services: [service(vip)] });

test('managers find one another, and show each other', async () => {
  expect(await a.until('peers', { peer: 'cell-b', state: 'heard' })).toMatchObject({ behind: 0, boot: 1 });
  await b.until('peers', { peer: 'cell-a', state: 'heard', address: '10.1.0.1,fd01::1' });
});

test('a server that registers elsewhere leaves at once, told by a notice alone; both say where it is', async () => {
  const [vip, certificate] = ['10.255.0.1', cell.certificate(mission, 's1')];
  const old = at('10.1.0.1', 's1', certificate, vip);
  await old.up();
  await b.until('vips', { vip, where: 'cell-a (epoch 1)' });
  // It is as if it were carried away: no heartbeat, no closed connection, and its next one is due in ten seconds.
  process.kill(old.process.pid, 'SIGSTOP');
  const next = at('10.1.0.2', 's1', certificate, vip);
  await next.up();
  const row = await a.until('vips', { vip, route: '' }, 30_000);
  expect(row['where']).toMatch(/^cell-b \(epoch [2-9]\)$/);
  expect((await b.show('vips'))[0]).toMatchObject({
    vip,
    route: 'out',
    where: row['where']?.toString().replace('cell-b', 'here'),
  });
  expect(await a.until('events', { event: 'server-moved' })).toMatchObject({
    about: 's1',
    vip,
    code: 'moved',
  });
  expect((await a.show('servers')).length).toBe(0);
  process.kill(old.process.pid, 'SIGKILL');
  await next.process.stop('SIGKILL');
});

test('a VIP that another manager has is not granted', async () => {
  const vip = '10.255.0.2';
  const holder = at('10.1.0.1', 's2', cell.certificate(mission, 's2'), vip);
  await holder.up();
  await b.until('vips', { vip, where: 'cell-a (epoch 1)' });
  const wrong = at('10.1.0.2', 's3', cell.certificate(mission, 's3'), vip);
  expect(await wrong.until({ event: 'refused' })).toMatchObject({ code: 'vip-taken' });
  for (const one of [holder, wrong]) await one.process.stop('SIGKILL');
});

test('a manager that restarts knows at once where everything is; one that dies is shown as silent', async () => {
  const vip = '10.255.0.3';
  const server = at('10.1.0.1', 's4', cell.certificate(mission, 's4'), vip);
  await server.up();
  await b.stop('SIGKILL');
  await a.until('peers', { peer: 'cell-b', state: 'silent' });
  await b.start();
  await b.until('vips', { vip, where: 'cell-a (epoch 1)' }, 30_000);
  expect(await a.until('peers', { peer: 'cell-b', state: 'heard' })).toMatchObject({ boot: 2 });
  await b.stop();
  await poll(async () => (await a.show('peers')).length === 0, 30_000, 'cell-b has taken its leave');
  // Those of the tests before are gone when they are given up.
  const metrics = async (): Promise<string> => (await a.get('/metrics')).body;
  await expect.poll(metrics).toContain('bivouac_bindings{where="here"} 1');
  await b.start();
  await server.process.stop('SIGKILL');
});

test('a server that roams keeps its VIP, with its issuer gone, out and home again', async () => {
  const vip = '10.255.0.9';
  const host = cell.host(++last);
  const roamer = new Server(host, {
    ...{ name: 's5', manager: '10.1.0.1', certificate: cell.certificate(mission, 's5') },
    roams: true,
    services: [service(vip)],
  });
  expect(await roamer.up()).toBe(vip);
  const go = async (to: string): Promise<void> => {
    const skip = roamer.told().length;
    roamer.do(`relocate ${to}`);
    await roamer.until({ event: 'service', state: 'up', vip }, 30_000, skip);
  };
  await go('10.1.0.2');
  await b.until('vips', { vip, where: 'here (epoch 2)', route: 'out' });
  await a.until('vips', { vip, where: 'cell-b (epoch 2)', route: '' });
  await go('10.1.0.1');
  await a.until('vips', { vip, where: 'here (epoch 3)', route: 'out' });
  await b.until('vips', { vip, where: 'cell-a (epoch 3)', route: '' });
  // The VIP is in none of B's pools, and who granted it is dead.
  await a.stop('SIGKILL');
  await go('10.1.0.2');
  await b.until('vips', { vip, route: 'out' });
  await a.start();
  // As it was stored the server is still here; a notice tells otherwise before the wait for it is over.
  await a.until('vips', { vip, where: 'cell-b (epoch 4)', route: '' }, 30_000);
  await roamer.process.stop('SIGKILL');
}, 60_000);

test('a VIP that a manager does not take up is changed for one of its own', async () => {
  const roamer = new Server(cell.host(++last), {
    ...{ name: 's6', manager: '10.1.0.2', certificate: cell.certificate(mission, 's6') },
    roams: true,
    services: [service()],
  });
  const first = await roamer.up();
  const skip = roamer.told().length;
  roamer.do('relocate 10.1.0.1');
  const up = await roamer.until({ event: 'service', state: 'up' }, 30_000, skip);
  if (first.startsWith('10.255.1.')) expect(up['vip']).not.toBe(first);
  expect(up['vip']).toMatch(/^10\.255\.0\./);
  await roamer.process.stop('SIGKILL');
}, 40_000);
