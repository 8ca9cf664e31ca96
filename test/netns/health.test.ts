/**
 * Every kind of check against real servers over a real network: the manager's side runs in this process, within a namespace.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeStatusEnquiry } from '../../appliance/health/codec/q931.ts';
import type { ProbeResult } from '../../appliance/health/probe.ts';
import { createProbes, type Probes } from '../../appliance/health/probes.ts';
import { createHealth, type Verdict } from '../../appliance/health/scheduler.ts';
import { createClock } from '../../appliance/host/clock.ts';
import { createExec } from '../../appliance/host/exec.ts';
import { createNet } from '../../appliance/host/net.ts';
import { createRandom } from '../../appliance/host/random.ts';
import { linuxRawSockets } from '../../appliance/host/raw.ts';
import type { ServiceKey } from '../../appliance/registry/state.ts';
import { Table } from '../../appliance/registry/table.ts';
import { address } from '../../sdk/wire/address.ts';
import type { Check, Service } from '../../sdk/wire/model.ts';
import { type LongProcess, type Namespace, Network, poll } from '../support/netns.ts';
import { service, targetOf } from '../unit/health/support.ts';

const SERVER = { 4: address('10.77.0.2'), 6: address('fd77::2') } as const;
const ABSENT = address('10.77.0.3');

const network = new Network();
const work = mkdtempSync(join(tmpdir(), 'bivouac-health-'));
let server: Namespace;
let peers: LongProcess;
let leave: () => void;
let probes: Probes;

/** Real servers of each kind, on all addresses of the namespace. */
const SERVERS = `
const fs = require('fs'), net = require('net'), dgram = require('dgram');
const key = fs.readFileSync(process.argv[1] + '/key'), cert = fs.readFileSync(process.argv[1] + '/cert');
const web = (request, response) => {
  if (request.url === '/slow') return;
  response.writeHead(request.url === '/healthz' ? 200 : request.url === '/moved' ? 302 : 503);
  response.end(request.url === '/healthz' ? 'all ' + request.headers.host + ' is well' : 'no');
};
require('http').createServer(web).listen(80, '::');
require('https').createServer({ key, cert }, web).listen(443, '::');
require('tls').createServer({ key, cert }, socket => socket.on('error', () => {})).listen(636, '::');
const udp = (port, answer) => {
  const socket = dgram.createSocket('udp6');
  socket.on('message', (bytes, from) => answer(bytes, reply => socket.send(reply, from.port, from.address)));
  socket.bind(port, '::');
};
udp(7, (bytes, reply) => reply(Buffer.concat([Buffer.from('echo '), bytes])));
udp(53, (query, reply) => {
  const answer = Buffer.from(query);
  answer[2] |= 0x80;
  if (query.includes('absent')) { answer[3] |= 3; return reply(answer); }
  answer[7] = 1;
  reply(Buffer.concat([answer, Buffer.from('c00c000100010000003c0004c0000201', 'hex')]));
});
const sip = text => {
  const header = name => new RegExp('^' + name + ':.*$', 'm').exec(text)[0].trim();
  return ['SIP/2.0 200 OK', ...['Via', 'From', 'To', 'Call-ID', 'CSeq'].map(header), 'Content-Length: 0', '', ''].join('\\r\\n');
};
udp(5060, (bytes, reply) => reply(sip(String(bytes))));
net.createServer(socket => socket.on('error', () => {}).on('data', bytes => socket.write(sip(String(bytes))))).listen(5060, '::');
net.createServer(socket => socket.on('error', () => {}).on('data', bytes => socket.write(Buffer.concat([
  Buffer.from('030000100802', 'hex'), Buffer.from([bytes[6] | 0x80, bytes[7], 0x7d]), Buffer.from('0802809e140100', 'hex'),
])))).listen(1720, '::');
net.createServer(socket => socket.on('error', () => {})).listen(1721, '::', () => console.log('ready'));
`;

