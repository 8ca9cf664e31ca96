/**
 * @bivouac/sdk as a stranger gets it: packed, installed into an empty project, imported and required, type-checked, and its
 * examples run against managers on loopback.
 */
import { execFileSync, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { transform } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { address } from '../../sdk/wire/address.ts';
import { decodeAnycast, encodeAnycast } from '../../sdk/wire/anycast.ts';
import type { ServerMessage } from '../../sdk/wire/messages.ts';
import type { ManagerId } from '../../sdk/wire/model.ts';
import { encodeRegistration } from '../../sdk/wire/registration.ts';
import { RegistrationParser } from '../../sdk/wire/stream.ts';
import { poll } from '../support/netns.ts';

const root = resolve(import.meta.dirname, '../..');
const work = mkdtempSync(join(tmpdir(), 'bivouac-sdk-'));
const project = join(work, 'project');
const LOOPBACK = '127.0.0.41';
const manager = 'ab'.repeat(32) as ManagerId;

beforeAll(async () => {
  const copy = join(work, 'sdk');
  mkdirSync(copy);
  for (const name of ['package.json', 'README.md']) cpSync(join(root, 'sdk', name), join(copy, name));
  const { buildSdk } = (await import('../../tools/build-sdk.mjs' as string)) as {
    buildSdk: (root: string, dist: string) => Promise<void>;
  };
  await buildSdk(root, join(copy, 'dist'));
  execFileSync('npm', ['pack', '--pack-destination', work, '--loglevel', 'error'], { cwd: copy });
  const tarball = readdirSync(work).find(name => name.endsWith('.tgz'))!;
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "name": "empty", "type": "module" }');
  const options = ['--offline', '--no-audit', '--no-fund', '--loglevel', 'error'];
  execFileSync('npm', ['install', ...options, join(work, tarball)], { cwd: project });
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

function run(file: string, text: string): string {
  writeFileSync(join(project, file), text);
  return execFileSync(process.execPath, [file], { cwd: project, encoding: 'utf8' });
}

const SURFACE = [
  'Answer',
  'BivouacError',
  'Registration',
  'Resolver',
  'discover',
  'nodeEnvironment',
  'pick',
  'query',
  'register',
  'watch',
];

describe('the package', () => {
  it('is imported', () => {
    const names = run('a.mjs', "console.log(Object.keys(await import('@bivouac/sdk')).sort().join())");
    expect(names.trim().split(',')).toEqual(SURFACE);
  });

  it('is required', () => {
    const names = run('b.cjs', "console.log(Object.keys(require('@bivouac/sdk')).sort().join())");
    expect(names.trim().split(',')).toEqual(SURFACE);
  });

  it('brings no dependency, and neither tests nor sources', () => {
    expect(readdirSync(join(project, 'node_modules')).filter(name => !name.startsWith('.'))).toEqual([
      '@bivouac',
    ]);
    const installed = join(project, 'node_modules/@bivouac/sdk');
    expect(readdirSync(installed).sort()).toEqual(['README.md', 'dist', 'package.json']);
    expect(JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))).not.toHaveProperty(
      'dependencies',
    );
  });

  it('rejects with the same error class and stable codes in both', () => {
    const text = (load: string): string =>
      `${load}; query('x', { via: '127.0.0.42', port: 9, timeout: 5000, retries: 0 }).catch(error => console.log(error instanceof BivouacError, error.code))`;
    expect(run('c.mjs', text("import { query, BivouacError } from '@bivouac/sdk'"))).toBe(
      'true ECONNREFUSED\n',
    );
    expect(run('c.cjs', text("const { query, BivouacError } = require('@bivouac/sdk')"))).toBe(
      'true ECONNREFUSED\n',
    );
  });

  it('says what is missing when a link is asked without cap', () => {
    const text =
      "import { query } from '@bivouac/sdk'; query('10.0.0.1', { link: 'lo' }).catch(error => console.log(error.code, error.message))";
    expect(run('d.mjs', text)).toMatch(/^ENOLINK .*npm install cap/);
  });

  it('has types, for both kinds of modules', () => {
    const consumer = `
import { BivouacError, pick, query, register, watch, type Answer, type Registration } from '@bivouac/sdk';
export async function use(signal: AbortSignal): Promise<number> {
  const answer: Answer = await query({ protocol: 'h323', transport: 'tcp', ports: [1720, '5000-5100'] }, { signal });
  const picked = await pick('www.example.org', { attemptDelay: 100 });
  picked.socket?.end();
  for await (const change of watch('10.0.0.1', { signal })) if (change.removed.length > 0) break;
  const registration: Registration = await register({ services: [{ name: 'a.b', protocol: 'http', ports: 80 }] });
  registration.on('service', ({ state, score }) => console.log(state satisfies string, score.toFixed()));
  try { await registration.stop(); } catch (error) { if (error instanceof BivouacError && error.code === 'ELOST') throw error; }
  // @ts-expect-error there is no such transport
  await query({ transport: 'ipx' });
  return answer.servers[0]?.score ?? 0;
}
`;
    // Above the project, where it finds them and they are none of its own.
    mkdirSync(join(work, 'node_modules/@types'), { recursive: true });
    symlinkSync(join(root, 'node_modules/@types/node'), join(work, 'node_modules/@types/node'));
    symlinkSync(join(root, 'node_modules/undici-types'), join(work, 'node_modules/undici-types'));
    for (const file of ['consumer.mts', 'consumer.cts']) writeFileSync(join(project, file), consumer);
    const flags =
      '--noEmit --strict --module nodenext --target es2022 --skipLibCheck false --types node --lib es2023';
    const tsc = (...args: string[]): string => {
      try {
        return execFileSync(join(root, 'node_modules/.bin/tsc'), args, { cwd: project, encoding: 'utf8' });
      } catch (error) {
        return (error as { stdout: string }).stdout;
      }
    };
    expect(tsc(...flags.split(' '), 'consumer.mts', 'consumer.cts')).toBe('');
  });
});

