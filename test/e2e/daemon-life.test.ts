/**
 * What happens to clients, servers and the kernel when the manager is killed, stopped, reloaded, or finds its state spoilt.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { answers, type Daemon, DaemonCell, Flows, Server, snapshot } from '../support/daemon.ts';
import { poll } from '../support/netns.ts';

let cell: DaemonCell;
let manager: Daemon;
beforeEach(() => {
  cell = new DaemonCell();
  manager = cell.daemon({ access: ['lan'] });
});
afterEach(() => cell.dispose());

/** The kernel's table, with the handles that change when anything is replaced, and without its counters and timeouts. */
const table = (): string => cell.appliance.runSync('nft', ['-a', '-s', 'list', 'table', 'inet', 'bivouac']);

/** The network as the manager finds it: the kernel gives links their own addresses a moment after they are up. */
async function found(): Promise<ReturnType<typeof snapshot>> {
  const own = (): number => cell.appliance.ip('-6 -o addr show scope link').split(' fe80::').length - 1;
  await poll(() => own() === 2, undefined, 'the addresses of links');
  return snapshot(cell.appliance);
}

test('SIGKILL and a new start: flows go on, the kernel is not touched, servers are back', async () => {
  await manager.start();
  const [one, two] = [1, 2].map(
    number =>
      new Server(cell.host(10 + number), {
        name: `web${number}`,
        services: [{ name: 'www.mission', protocol: 'http', ports: 80, vip: '10.255.0.5' }],
      }),
  ) as [Server, Server];
  const vip = await one.up();
  await two.up();
  const flows = new Flows(cell.client, vip, 40);
  await poll(() => flows.last().open === 40 && flows.last().echoing > 0, 30_000, '40 flows');
  const before = table();
  await manager.stored(2);

  const heard = one.told().length;
  await manager.stop('SIGKILL');
  await poll(
    () => one.told().some(({ event }, at) => at >= heard && event === 'lost'),
    30_000,
    'it is noticed',
  );
  // Nobody looks after the cell now, and new clients are served all the same.
  const meanwhile = await answers(cell.client, vip, 6);
  expect(Object.values(meanwhile).reduce((sum, count) => sum + count)).toBe(6);
  expect(Object.keys(meanwhile).sort()).toEqual(['web1', 'web2']);

  await manager.start();
  // Restored at once: leases, registrations, and services as they were.
  expect(await manager.show('leases')).toHaveLength(2);
  expect((await manager.show('services')).map(({ state }) => state)).toEqual(['up', 'up']);
  expect((await manager.show('routes')).map(({ state }) => state)).toEqual(['out']);
  await manager.until('events', { event: 'restored' });
  for (const server of [one, two]) await server.until({ event: 'service', state: 'up' }, 30_000, heard);
  expect((await manager.show('servers')).map(({ state }) => state)).toEqual(['connected', 'connected']);
  await manager.until('services', { server: 'web1', state: 'up' });

  expect(table()).toBe(before);
  expect(flows.last()).toMatchObject({ open: 40, ended: 0 });
  expect(await poll(() => flows.last().echoing === 40, undefined, 'all of them echo')).toBe(true);
});

test('servers that do not come back after a restart are recovering, then lost', async () => {
  manager.configure({ sessions: { grace: 1500 } });
  await manager.start();
  const server = new Server(cell.host(11));
  await server.up();
  await manager.stored(1);
  await manager.stop('SIGKILL');
  await server.process.stop('SIGKILL');
  await manager.start();
  expect(await manager.show('servers')).toMatchObject([{ server: 'web1', state: 'recovering' }]);
  expect(await manager.until('servers', { state: 'lost' })).toMatchObject({
    reason: 'it did not come back after the restart of the manager',
  });
  expect(await manager.show('services')).toMatchObject([{ state: 'down', score: 0 }]);
});

test('SIGTERM leaves the network as it was found', async () => {
  const before = await found();
  await manager.start();
  const server = new Server(cell.host(11));
  const vip = await server.up();
  expect(await answers(cell.client, vip)).toEqual({ web1: 1 });
  expect(snapshot(cell.appliance)).not.toEqual(before);
  expect(await manager.stop('SIGTERM'), manager.log()).toBe(0);
  expect(snapshot(cell.appliance)).toEqual(before);
  expect(manager.log()).not.toMatch(/<3>/);
  expect(await server.until({ event: 'lost' })).toBeTruthy();
});