beforeAll(async () => {
  const manager = network.namespace('manager');
  server = network.namespace('server');
  network.veth(
    { in: manager, name: 'eth0', addresses: ['10.77.0.1/24', 'fd77::1/64'] },
    { in: server, name: 'eth0', addresses: ['10.77.0.2/24', 'fd77::2/64'] },
  );
  const subject = [
    '-subj',
    '/CN=server',
    '-days',
    '1',
    '-nodes',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
  ];
  execFileSync('openssl', ['req', '-x509', ...subject, '-keyout', `${work}/key`, '-out', `${work}/cert`], {
    stdio: 'pipe',
  });
  peers = server.node(SERVERS, [work]);
  await poll(() => peers.stdout().includes('ready') || peers.stderr() !== '', 30_000, 'servers to listen');
  expect(peers.stderr()).toBe('');
  leave = manager.enter();
  writeFileSync(
    join(work, 'check'),
    '#!/bin/sh\n[ "$BIVOUAC_PORT" = 80 ] && exit 0\necho "port $BIVOUAC_PORT is ill"; exit 7\n',
    { mode: 0o755 },
  );
  probes = createProbes({
    net: createNet(),
    random: createRandom(),
    raw: await linuxRawSockets(),
    exec: createExec(),
    programs: { check: [join(work, 'check')], slow: ['/bin/sleep', '60'] },
  });
});

afterAll(async () => {
  leave?.();
  await network.dispose();
  rmSync(work, { recursive: true, force: true });
});

/** One check, aborted after its timeout, and how long it took. */
async function check(
  spec: Partial<Check>,
  more: Partial<Service> = {},
  family: 4 | 6 = 4,
  at = SERVER[family],
) {
  const target = targetOf(service({ timeout: 30_000, ...spec }, more), at);
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), target.check.timeout);
  const began = performance.now();
  const result: ProbeResult = await probes[target.check.kind](target, { signal: abort.signal, stage: '' });
  clearTimeout(timer);
  return { outcome: result.outcome, ...result.reason, took: performance.now() - began };
}

describe.each([4, 6] as const)('checks that pass over IPv%i', family => {
  it.each<[string, Partial<Check>, Partial<Service>]>([
    ['tcp', { kind: 'tcp', port: 80 }, {}],
    [
      'http',
      { kind: 'http', port: 80, target: '/healthz', expectText: 'all web.example is well' },
      { name: 'web.example' },
    ],
    ['http, redirected', { kind: 'http', port: 80, target: '/moved' }, {}],
    ['https', { kind: 'https', port: 443, target: '/healthz', expectText: 'is well' }, {}],
    ['icmp', { kind: 'icmp' }, {}],
    ['dns', { kind: 'dns', port: 53, target: 'www.example' }, {}],
    ['udp', { kind: 'udp', port: 7, send: Uint8Array.of(1), expect: Buffer.from('echo \x01') }, {}],
    ['tls', { kind: 'tls', port: 636 }, {}],
    ['h323', { kind: 'h323', port: 1720 }, {}],
    ['sip over tcp', { kind: 'sip', port: 5060 }, { transport: 'tcp' }],
    ['sip over udp', { kind: 'sip', port: 5060 }, { transport: 'udp' }],
    ['exec', { kind: 'exec', port: 80, target: 'check' }, {}],
  ])('%s', async (_name, spec, more) => {
    expect(await check(spec, more, family)).toMatchObject({ outcome: 'pass', code: 'check-passed' });
  });
});

