/**
 * The DNS server within a manager that is a GSLB itself, with two threads that answer: each follows every change, and over restarts serial
 * numbers go on.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Daemon, DaemonCell, Server } from '../support/daemon.ts';
import { poll } from '../support/netns.ts';

/** In base64. */
const SECRET = 'c2VjcmV0IG9mIHRoaXJ0eS10d28gYnl0ZXMgb3Igc28=';

let cell: DaemonCell;
let daemon: Daemon;
let server: Server;

beforeAll(async () => {
  cell = new DaemonCell();
  const mission = cell.mission('m');
  cell.bivouac('pki', 'issue', mission, '--name', 'cell-a', '--role', 'manager', '--role', 'gslb');
  const certificate = cell.certificate(mission, 's1');
  writeFileSync(join(cell.directory, 'transfer.key'), `${SECRET}\n`);
  daemon = cell.daemon({
    tls: { ca: `${mission}/ca.pem`, certificate: `${mission}/cell-a.pem`, key: `${mission}/cell-a.key` },
    notices: { interfaces: ['lan'], refresh: 300 },
    gslb: {
      ...{ zones: ['mission'], nameServers: { 'ns1.mission': ['10.9.0.1'] }, workers: 2 },
      ...{
        transfers: ['10.9.0.0/24'],
        transferKeys: { 'copy.key': join(cell.directory, 'transfer.key') },
        poll: 200,
        policies: [{ match: '*', whenNone: 'none' }],
      },
    },
  });
  await daemon.start();
  server = new Server(cell.host(11), { certificate });
  await server.up();
}, 90_000);
afterAll(() => cell.dispose());

/** Asks from as many sockets, so that threads share them; what each was answered: addresses, or the RCODE. */
async function ask(sockets: number): Promise<ReadonlySet<string>> {
  const script = `const dgram = require('node:dgram');
    const query = Buffer.from('000101000001000000000000' + '03777777' + '076d697373696f6e' + '00' + '00010001', 'hex');
    const one = () => new Promise(done => {
      const socket = dgram.createSocket('udp4');
      const send = () => socket.send(query, 53, '10.9.0.1');
      const again = setInterval(send, 300);
      const end = said => { clearInterval(again); socket.close(); done(said); };
      setTimeout(() => end('nothing'), 3000).unref();
      socket.on('message', bytes => end(bytes[7] === 0 ? 'rcode ' + (bytes[3] & 15) : [...bytes.subarray(-4)].join('.')));
      send();
    });
    Promise.all(Array.from({ length: ${sockets} }, one)).then(all => console.log(JSON.stringify(all)));`;
  const { stdout } = await cell.client.run(process.execPath, ['-e', script]);
  const all = JSON.parse(stdout) as string[];
  expect(all).toHaveLength(sockets);
  return new Set(all);
}

const saysOnly = (what: RegExp): Promise<boolean> =>
  poll(
    async () => {
      const said = [...(await ask(32))];
      return said.length === 1 && what.test(said[0]!);
    },
    30_000,
    `only ${what}`,
  );

const soa = async (): Promise<number> => {
  const { stdout } = await cell.client.run('dig', [
    '@10.9.0.1',
    '+short',
    '+tries=5',
    '+time=1',
    'mission',
    'SOA',
  ]);
  return Number(stdout.split(' ')[2]);
};

test('every thread has what is published, and what is taken back', async () => {
  expect(daemon.log()).toMatch(/"carrier":\s*"workers"|carrier=workers/);
  expect(await saysOnly(/^10\.255\.0\./)).toBe(true);
  server.do('close');
  expect(await saysOnly(/^rcode [03]$|^nothing$/)).toBe(true);
  server.do('listen');
  expect(await saysOnly(/^10\.255\.0\./)).toBe(true);
  const axfr = async (...words: readonly string[]): Promise<string> =>
    (await cell.client.run('dig', ['@10.9.0.1', ...words, 'mission', 'AXFR'])).stdout;
  expect(await axfr()).toContain('Transfer failed');
  expect(await axfr('-y', `hmac-sha256:copy.key:${SECRET}`)).toMatch(
    /www\.mission\.\s+\d+\s+IN\s+A\s+10\.255\.0\./,
  );
  expect(daemon.log()).not.toContain('dns-worker-ended');
});

test('serial numbers rise over a restart, in good order or not', async () => {
  let last = await soa();
  expect(last).toBeGreaterThan(1_000_000_000);
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    await daemon.stop(signal);
    await daemon.start();
    const next = await soa();
    expect((next - last) | 0).toBeGreaterThan(0);
    last = next;
  }
  expect(await cell.appliance.run('test', ['-s', join(daemon.directory, 'state/dns.json')])).toMatchObject({
    status: 0,
  });
});