describe('the examples', () => {
  async function compiled(name: string): Promise<string> {
    const source = readFileSync(join(root, 'sdk/examples', `${name}.ts`), 'utf8');
    expect(source.split('\n').length).toBeLessThan(40);
    const { code } = await transform(source, { loader: 'ts', format: 'esm', target: 'node20' });
    const file = join(project, `${name}.mjs`);
    writeFileSync(file, code);
    return file;
  }

  it('a client picks the best conference server that connects', async () => {
    const mcu = createServer(socket => socket.on('error', () => {}).end());
    mcu.listen(0, LOOPBACK);
    await once(mcu, 'listening');
    const { port } = mcu.address() as AddressInfo;
    const udp = await anycast([
      { address: '127.0.0.43', score: 950, port },
      { address: LOOPBACK, score: 700, port },
    ]);
    try {
      const child = spawn(process.execPath, [await compiled('pick-conference'), LOOPBACK], { cwd: project });
      let output = '';
      child.stdout.on('data', text => (output += text));
      child.stderr.on('data', text => (output += text));
      const [status] = await once(child, 'exit');
      expect(output).toContain(`mcu.example.org at ${LOOPBACK}:${port}, score 700 of 1000`);
      expect(output).toContain(`2 known to ${LOOPBACK}`);
      expect(status).toBe(0);
    } finally {
      udp.close();
      mcu.close();
    }
  });

  it('a server registers itself, reports, drains and deregisters', async () => {
    const heard: ServerMessage[] = [];
    const listener = registrar(heard);
    listener.listen(0, LOOPBACK);
    await once(listener, 'listening');
    const { port } = listener.address() as AddressInfo;
    const child = spawn(process.execPath, [await compiled('web-server'), '0', `${LOOPBACK}:${port}`], {
      cwd: project,
    });
    let output = '';
    child.stdout.on('data', text => (output += text));
    child.stderr.on('data', text => (output += text));
    try {
      await poll(() => output.includes('up as'), 30_000, 'the example is up');
      await poll(() => heard.some(message => message.type === 'report'), 30_000, 'a report');
      child.kill('SIGTERM');
      const [status] = await once(child, 'exit');
      expect(status).toBe(0);
      const types = heard
        .map(message => message.type)
        .filter(type => type !== 'report' && type !== 'heartbeat');
      expect(types).toEqual(['register', 'lease-request', 'register-service', 'drain-service', 'deregister']);
    } finally {
      child.kill('SIGKILL');
      listener.close();
    }
  });
});

async function anycast(
  servers: readonly { readonly address: string; readonly score: number; readonly port: number }[],
): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.on('message', (bytes, from) => {
    const query = decodeAnycast(bytes);
    if (query.type !== 'query') return;
    const answer = encodeAnycast({
      type: 'answer',
      nonce: query.nonce,
      manager,
      part: 1,
      parts: 1,
      validity: 5000,
      servers: servers.map(({ address: at, score, port }) => ({
        address: address(at),
        score,
        services: [
          {
            name: 'mcu.example.org',
            protocol: 'h323',
            transport: 'tcp',
            ports: [{ first: port, last: port }],
            score,
          },
        ],
      })),
    });
    socket.send(answer, from.port, from.address);
  });
  await new Promise<void>(done => socket.bind(9747, LOOPBACK, done));
  return socket;
}

function registrar(heard: ServerMessage[]): Server {
  return createServer(socket => {
    const parser = new RegistrationParser();
    let server = '';
    const say = (message: Parameters<typeof encodeRegistration>[0]): void =>
      void socket.write(encodeRegistration(message));
    socket.on('error', () => {});
    socket.on('data', bytes => {
      for (const message of parser.push(bytes) as ServerMessage[]) {
        heard.push(message);
        if (message.type === 'register') {
          server = message.server;
          const { transaction } = message;
          say({
            type: 'registered',
            transaction,
            version: 1,
            manager,
            name: 'cell',
            heartbeat: 1000,
            software: '',
          });
        } else if (message.type === 'lease-request') {
          const lease = {
            vip: address('10.99.0.1'),
            server: server as never,
            issuer: manager,
            epoch: 1,
            duration: 60,
            shared: false,
            signature: new Uint8Array(0),
          };
          say({ type: 'lease', transaction: message.transaction, lease });
        } else if ('transaction' in message) {
          say({ type: 'done', transaction: message.transaction });
          if (message.type === 'register-service')
            say({ type: 'service-state', service: 1, state: 'up', score: 1000, reason: '' });
        }
      }
    });
  });
}