describe('checks that fail', () => {
  it.each<[string, Partial<Check>, string, string]>([
    ['tcp, refused', { kind: 'tcp', port: 81 }, 'check-refused', 'tcp/81 refused the connection'],
    [
      'http, status',
      { kind: 'http', port: 80, target: '/x' },
      'check-status',
      'http/80 GET /x answered 503, wanted 200–399',
    ],
    [
      'https against http',
      { kind: 'https', port: 80 },
      'check-handshake',
      'https/80 failed the TLS handshake',
    ],
    ['http against https', { kind: 'http', port: 443 }, 'check-', 'http/443 '],
    [
      'tls against a silent port',
      { kind: 'tls', port: 1721, timeout: 200 },
      'check-timeout',
      'tls/1721 was given up',
    ],
    [
      'h323 against a silent port',
      { kind: 'h323', port: 1721, timeout: 200 },
      'check-timeout',
      'h323/1721 was given up',
    ],
    [
      'h323 against http',
      { kind: 'h323', port: 80 },
      'check-malformed',
      'h323/80 answered with TPKT version 72',
    ],
    ['dns, no such name', { kind: 'dns', port: 53, target: 'absent.example' }, 'check-status', 'NXDOMAIN'],
    [
      'exec',
      { kind: 'exec', port: 81, target: 'check' },
      'check-status',
      'exec check exited with 7: port 81 is ill',
    ],
    ['exec, too slow', { kind: 'exec', target: 'slow', timeout: 200 }, 'check-status', 'exec slow was ended'],
  ])('%s', async (_name, spec, code, sentence) => {
    const found = await check(spec);
    expect(found.outcome).toBe('fail');
    expect(found.code).toMatch(code);
    expect(found.sentence).toMatch(sentence);
    // Long before the time that it was given, but for those to whom that is short.
    expect(found.took).toBeLessThan(20_000);
  });

  it('a host that is not there: icmp and tcp', async () => {
    expect((await check({ kind: 'icmp', timeout: 300 }, {}, 4, ABSENT)).outcome).toBe('fail');
    expect((await check({ kind: 'tcp', timeout: 300 }, {}, 4, ABSENT)).outcome).toBe('fail');
  });
});

describe('the scheduler on the real network', () => {
  it('brings up, notices a port that closes after an interval and three fast ones at most, and ends with no socket left', async () => {
    const verdicts: (Verdict & { at: number })[] = [];
    const clock = createClock();
    const health = createHealth({
      clock,
      random: createRandom(),
      probes,
      emit: verdict => verdicts.push({ ...verdict, at: clock.now() }),
    });
    const victim = server.node(
      `require('net').createServer(s => s.on('error', () => {})).listen(8000, () => console.log('ready'))`,
    );
    await poll(() => victim.stdout().includes('ready'));
    const spec = service({ port: 8_000, interval: 5_000, timeout: 4_500, rise: 2, fall: 3 });
    health.set(Table.from([['s/1' as ServiceKey, { address: SERVER[4], service: spec, round: 1 }]]));
    await poll(() => verdicts.length === 1);
    expect(verdicts[0]).toMatchObject({ service: 's/1', outcome: 'pass' });
    await victim.stop('SIGKILL');
    const died = clock.now();
    await poll(() => verdicts.length === 2);
    expect(verdicts[1]).toMatchObject({
      outcome: 'fail',
      reason: { code: 'check-refused', sentence: 'check tcp/8000 refused the connection 3×' },
    });
    // Three intervals would be ten seconds at least.
    expect(verdicts[1]!.at - died).toBeLessThan(10_000);
    health.close();
    expect(health.stats()).toMatchObject({ checks: 0, running: 0 });
  });
});

describe('the status enquiry', () => {
  it('is what tshark reads as a whole H.225.0 message, nothing malformed', () => {
    const bytes = encodeStatusEnquiry(
      0x1234,
      Uint8Array.from({ length: 16 }, (_, index) => index),
    );
    const hex = Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join(' ');
    const capture = join(work, 'h323.pcap');
    execFileSync('text2pcap', ['-q', '-T', '40000,1720', '-', capture], {
      input: `000000 ${hex}\n`,
      stdio: 'pipe',
    });
    const text = execFileSync('tshark', ['-r', capture, '-V'], { encoding: 'utf8', stdio: 'pipe' });
    for (const line of [
      'Message type: STATUS ENQUIRY (0x75)',
      'Call reference value: 1234',
      'h323-message-body: statusInquiry',
      'protocolIdentifier: 0.0.8.2250.0.4',
      'guid: 00010203-0405-0607-0809-0a0b0c0d0e0f',
    ])
      expect(text).toContain(line);
    expect(text).not.toMatch(/malformed|expert info/i);
  });
});