test('SIGTERM after a crash and a new start leaves the network as the first start found it', async () => {
  const before = await found();
  await manager.start();
  await new Server(cell.host(11)).up();
  await manager.stop('SIGKILL');
  await manager.start();
  await manager.stop('SIGTERM');
  expect(snapshot(cell.appliance)).toEqual(before);
});

test('with "stop": "leave", SIGTERM leaves everything in place, for the next start', async () => {
  manager.configure({ stop: 'leave' });
  await manager.start();
  const server = new Server(cell.host(11));
  const vip = await server.up();
  const flows = new Flows(cell.client, vip, 20);
  await poll(() => flows.last().open === 20, 30_000, '20 flows');
  const before = table();
  const heard = server.told().length;
  expect(await manager.stop('SIGTERM')).toBe(0);
  expect(await answers(cell.client, vip, 3)).toEqual({ web1: 3 });
  await manager.start();
  expect(await manager.show('services')).toMatchObject([{ state: 'up' }]);
  await server.until({ event: 'service', state: 'up' }, 30_000, heard);
  expect(table()).toBe(before);
  expect(flows.last()).toMatchObject({ open: 20, ended: 0 });
});

test('SIGHUP takes up what changed and touches nothing else', async () => {
  await manager.start();
  const server = new Server(cell.host(11));
  const vip = await server.up();
  const checks = Number((await manager.show('health'))[0]!['checks']);
  const before = table();
  manager.configure({ pools: ['10.255.0.0/28', '10.255.0.64/28'], lease: { duration: 7200 } });
  await manager.reload();
  expect(manager.log()).toMatch(/reloaded needRestart=\[\]/);
  expect(table()).toBe(before);
  expect(Number((await manager.show('health'))[0]!['checks'])).toBeGreaterThanOrEqual(checks);
  expect(await manager.show('services')).toMatchObject([{ state: 'up' }]);
  expect(await manager.show('servers')).toMatchObject([{ state: 'connected' }]);
  // What it took up: the new pool.
  const other = new Server(cell.host(12), {
    name: 'web2',
    services: [{ name: 'two.mission', protocol: 'http', ports: 80, vip: '10.255.0.70' }],
  });
  expect(await other.up()).toBe('10.255.0.70');
  expect(await answers(cell.client, vip)).toEqual({ web1: 1 });

  // What it cannot take up, it names.
  manager.configure({ anycast: { port: 9999 }, access: [] });
  await manager.reload();
  expect(manager.log()).toMatch(/reloaded needRestart="?\[.*access.*anycast/);
});

test('a faulty configuration is refused with the line, and the old one stays', async () => {
  await manager.start();
  const server = new Server(cell.host(11));
  const vip = await server.up();
  const good = readFileSync(manager.file, 'utf8');
  writeFileSync(manager.file, good.replace('"10.255.0.0/28"', '"10.255.0.0/33"'));
  const line = good.split('\n').findIndex(text => text.includes('10.255.0.0/28')) + 1;
  await manager.reload();
  expect(manager.log()).toContain(`${manager.file}:${line}: /pools/0: '10.255.0.0/33' is no prefix`);
  expect(manager.log()).toContain('not-reloaded');
  expect(await answers(cell.client, vip)).toEqual({ web1: 1 });
  expect((await manager.startInVain()).log).toContain(`:${line}: /pools/0`);
});

test('stored state that cannot be read is set aside, named, and the manager serves', async () => {
  await manager.start();
  await new Server(cell.host(11)).up();
  await manager.stored(1);
  await manager.stop('SIGKILL');
  const state = join(manager.directory, 'state');
  const documents = readdirSync(state).filter(name => /^(leases|servers)-/.test(name));
  expect(documents.length).toBeGreaterThanOrEqual(2);
  for (const name of documents) writeFileSync(join(state, name), '{ "version": 1, "leases": [ {');
  await manager.start();
  for (const name of documents) {
    expect(manager.log()).toMatch(
      new RegExp(`<3>stored-state-corrupt file=\\S*${name} aside=\\S*${name}.corrupt-1`),
    );
    expect(readFileSync(join(state, `${name}.corrupt-1`), 'utf8')).toContain('"leases": [ {');
  }
  const late = new Server(cell.host(12), { name: 'web2' });
  expect(await answers(cell.client, await late.up())).toEqual({ web2: 1 });
});
