/**
 * A GSLB and two managers on a real kernel: services come, fail and go; DNS follows, and what the operator is shown says why.
 *
 *     client ──── appliance A 10.1.0.1 ──┬── 10.1.0.2 appliance B
 *                                        ├── 10.1.0.3 GSLB
 *                                        └── 10.1.0.11 … servers
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Daemon, DaemonCell, PROGRAM, Server } from '../support/daemon.ts';
import { type Namespace, poll } from '../support/netns.ts';

let cell: DaemonCell;
let a: Daemon;
let b: Daemon;
let gslb: Daemon;
let hq: Namespace;
let mission: string;
let role: object;
const certificates: Record<string, string> = {};

beforeAll(async () => {
  cell = new DaemonCell();
  mission = cell.mission('m');
  cell.bivouac('pki', 'issue', mission, '--name', 'other', '--role', 'manager');
  cell.bivouac('pki', 'issue', mission, '--name', 'gslb', '--role', 'gslb');
  for (const name of ['s1', 's2']) certificates[name] = cell.certificate(mission, name);
  const other = cell.network.namespace('other');
  hq = cell.network.namespace('hq');
  cell.network.plug(cell.lan, { in: other, name: 'lan', addresses: ['10.1.0.2/24'] });
  cell.network.plug(cell.lan, { in: hq, name: 'lan', addresses: ['10.1.0.3/24'] });
  const settings = (name: string, certificate: string) => ({
    ...{ name, access: ['lan'], links: [{ interface: 'lan', rate: 100_000_000 }] },
    tls: {
      ca: `${mission}/ca.pem`,
      certificate: `${mission}/${certificate}.pem`,
      key: `${mission}/${certificate}.key`,
    },
    notices: { interfaces: ['lan'], refresh: 500 },
    // What a busy machine makes late is no fault of a server.
    ...{ sessions: { grace: 5000, heartbeat: 1000 }, damping: { enabled: false } },
  });
  const sites = {
    // The GSLB's own host asks as one of the cell's.
    'cell-a': { managers: ['cell-a'], clients: ['10.9.0.0/24', '10.1.0.3/32'] },
    'cell-b': { managers: ['cell-b'], clients: ['10.77.0.0/24'] },
  };
  const topology = join(cell.directory, 'topology.json');
  role = {
    ...{ zones: ['mission'], nameServers: { 'ns1.mission': ['10.1.0.3'] }, topology },
    // All is on one LAN: by the default, both would get some of everybody's clients.
    ...{ poll: 300, workers: 0, policies: [{ match: 'www.mission', policy: 'nearest' }] },
  };
  writeFileSync(topology, JSON.stringify({ sites }));
  a = cell.daemon(settings('cell-a', 'manager'));
  b = cell.daemon({ ...settings('cell-b', 'other'), pools: ['10.255.1.0/28'] }, other);
  gslb = cell.daemon(
    {
      ...settings('hq', 'gslb'),
      gslb: role,
    },
    hq,
  );
  await Promise.all([a.start(), b.start(), gslb.start()]);
  await Promise.all([server(11, '10.1.0.1', 's1').up(), server(12, '10.1.0.2', 's2').up()]);
  await gslb.until('sites', { manager: 'cell-a', polls: 'answers', offers: 1 }, 60_000);
  await gslb.until('sites', { manager: 'cell-b', polls: 'answers', offers: 1 }, 60_000);
}, 90_000);
afterAll(() => cell.dispose());

/** What a resolver at the GSLB itself is answered: addresses, or the code of the error. */
async function dig(name: string, type = 'A', server = '10.1.0.3'): Promise<string> {
  const script = `const r = new (require('dns').promises.Resolver)({ timeout: 2000, tries: 3 }); r.setServers(['${server}']); r.resolve('${name}', '${type}').then(x => console.log(JSON.stringify(x)), e => console.log(e.code))`;
  return (await hq.run(process.execPath, ['-e', script])).stdout.trim();
}

const check = { kind: 'tcp', interval: 500, timeout: 450, fall: 6 };
const server = (last: number, manager: string, name: string): Server =>
  new Server(cell.host(last), {
    ...{ name, manager, certificate: certificates[name]! },
    services: [{ name: 'www.mission', protocol: 'http', ports: 80, check }],
  });

const explain = async (client: string): Promise<readonly Record<string, string>[]> => {
  const words = [
    'gslb',
    'explain',
    'www.mission',
    '--client',
    client,
    '--json',
    '--socket',
    join(gslb.directory, 'sock'),
  ];
  const { stdout, stderr } = await hq.run(process.execPath, [PROGRAM, ...words]);
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as Record<string, string>[];
};

