/**
 * Services that fail, servers that die, services that flap: what the farm does, and what the operator is shown.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { answers, type Daemon, DaemonCell, Server } from '../support/daemon.ts';
import { poll } from '../support/netns.ts';

let cell: DaemonCell;
let manager: Daemon;
let lastHost = 10;

beforeAll(async () => {
  cell = new DaemonCell();
  manager = cell.daemon({
    access: ['lan'],
    damping: { suppress: 1500, reuse: 700, halfLife: 3000, ceiling: 4000 },
  });
  await manager.start();
}, 60_000);
afterAll(() => cell.dispose());

/** A server of a farm whose VIP is `vip`. */
function server(name: string, vip: string): Server {
  const check = { kind: 'tcp', interval: 500, timeout: 450, fall: 2 };
  return new Server(cell.host(++lastHost), {
    name,
    services: [{ name: 'www.mission', protocol: 'http', ports: 80, vip, check }],
  });
}

test('a service that fails its check leaves the farm, and why is shown', async () => {
  const [good, bad] = [server('good', '10.255.0.1'), server('bad', '10.255.0.1')];
  await good.up();
  await bad.up();
  expect(Object.keys(await answers(cell.client, '10.255.0.1', 6)).sort()).toEqual(['bad', 'good']);
  bad.do('close');
  const row = await manager.until('services', { server: 'bad', state: 'down' });
  expect(row['reason']).toMatch(/^check tcp\/80 .*refused.* 2×/);
  expect(row['for']).toMatch(/^\d+ s$/);
  const told = await bad.until({ event: 'service', state: 'down' });
  expect(told['reason']).toBe(row['reason']);
  expect(await answers(cell.client, '10.255.0.1', 6)).toEqual({ good: 6 });
  expect(await manager.until('vips', { vip: '10.255.0.1' })).toMatchObject({
    servers: 2,
    up: 1,
    route: 'out',
  });
  bad.do('listen');
  await manager.until('services', { server: 'bad', state: 'up' });
  for (const one of [good, bad]) await one.process.stop('SIGKILL');
});

test('the last server that fails takes the route with it', async () => {
  const only = server('only', '10.255.0.2');
  await only.up();
  only.do('close');
  await manager.until('vips', { vip: '10.255.0.2', route: 'none' });
  const [answer] = Object.keys(await answers(cell.client, '10.255.0.2'));
  expect(answer).not.toBe('timeout'); // Refused, or unreachable: clients fail fast.
  only.do('listen');
  await manager.until('vips', { vip: '10.255.0.2', route: 'out' });
  await only.process.stop('SIGKILL');
});

test('a process that dies is noticed from its closed connection, and its flows are cut', async () => {
  const [one, two] = [server('one', '10.255.0.3'), server('two', '10.255.0.3')];
  await one.up();
  await two.up();
  await one.process.stop('SIGKILL');
  const row = await manager.until('servers', { server: 'one', state: 'lost' });
  expect(row['reason']).toMatch(/closed its connection|connection broke/);
  expect(await answers(cell.client, '10.255.0.3', 6)).toEqual({ two: 6 });
  await two.process.stop('SIGKILL');
});

test('a host that vanishes is noticed by three silent heartbeats', async () => {
  const check = { kind: 'tcp', interval: 10_000, timeout: 5000 };
  const host = cell.host(++lastHost);
  const silent = new Server(host, {
    name: 'silent',
    services: [{ name: 'www.mission', protocol: 'http', ports: 80, vip: '10.255.0.4', check }],
  });
  await silent.up();
  host.ip('link set eth0 down');
  const row = await manager.until('servers', { server: 'silent', state: 'lost' });
  expect(row['reason']).toMatch(/nothing was heard for \d+ ms/);
  await silent.process.stop('SIGKILL');
});

test('a flapping service is held back, visibly, and let in when it has been calm', async () => {
  const flapping = server('flapping', '10.255.0.6');
  await flapping.up();
  const state = async (): Promise<unknown> =>
    (await manager.show('services')).find(row => row['server'] === 'flapping')?.['state'];
  // Twice is enough, unless the machine is so slow that the first is half forgotten by then.
  for (let falls = 0; falls < 10 && (await state()) !== 'damped'; falls++) {
    flapping.do('close');
    await manager.until('services', { server: 'flapping', state: 'down' });
    flapping.do('listen');
    await poll(async () => (await state()) !== 'down', undefined, 'it passes again');
  }
  const row = await manager.until('services', { server: 'flapping', state: 'damped' });
  expect(row['penalty']).toBeGreaterThan(1000);
  expect(row['reason']).toMatch(/it flaps: held back at penalty \d+/);
  expect((await manager.get('/metrics')).body).toMatch(
    /^bivouac_service_flap_penalty\{server="flapping",service="www.mission"\} \d+/m,
  );
  await flapping.until({ event: 'service', state: 'damped' });
  await manager.until('services', { server: 'flapping', state: 'up' }, 30_000);
  await flapping.process.stop('SIGKILL');
});

test('drained and withdrawn services leave in their order', async () => {
  const [stays, goes] = [server('stays', '10.255.0.7'), server('goes', '10.255.0.7')];
  await stays.up();
  await goes.up();
  goes.do('drain');
  expect(await manager.until('services', { server: 'goes', state: 'draining' })).toMatchObject({
    reason: 'its server asked to drain it',
  });
  expect(await answers(cell.client, '10.255.0.7', 6)).toEqual({ stays: 6 });
  goes.do('withdraw');
  await poll(
    async () => (await manager.show('services')).every(row => row['server'] !== 'goes'),
    30_000,
    'it is gone',
  );
  for (const one of [stays, goes]) await one.process.stop('SIGKILL');
});
