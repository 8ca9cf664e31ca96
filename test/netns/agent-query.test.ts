/**
 * `bivouac query` and `bivouac agent` against `bivouac run`, with the mission's certificates, on a real kernel.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LongProcess, type Namespace, Network, poll, type RunResult } from '../support/netns.ts';

const root = resolve(import.meta.dirname, '../..');
const work = mkdtempSync(join(tmpdir(), 'bivouac-query-'));
// Below the repository, so that it finds the native addons.
const built = join(root, `node_modules/.cache/bivouac-query-${process.pid}`);
const program = join(built, 'bivouac.mjs');
const network = new Network();
let client: Namespace;
let manager: Namespace;
let agent: LongProcess;
let log: LongProcess;

const write = (name: string, value: object): string => {
  const path = join(work, name);
  writeFileSync(path, JSON.stringify(value));
  return path;
};

function bivouac(at: Namespace, ...args: string[]): Promise<RunResult> {
  return at.run(process.execPath, [program, ...args]);
}
const query = (...args: string[]): Promise<RunResult> => bivouac(client, 'query', ...args);

beforeAll(async () => {
  mkdirSync(built, { recursive: true });
  await build({
    entryPoints: [join(root, 'appliance/cli.ts')],
    outfile: program,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'silent',
  });
  const server = network.namespace('server');
  client = network.namespace('client');
  manager = network.namespace('manager');
  network.lan(
    'lan',
    { in: manager, name: 'lan', addresses: ['10.0.0.1/24'] },
    { in: server, name: 'eth0', addresses: ['10.0.0.2/24'] },
    { in: client, name: 'eth0', addresses: ['10.0.0.3/24'] },
  );
  for (const host of [server, client]) host.ip('route add default via 10.0.0.1');

  const pki = join(work, 'pki');
  const issue = (name: string, role: string): Promise<RunResult> =>
    bivouac(manager, 'pki', 'issue', pki, '--name', name, '--role', role, '--any');
  const outcomes = [await bivouac(manager, 'pki', 'init', pki, '--mission', 'test')];
  outcomes.push(
    await issue('cell', 'manager'),
    await issue('web', 'server'),
    await issue('impostor', 'gslb'),
  );
  for (const outcome of outcomes) if (outcome.status !== 0) throw new Error(outcome.stderr);
  const tls = (name: string) => ({
    ca: join(pki, 'ca.pem'),
    certificate: join(pki, `${name}.pem`),
    key: join(pki, `${name}.key`),
  });
  const config = write('manager.json', {
    name: 'cell',
    tls: tls('cell'),
    access: ['lan'],
    pools: ['10.99.0.0/24'],
    state: join(work, 'state'),
    dataplane: { driver: 'none' },
    routing: { driver: 'none' },
    operator: { socket: join(work, 'operator.sock'), http: false },
    // What a busy machine makes late is no fault of a server.
    sessions: { heartbeat: 3000 },
    damping: { enabled: false },
  });
  log = manager.spawn(process.execPath, [program, 'run', '--config', config]);
  await poll(() => log.stderr().includes('ready'), 30_000, 'the manager is ready').catch(error => {
    throw new Error(`${error.message}\n${log.stderr()}`);
  });
  server.node(
    "for (const port of [80, 1720]) require('net').createServer(s => s.on('error', () => {}).end()).listen(port)",
  );
  const forward = { mode: 'none' };
  const services = [
    {
      name: 'mcu.example.org',
      protocol: 'h323',
      ports: [1720, '5000-5100'],
      forward,
      vip: '10.99.0.7',
      check: { kind: 'tcp', port: 1720, interval: 3000, timeout: 2500 },
    },
    {
      ...{ name: 'mcu.example.org', protocol: 'http', ports: 80, forward, vip: '10.99.0.7' },
      check: { kind: 'tcp', interval: 3000, timeout: 2500 },
    },
  ];
  const state = join(work, 'agent-state.json');
  const agentConfig = write('agent.json', { name: 'web', tls: tls('web'), state, services });
  agent = server.spawn(process.execPath, [program, 'agent', '--config', agentConfig, '--verbose']);
  await poll(
    async () => (await query('--json')).stdout.includes('"http"'),
    30_000,
    'the service is found',
    200,
  ).catch(error => {
    throw new Error(`${error.message}\n${log.stderr()}\n${agent.stderr()}`);
  });
});
afterAll(async () => {
  await network.dispose();
  rmSync(work, { recursive: true, force: true });
  rmSync(built, { recursive: true, force: true });
});

describe('bivouac query', () => {
  it('asks the default router over UDP, and prints servers best first with who answered', async () => {
    const { status, stdout } = await query('--protocol', 'h323');
    expect(stdout).toMatch(/SCORE +ADDRESS +SERVICE +PROTOCOL +PORTS\n/);
    expect(stdout).toMatch(/10\.0\.0\.2 +mcu\.example\.org +h323 +tcp\/1720,5000-5100/);
    expect(stdout).toMatch(
      /; 1 server, from 10\.0\.0\.1 in \d+\.\d\d ms, manager [0-9a-f]{12}, not signed, holds for/,
    );
    expect(status).toBe(0);
  });

  it('asks by ARP on the link', async () => {
    const { status, stdout, stderr } = await query('10.99.0.7', '--link', 'eth0', '--json');
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toMatchObject({ from: '10.0.0.1', servers: [{ address: '10.0.0.2' }] });
    expect(status).toBe(0);
  });

  it('takes an answer with the manager’s signature, over both, and none by another key', async () => {
    const key = join(work, 'pki/cell.pem');
    for (const way of [[], ['--link', 'eth0']]) {
      const good = await query('10.99.0.7', '--via', '10.0.0.1', ...way, '--signed', '--key', key);
      expect(good.stdout, good.stderr).toContain('signature good');
      expect(good.status).toBe(0);
    }
    const bad = await query('--key', join(work, 'pki/web.pem'), '--timeout', '3000', '--retries', '0');
    expect(bad.stderr).toContain('not with the signature of a trusted manager');
    expect(bad.status).toBe(3);
  });

  it('says with its status that nothing matches, or nobody answers, or the words are wrong', async () => {
    const none = await query('--protocol', 'sip');
    expect([none.status, none.stdout]).toEqual([1, expect.stringContaining('nothing healthy matches')]);
    const nobody = await query('--via', '10.0.0.99', '--timeout', '100', '--retries', '0');
    expect([nobody.status, nobody.stderr]).toEqual([3, expect.stringContaining('no answer from 10.0.0.99')]);
    for (const wrong of [
      ['--port', '0'],
      ['a', 'b'],
      ['--colour'],
      ['--signed'],
      ['--count', '0'],
      ['--transport', 'ipx'],
    ])
      expect((await query(...wrong)).status, wrong.join(' ')).toBe(2);
  });

  it('asks several times, and sums up', async () => {
    const { stdout } = await query('--count', '3', '--interval', '10', '--want', '1', '--timeout', '9000');
    expect(stdout).toMatch(
      /; 3 queries, 3 answers, 0 % lost; round trip min\/median\/max [\d.]+\/[\d.]+\/[\d.]+ ms/,
    );
  });

  it('watches until it is interrupted', async () => {
    const watching = client.spawn(process.execPath, [program, 'query', '--watch', '--json']);
    await poll(() => watching.stdout().includes('\n'), 30_000, 'the first change');
    expect(JSON.parse(watching.stdout().split('\n')[0]!)).toMatchObject({
      added: [{ address: '10.0.0.2' }],
      removed: [],
    });
    expect(await watching.stop('SIGINT')).toBe(0);
  });
});

describe('the SDK', () => {
  it('asks on the link by itself, where cap is installed', async () => {
    const sdk = join(built, 'sdk.mjs');
    await build({
      entryPoints: [join(root, 'sdk/index.ts')],
      outfile: sdk,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
    });
    const script = join(built, 'ask.mjs');
    writeFileSync(
      script,
      `import { query } from './sdk.mjs';
       for (let count = 0; count < 3; count++) {
         const answer = await query('10.99.0.7', { link: 'eth0', timeout: 3000 });
         console.log(answer.from, answer.servers[0].address);
       }`,
    );
    const { stdout, stderr, status } = await client.run(process.execPath, [script]);
    expect(stderr).toBe('');
    expect(stdout).toBe('10.0.0.1 10.0.0.2\n'.repeat(3));
    expect(status).toBe(0);
  });
});

describe('bivouac agent with TLS', () => {
  it('is registered with the identity of its certificate', () => {
    expect(agent.stderr()).toContain('agent-registered');
    expect(log.stderr()).toMatch(/server-registered .*name=web/);
  });

  it('does not register with another role that poses as a manager', async () => {
    const pki = join(work, 'pki');
    const impostor = network.namespace('impostor');
    const files = ['ca.pem', 'impostor.pem', 'impostor.key'].map(name => JSON.stringify(join(pki, name)));
    const fake = impostor.node(`
      const [ca, cert, key] = [${files}].map(file => require('fs').readFileSync(file));
      require('tls').createServer({ ca, cert, key, requestCert: true, ALPNProtocols: ['bivouac/1'] }, socket =>
        socket.on('error', () => {}).on('data', bytes => console.log('heard', bytes.length))).listen(9746, () => console.log('up'));`);
    await poll(() => fake.stdout().includes('up'));
    const tls = { ca: join(pki, 'ca.pem'), certificate: join(pki, 'web.pem'), key: join(pki, 'web.key') };
    const services = [{ name: 'mcu.example.org', protocol: 'http', ports: 80 }];
    const config = write('fooled.json', {
      tls,
      manager: ['127.0.0.1'],
      state: join(work, 'fooled-state.json'),
      services,
    });
    const fooled = impostor.spawn(process.execPath, [program, 'agent', '--config', config]);
    await poll(() => fooled.stderr().includes("is not a manager's"), 30_000, 'it refuses').catch(error => {
      throw new Error(`${error.message}\n${fooled.stderr()}`);
    });
    expect(fake.stdout()).not.toContain('heard');
    await fooled.stop('SIGTERM');
  });
});