/** Waits until a client is sent to this site. */
async function untilSent(client: string, site: string, what: string): Promise<boolean> {
  let said: unknown;
  const isThere = async (): Promise<boolean> => {
    const rows = await explain(client);
    said = rows;
    return rows[1]?.['site'] === site;
  };
  return poll(isThere, 60_000, what).catch(async (error: Error) => {
    const views = await Promise.all(['sites', 'offers', 'rtt'].map(view => gslb.show(view).catch(String)));
    throw new Error(`${error.message}\n${JSON.stringify({ said, views }, undefined, 1)}`);
  });
}

test('a service is in DNS by itself, with its SRV record; managers are polled and measured', async () => {
  const address = await poll(
    async () => /10\.255\.\d+\.\d+/.exec(await dig('www.mission'))?.[0],
    60_000,
    'an address',
  );
  expect(JSON.parse(await dig('_http._tcp.www.mission', 'SRV'))).toMatchObject([
    { name: 'www.mission', port: 80 },
  ]);
  await gslb.until('rtt', { from: 'here', to: 'cell-a' });
  await gslb.until('links', { manager: 'cell-a', link: 'lan', rate: '100.0 Mbit/s' }, 60_000);
  expect(['cell-a', 'cell-b']).toContain((await explain('10.1.0.3'))[1]?.['site']);
  expect(address).toBeDefined();
  expect(await dig('ns1.mission')).toBe('["10.1.0.3"]');
  expect(a.log()).not.toContain('notice-refused');
});

test('each client is sent to its own site, and to the other one when that fails', async () => {
  await untilSent('10.77.0.5', 'cell-b', 'b serves its own');
  await untilSent('10.9.0.2', 'cell-a', 'a serves its own');
  expect((await gslb.show('decisions')).filter(row => row['name'] === 'www.mission').length).toBeGreaterThan(
    1,
  );
  // Its process is gone without a word: no more notices, no more polls answered.
  await b.stop('SIGKILL');
  await untilSent('10.77.0.5', 'cell-a', 'a serves those of b');
  await gslb.until('sites', { manager: 'cell-b', notices: 'silent', polls: 'lost' }, 60_000);
  await b.start();
  await untilSent('10.77.0.5', 'cell-b', 'b serves its own again');
});

describe('anycast ARP by a GSLB', () => {
  interface Found {
    readonly from: string;
    readonly servers: readonly { readonly address: string }[];
  }
  let client: Namespace;
  beforeAll(() => {
    client = cell.host(31);
  });
  const query = async (...words: readonly string[]) =>
    client.run(process.execPath, [PROGRAM, 'query', ...words, '--json']);
  const found = async (...words: readonly string[]): Promise<Found> => {
    const { stdout, stderr } = await query(...words);
    expect(stderr).toBe('');
    return JSON.parse(stdout) as Found;
  };
  const managers = ['10.1.0.1', '10.1.0.2', 'fd01::1'];

  test('who knows no anycast address asks it by name, and then the manager that it names', async () => {
    const answer = await found('www.mission', '--via', '10.1.0.3');
    expect(managers).toContain(answer.from);
    expect(answer.servers.length).toBe(1);
  });

  test('who knows but what it wants to do asks it by application', async () => {
    const answer = await found('--protocol', 'http', '--via', '10.1.0.3');
    expect(managers).toContain(answer.from);
    expect(['10.1.0.11', '10.1.0.12']).toContain(answer.servers[0]?.address);
    expect((await query('--protocol', 'h323', '--via', '10.1.0.3')).status).toBe(1);
  });

  test('who knows the anycast address asks that, or the GSLB for who has it now', async () => {
    const [vip = ''] = JSON.parse(await dig('www.mission')) as string[];
    const [row] = (await gslb.show('decisions')).filter(({ shares }) => String(shares).includes(vip));
    expect(row).toBeDefined();
    const answer = await found(vip, '--via', '10.1.0.3');
    expect(managers).toContain(answer.from);
    if (vip.startsWith('10.255.0.')) expect((await found(vip)).servers).toEqual(answer.servers);
  });

  test('signed, by the keys of the GSLB and of the managers; without the GSLB’s it is not believed', async () => {
    const all = join(cell.directory, 'keys.pem');
    const pem = (name: string): string => readFileSync(`${mission}/${name}.pem`, 'utf8');
    writeFileSync(all, ['manager', 'other', 'gslb'].map(pem).join(''));
    const asked = ['www.mission', '--via', '10.1.0.3', '--signed', '--timeout', '3000', '--retries', '1'];
    expect((await found(...asked, '--key', all)).servers.length).toBe(1);
    expect((await query(...asked, '--key', `${mission}/manager.pem`)).status).toBe(3);
  });
});

