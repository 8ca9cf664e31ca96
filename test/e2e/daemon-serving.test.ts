/**
 * The manager as its operator runs it: a server registers over mutual TLS and clients reach it; what the operator is shown.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { answers, type Daemon, DaemonCell, PROGRAM, Server, type ShownRow } from '../support/daemon.ts';
import { poll } from '../support/netns.ts';

let cell: DaemonCell;
let manager: Daemon;
let mission: string;

beforeAll(async () => {
  cell = new DaemonCell();
  mission = cell.mission('alpha');
  const tls = {
    ca: `${mission}/ca.pem`,
    certificate: `${mission}/manager.pem`,
    key: `${mission}/manager.key`,
  };
  manager = cell.daemon({
    tls,
    access: ['lan'],
    static: ['10.255.0.20', '10.255.0.21', '10.255.0.22', 'fd50::5'].map(vip => ({ vip })),
  });
  await manager.start();
}, 60_000);
afterAll(() => cell.dispose());

const shown = (view: string, ...words: string[]): ShownRow[] =>
  JSON.parse(cell.bivouac('show', view, '--json', '--socket', `${manager.directory}/sock`, ...words));

test('a server boots, registers, and clients reach it by its VIP', async () => {
  const certificate = cell.certificate(
    mission,
    'web1',
    ...['--claim-name', '*.mission', '--claim-vip', '10.255.0.0/24', '--claim-port', 'tcp/*'],
  );
  const server = new Server(cell.host(11), { certificate, name: 'web1' });
  const vip = await server.up();
  expect(vip).toMatch(/^10\.255\.0\./);
  expect(await answers(cell.client, vip, 5)).toEqual({ web1: 5 });

  // The order of design: leased, checked, balanced, routed, told.
  const told = server.told().filter(({ event }) => event === 'lease' || event === 'service');
  expect(told.map(({ event, change, state }) => `${event} ${change ?? state}`).join(', ')).toMatch(
    /^lease granted, service pending, service up/,
  );

  expect(shown('servers')).toMatchObject([
    { server: 'web1', address: expect.stringContaining('10.1.0.11'), state: 'connected', services: 1 },
  ]);
  expect(shown('servers')[0]!['for']).toMatch(/^\d+ s$/);
  expect(shown('services')).toMatchObject([
    {
      ...{ service: 'www.mission', server: 'web1', vip, ports: 'tcp/80', mode: 'nat', state: 'up' },
      reason: expect.stringContaining('check tcp/80'),
    },
  ]);
  expect(shown('services')[0]!['score']).toBeGreaterThan(0);
  expect(shown('vips')).toMatchObject([{ vip, servers: 1, up: 1, route: 'out', names: 'www.mission' }]);
  expect(shown('leases').filter(row => row['vip'] === vip)).toMatchObject([
    { vip, holder: 'web1', expires: expect.stringMatching(/^in \d+ min$/) },
  ]);
  expect(shown('routes')).toMatchObject([{ vip, state: 'out' }]);
  expect(shown('health')).toMatchObject([{ server: 'web1', check: 'tcp/80', outcome: 'pass' }]);
  expect(shown('events').map(row => row['event'])).toEqual(
    expect.arrayContaining(['server-registered', 'lease-granted', 'service-registered', 'service-state']),
  );
  const table = cell.bivouac('show', 'services', '--socket', `${manager.directory}/sock`);
  expect(table.split('\n')[0]).toMatch(/^SERVICE +SERVER +VIP/);

  server.do('stop');
  await server.process.exited;
  await expect.poll(() => shown('servers')).toEqual([]);
  expect(await answers(cell.client, vip)).not.toHaveProperty('web1');
});

test('what is shown is shown again, and events as they come', async () => {
  const show = (...words: string[]) =>
    cell.appliance.spawn(process.execPath, [
      PROGRAM,
      'show',
      ...words,
      '--socket',
      `${manager.directory}/sock`,
    ]);
  const watching = show('servers', '--json', '--watch', '0.2');
  const following = show('events', '--follow');
  const recent = show('events', '--follow', '--json');
  await poll(() => following.stdout() !== '' && recent.stdout() !== '', 30_000, 'recent events');
  const server = new Server(cell.host(13), {
    certificate: cell.certificate(mission, 'shown'),
    name: 'shown',
  });
  await server.up();
  await poll(() => /server-registered +shown +/.test(following.stdout()), 30_000, 'the event');
  await poll(() => recent.stdout().includes('"about":"shown"'), 30_000, 'the event in JSON');
  for (const line of recent.stdout().trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('code');
  await poll(() => watching.stdout().includes('"server":"shown"'), 30_000, 'the server');
  expect(watching.stdout().trim().split('\n').length).toBeGreaterThan(2);
  // No event twice.
  const lines = following.stdout().trim().split('\n');
  expect(lines.filter(line => /server-registered +shown +/.test(line))).toHaveLength(1);
  for (const each of [watching, following, recent]) await each.stop('SIGKILL');
  await server.process.stop('SIGKILL');
  for (const words of [['servers', '--follow'], ['services', '--watch=x'], ['events', '--nonsense'], []]) {
    const wrong = show(...words);
    expect(await wrong.exited).toBe(2);
    expect(wrong.stderr()).toContain('usage: bivouac show');
  }
});

test('monitoring gets metrics, life and readiness', async () => {
  const { status, body } = await manager.get('/metrics');
  expect(status).toBe(200);
  expect(body).toContain('# TYPE bivouac_servers gauge');
  expect(body).toMatch(/^bivouac_sessions \d+$/m);
  expect(await manager.get('/livez')).toEqual({ status: 200, body: 'alive\n' });
  expect(await manager.get('/readyz')).toEqual({ status: 200, body: 'ready\n' });
  expect((await manager.get('/else')).status).toBe(404);
});

const count = async (name: string): Promise<number> =>
  Number(
    new RegExp(`^${name.replace(/[{}"]/g, '\\$&')} (\\d+)$`, 'm').exec(
      (await manager.get('/metrics')).body,
    )?.[1] ?? 0,
  );

const http = (service: object): object => ({
  ...{ name: 'www.mission', protocol: 'http', ports: 80 },
  ...service,
});

test.each([
  ['the VIP', http({ vip: '10.255.0.9' }), /10\.255\.0\.9/],
  ['the name', http({ name: 'mail.mission', vip: '10.255.0.20' }), /mail\.mission/],
  ['the port', http({ ports: 8080, vip: '10.255.0.21' }), /8080/],
])('a certificate that does not say it may not claim %s', async (what, service, names) => {
  const name = `bad-${what.split(' ')[1]!.toLowerCase()}`;
  const certificate = cell.certificate(
    mission,
    name,
    ...['--claim-name', 'www.mission', '--claim-vip', '10.255.0.20/30', '--claim-port', 'tcp/80'],
  );
  const before = await count('bivouac_sessions_refused_total{code="not-permitted"}');
  const server = new Server(cell.host(21 + what.length), { certificate, name, services: [service] });
  const refused = await server.until({ event: 'refused' });
  expect(refused).toMatchObject({ code: 'not-permitted', sentence: expect.stringMatching(names) });
  expect(refused['sentence']).toContain('certificate');
  await manager.until('events', {
    event: 'refused',
    code: 'not-permitted',
    reason: String(refused['sentence']),
  });
  expect(manager.log()).toMatch(new RegExp(`refused .*${name}.*code=not-permitted`));
  expect(await count('bivouac_sessions_refused_total{code="not-permitted"}')).toBeGreaterThan(before);
  await server.process.stop('SIGKILL');
});

test('a certificate of another authority, none at all, and the role of no server are refused', async () => {
  const other = cell.mission('bravo');
  const foreign = cell.certificate(other, 'spy');
  const before = await count('bivouac_sessions_refused_total{code="tls"}');
  const spy = new Server(cell.host(41), { certificate: foreign, ca: `${mission}/ca.pem`, name: 'spy' });
  await spy.until({ event: 'lost' });
  expect(spy.told().some(({ event }) => event === 'lease')).toBe(false);
  const plain = new Server(cell.host(42), { name: 'plain' });
  await plain.until({ event: 'lost' });
  await expect.poll(() => manager.log()).toMatch(/session-refused code=tls .*peer=10\.1\.0\.41/);
  await expect.poll(() => manager.log()).toMatch(/session-refused code=tls .*peer=10\.1\.0\.42/);
  expect(await count('bivouac_sessions_refused_total{code="tls"}')).toBeGreaterThanOrEqual(before + 2);

  const client = new Server(cell.host(43), { certificate: `${mission}/manager`, name: 'no-server' });
  expect(await client.until({ event: 'refused' })).toMatchObject({
    code: 'not-permitted',
    sentence: expect.stringContaining("role 'server'"),
  });
  for (const server of [spy, plain, client]) await server.process.stop('SIGKILL');
});

test('a renewed certificate is shown from the next handshake on, and sessions go on', async () => {
  const steady = new Server(cell.host(61), {
    certificate: cell.certificate(mission, 'steady'),
    name: 'steady',
  });
  await steady.up();
  const serial = async (): Promise<string> => {
    const client = cell.appliance.spawn('openssl', [
      ...['s_client', '-connect', '127.0.0.1:9746', '-cert', `${mission}/steady.pem`],
      ...['-key', `${mission}/steady.key`, '-CAfile', `${mission}/ca.pem`],
    ]);
    await poll(() => client.stdout().includes('END CERTIFICATE'), 30_000, 'the certificate is shown');
    await client.stop('SIGKILL');
    return /-----BEGIN CERTIFICATE-----[^-]+/.exec(client.stdout())![0];
  };
  const before = await serial();
  // The same key, newly certified, as an authority does each year.
  const [ca, key] = [`${mission}/ca`, `${mission}/manager.key`];
  const request = cell.appliance.runSync('openssl', ['req', '-new', '-key', key, '-subj', '/CN=manager']);
  const issued = cell.appliance.runSync(
    'openssl',
    ['x509', '-req', '-CA', `${ca}.pem`, '-CAkey', `${ca}.key`, '-days', '9', '-set_serial', '77'],
    request,
  );
  const old = readFileSync(`${mission}/manager.pem`, 'utf8');
  writeFileSync(`${mission}/manager.pem`, issued);
  await manager.reload();
  expect(manager.log()).toMatch(/reloaded needRestart=\[\]/);
  expect(await serial()).not.toBe(before);
  expect(await manager.show('servers')).toContainEqual(
    expect.objectContaining({ server: 'steady', state: 'connected' }),
  );
  writeFileSync(`${mission}/manager.pem`, 'no certificate');
  await manager.reload();
  expect(manager.log()).toMatch(
    /not-reloaded why="the TLS certificate, its key or the authority's certificate/,
  );
  writeFileSync(`${mission}/manager.pem`, old);
  await manager.reload();
  expect(await serial()).toBe(before);
  await steady.process.stop('SIGKILL');
});

test('who is revoked is out at the next reload, and does not come in again', async () => {
  const [lost, good] = ['lost', 'good'].map(
    (name, index) =>
      new Server(cell.host(64 + index), { certificate: cell.certificate(mission, name), name }),
  );
  await Promise.all([lost!.up(), good!.up()]);
  cell.bivouac('pki', 'revoke', mission, '--name', 'lost');
  const tls = {
    ca: `${mission}/ca.pem`,
    certificate: `${mission}/manager.pem`,
    key: `${mission}/manager.key`,
  };
  manager.configure({ tls: { ...tls, crl: `${mission}/ca.pem` } });
  await manager.reload();
  expect(manager.log()).toMatch(/not-reloaded why=".*ca\.pem: it is no list of revoked certificates/);
  manager.configure({ tls: { ...tls, crl: `${mission}/ca.crl` } });
  const mark = lost!.told().length;
  await manager.reload();
  await poll(
    () =>
      lost!
        .told()
        .slice(mark)
        .filter(({ event }) => event === 'refused').length > 1,
    30_000,
    'it is told, and told again when it comes back',
  );
  expect(lost!.told().findLast(({ event }) => event === 'refused')).toMatchObject({
    code: 'not-permitted',
    sentence: expect.stringContaining('was revoked'),
  });
  expect(
    shown('servers').filter(row => row['state'] === 'connected' && row['server'] === 'good'),
  ).toHaveLength(1);
  expect(shown('services').find(row => row['server'] === 'lost')!['state']).toBe('down');
  for (const server of [lost!, good!]) await server.process.stop('SIGKILL');
});

test('a new key is taken up by a reload: the manager has another identity, and servers serve on', async () => {
  const server = new Server(cell.host(66), { certificate: cell.certificate(mission, 'firm'), name: 'firm' });
  const vip = await server.up();
  const old = ['pem', 'key'].map(end => readFileSync(`${mission}/manager.${end}`, 'utf8'));
  cell.bivouac('pki', 'issue', mission, '--name', 'manager', '--role', 'manager', '--force');
  await manager.reload();
  expect(manager.log()).toMatch(/key-changed manager=[0-9a-f]{64}/);
  expect(manager.log().match(/reloaded needRestart=\[\]/g)!.length).toBeGreaterThan(0);
  const late = new Server(cell.host(67), { certificate: cell.certificate(mission, 'late'), name: 'late' });
  await late.up();
  expect(await answers(cell.client, vip, 2)).toMatchObject({ firm: 2 });
  for (const [index, end] of ['pem', 'key'].entries())
    writeFileSync(`${mission}/manager.${end}`, old[index]!);
  await manager.reload();
  for (const each of [server, late]) await each.process.stop('SIGKILL');
});

test('a service that cannot be carried is refused when it registers', async () => {
  const direct = {
    ...{ name: 'v6.mission', protocol: 'http', ports: 80, vip: 'fd50::5' },
    forward: { mode: 'direct' },
  };
  const server = new Server(cell.host(62), {
    ...{ certificate: cell.certificate(mission, 'six'), name: 'six', services: [direct] },
  });
  expect(await server.until({ event: 'refused' })).toMatchObject({
    code: 'unsupported-mode',
    sentence: 'this manager forwards directly to IPv4 VIPs only: use nat for fd50::5',
  });
  await server.process.stop('SIGKILL');
});

test('another interval of heartbeats holds for the sessions that are, from the reload on', async () => {
  const server = new Server(cell.host(68), {
    certificate: cell.certificate(mission, 'paced'),
    name: 'paced',
  });
  await server.up();
  manager.configure({ sessions: { grace: 5000, heartbeat: 400 } });
  const before = await count('bivouac_heartbeats_total{direction="heard"}');
  await manager.reload();
  // Three of them make sure that it goes by the new interval: it said so before.
  await expect.poll(() => count('bivouac_heartbeats_total{direction="heard"}')).toBeGreaterThan(before + 2);
  process.kill(server.process.pid, 'SIGSTOP');
  const { reason } = await manager.until('servers', { server: 'paced', state: 'lost' });
  const silent = Number(/^nothing was heard for (\d+) ms/.exec(String(reason))?.[1]);
  // Three of 400 ms, and not three of the 2 s that were before.
  expect(silent).toBeGreaterThanOrEqual(1200);
  expect(silent).toBeLessThan(6000);
  await server.process.stop('SIGKILL');
  manager.configure({ sessions: { grace: 5000, heartbeat: 2000 } });
  await manager.reload();
});

test('a station that has a VIP of ours is an event, an alarm at the VIP, and gone when it is', async () => {
  const server = new Server(cell.host(71), {
    certificate: cell.certificate(mission, 'right'),
    name: 'right',
  });
  const vip = await server.up();
  const thief = cell.host(72);
  thief.ip(`addr add ${vip}/32 dev eth0`);
  await poll(
    async () => {
      thief.ip('neigh flush dev eth0');
      await thief.run('ping', ['-c1', '-W1', '-I', vip, '10.1.0.1']);
      return shown('vips').some(row => row['vip'] === vip && row['alarm'] !== '');
    },
    30_000,
    'the alarm',
  );
  expect(shown('vips').find(row => row['vip'] === vip)!['alarm']).toMatch(/^[0-9a-f:]{17} on lan claims it$/);
  expect(shown('events').findLast(row => row['event'] === 'vip-conflict')).toMatchObject({
    ...{ vip, code: 'began' },
    reason: expect.stringMatching(/^[0-9a-f:]{17} on lan says that it has/),
  });
  thief.ip(`addr del ${vip}/32 dev eth0`);
  await server.process.stop('SIGKILL');
});

test('a second manager, or one whose port is taken, says so and ends', async () => {
  const second = await cell.daemon({ operator: { http: false } }).startInVain();
  expect(second.status).toBe(1);
  expect(second.log).toMatch(/not-started why="another manager runs in this network namespace/);
  expect((await manager.get('/readyz')).status).toBe(200);

  const elsewhere = cell.host(51);
  const squatter = elsewhere.node("require('net').createServer().listen(9746, () => console.log('ready'))");
  await poll(() => squatter.stdout().includes('ready'), 30_000, 'the port is taken');
  const third = await cell.daemon({}, elsewhere).startInVain();
  expect(third.status).toBe(1);
  expect(third.log).toMatch(/not-started why="cannot listen on 0\.0\.0\.0 port 9746: .*EADDRINUSE/);
});