test('a command overrides what policies say, outlives a restart, and is taken back; why is in the events', async () => {
  const command = async (...words: readonly string[]) =>
    hq.run(process.execPath, [PROGRAM, 'gslb', ...words, '--socket', join(gslb.directory, 'sock')]);
  const [there, home] = ['cell-b', 'cell-a'];
  // Its DNS keeps an answer for that place.
  const isKept = async (): Promise<boolean> => (await dig('www.mission')).startsWith('[');
  await poll(isKept, 60_000, 'an answer');
  await untilSent('10.9.0.2', home, 'home');
  expect((await command('override', 'WWW.mission.', there)).stdout).toContain(there);
  await untilSent('10.9.0.2', there, 'the override');
  await gslb.until('overrides', { name: 'www.mission', to: there });
  await gslb.until('decisions', { name: 'www.mission', policy: 'nearest, override' });
  await gslb.until('events', { event: 'override', about: 'www.mission', code: 'set' });
  await gslb.until('events', { event: 'answer-changed', about: 'www.mission', code: 'override' });
  expect(gslb.log()).toContain('answer-changed');
  await gslb.stop();
  await gslb.start();
  await untilSent('10.9.0.2', there, 'the override after a restart');
  await poll(isKept, 60_000, 'an answer that is overridden');
  expect((await command('override', 'www.mission', 'off')).status).toBe(0);
  await untilSent('10.9.0.2', home, 'home again');
  await gslb.until('events', { event: 'answer-changed', about: 'www.mission', code: 'leader' });
  expect((await command('override', 'no such name', there)).stderr).toContain('is no name');
  expect((await command('override', 'www.mission')).status).toBe(2);
});

test('a GSLB by itself: a zone and a certificate are all it is told, and binding port 53 is all it may', async () => {
  const alone = cell.network.namespace('alone');
  cell.network.plug(cell.lan, { in: alone, name: 'lan', addresses: ['10.1.0.4/24'] });
  cell.bivouac('pki', 'issue', mission, '--name', 'second', '--role', 'gslb');
  const daemon = cell.daemon({ tls: {} }, alone);
  const [state, socket] = [join(daemon.directory, 'state'), join(daemon.directory, 'sock')];
  const tls = { ca: `${mission}/ca.pem`, certificate: `${mission}/second.pem`, key: `${mission}/second.key` };
  const minimal = { name: 'second', tls, state, operator: { socket }, gslb: { zones: ['mission'] } };
  writeFileSync(daemon.file, JSON.stringify(minimal));
  daemon.before = ['setpriv', '--no-new-privs', '--inh-caps=-all', '--bounding-set=-all,+net_bind_service'];
  const pid = await daemon.start();
  expect(/CapEff:\t0*400\n/.test(readFileSync(`/proc/${pid}/status`, 'utf8'))).toBe(true);
  await daemon.until('sites', { manager: 'cell-a', polls: 'answers', offers: 1 }, 60_000);
  await daemon.until('sites', { manager: 'cell-b', polls: 'answers', offers: 1 }, 60_000);
  const ask = (name: string): Promise<string> => dig(name, 'A', '10.1.0.4');
  await poll(async () => /10\.255\./.test(await ask('www.mission')), 60_000, 'the service');
  // Its own address, found by itself.
  expect(await ask('ns1.mission')).toBe('["10.1.0.4"]');
  // Nothing else is open: neither registration nor DHCP, and no farm or route was touched.
  const { stdout } = await alone.run('ss', ['-Htln']);
  expect(stdout).not.toContain(':9746');
  expect((await alone.run('nft', ['list', 'tables'])).stdout).toBe('');
  expect(daemon.log()).not.toMatch(/error|denied|EPERM|EACCES/);
  const status = await daemon.stop();
  expect(status).toBe(0);
});

test('an override is taken over by a reload, and shown', async () => {
  gslb.configure({
    gslb: { ...role, policies: [{ match: '*.mission', override: ['cell-b'] }] },
  });
  await gslb.reload();
  await untilSent('10.9.0.2', 'cell-b', 'the override');
  expect((await explain('10.9.0.2'))[1]?.['reason']).toContain('set by the operator');
  gslb.configure({ gslb: role });
  await gslb.reload();
  await untilSent('10.9.0.2', 'cell-a', 'no override');
});
