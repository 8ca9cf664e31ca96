/**
 * The dissector over what really passes between the parts: the lab's cell a, captured on its access link and at headquarters,
 * with the sessions in TLS (and the keys that its manager writes down) and in plain TCP. Everything is understood and named.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensurePki } from '../../labs/pki.ts';
import { Lab, takeDown } from '../../labs/runner/lab.ts';
import type { LabNode } from '../../labs/runner/node.ts';
import type { Running } from '../../labs/runner/process.ts';
import { poll } from '../../labs/scenario/poll.ts';
import { ended, signalPart, vipOf } from '../../labs/scenarios/managers.ts';
import { ospfRoutes } from '../../labs/scenarios/ospf.ts';
import { parseTopology } from '../../labs/topology/parse.ts';
import { ANYCAST } from '../../sdk/wire/anycast.ts';
import { REGISTRATION } from '../../sdk/wire/registration.ts';
import { ROOT, reduced } from '../support/lab.ts';
import { fields, tshark } from '../support/tshark.ts';

const AGENTS = ['a-mcu1', 'a-mcu2'];
const KEPT = [
  'hq',
  'hq-switch',
  'hq-client1',
  'core1',
  'a-appliance',
  'a-switch',
  'a-web1',
  'a-client',
  ...AGENTS,
];
const scratch = mkdtempSync(join(tmpdir(), 'bivouac-dissector-'));
const used: string[] = [];

beforeAll(async () => {
  const reference = join(ROOT, 'containerlab.yml');
  await ensurePki(ROOT, parseTopology(reference, readFileSync(reference, 'utf8')));
});
afterAll(async () => {
  for (const id of used) await takeDown(id);
  rmSync(scratch, { recursive: true });
});

type Way = 'tls' | 'plain';

/** The files of a cell whose sessions are all in TLS, or all in plain TCP, and its topology; the nodes see `folder` as /capture. */
function makeCell(way: Way, folder: string) {
  const config = (node: string, file: string, adapt: (settings: Record<string, unknown>) => void): string => {
    const settings = JSON.parse(readFileSync(join(ROOT, 'labs/nodes', node, file), 'utf8'));
    if (way === 'plain') {
      delete settings.tls;
      settings.plain = true;
    }
    adapt(settings);
    writeFileSync(join(folder, `${node}.json`), JSON.stringify(settings));
    return `${folder}/${node}.json:/etc/bivouac/${file}:ro`;
  };
  const capture = `${folder}:/capture`;
  const agent = (node: string, forbidden: boolean): object => ({
    binds: [
      capture,
      config(node, 'agent.json', ({ services }) => {
        // One that no manager of the mission may give away: it is refused.
        const more = { name: 'mcu.a.bivouac.test', protocol: 'sip', ports: 5060, vip: '192.0.2.1' };
        if (forbidden) (services as object[]).push(more);
      }),
    ],
  });
  const manager = config('a-appliance', 'bivouac.json', settings => {
    // Short, so that leases are renewed before the test is over.
    settings['lease'] = { duration: 10 };
  });
  const change = {
    'a-appliance': { binds: [capture, manager], env: { NODE_OPTIONS: '--tls-keylog=/capture/keys' } },
    'a-mcu1': agent('a-mcu1', true),
    'a-mcu2': agent('a-mcu2', false),
    'a-web1': { cmd: 'sleep infinity', binds: [capture] },
    'hq-client1': { binds: [capture] },
  };
  const file = join(folder, 'cell.yml');
  writeFileSync(file, reduced(KEPT, change));
  return parseTopology(file, readFileSync(file, 'utf8'));
}

/** A server that is an application, with the SDK: it withdraws one of its services, and then stops. */
const APPLICATION = `
const { Registration } = require('${ROOT}/sdk/dist/index.cjs');
const { readFileSync } = require('fs');
const read = file => readFileSync('/etc/bivouac/pki/' + file, 'utf8');
const [way] = process.argv.slice(1);
const tls = way === 'tls' && { ca: read('ca.pem'), certificate: read('a-web1.pem'), key: read('a-web1.key') };
const check = { kind: 'none' };
const service = (name, ports) => ({ name, ports, protocol: 'http', shared: true, check });
const long = i => service(('www' + i + '.').padEnd(60, 'x') + '.' + 'y'.repeat(60) + '.' + 'z'.repeat(60) + '.test', 80 + i);
const services = way === 'tls'
  ? [service('www.a.bivouac.test', 80), service('www.bivouac.test', 80)]
  : [service('www.a.bivouac.test', 80), ...Array.from({ length: 7 }, (_, i) => long(i + 1))];
const registration = new Registration({ name: 'a-web1', services, ...(tls && { tls }) });
const up = new Set();
registration.on('service', ({ id, state }) => {
  // Once: on a busy machine one may be down for a moment, and up again.
  if (state !== 'up' || up.has(id)) return;
  if (up.add(id).size === services.length) console.log('up');
});
process.on('SIGUSR2', () => registration.withdraw(1).then(() => console.log('withdrawn')));
process.on('SIGTERM', () => registration.stop().then(() => process.exit()));
registration.start();
`;

/** Captures on an interface of a node, from when it says that it listens. */
async function capture(node: LabNode, link: string, file: string): Promise<Running> {
  const command = `tcpdump -Z root -U --immediate-mode -i ${link} -w /capture/${file}`;
  const running = node.spawn(command.split(' '));
  await poll(`tcpdump listens at ${node.name}`, () => running.stderr.includes('listening on'));
  return running;
}

/** Plays a life of servers and clients in which all that our parts send passes; gives the captures, the TLS keys and the MCUs' VIP. */
async function record(
  way: Way,
): Promise<{ readonly files: readonly string[]; readonly keys: string; readonly vip: string }> {
  const folder = join(scratch, way);
  mkdirSync(folder);
  const id = `dissector-${way}-${process.pid}`;
  used.push(id);
  const held = ['a-appliance', ...AGENTS];
  const lab = await Lab.up(makeCell(way, folder), {
    id,
    root: ROOT,
    hold: ({ name }) => held.includes(name),
  });
  const node = (name: string): LabNode => lab.node(name);
  const manager = node('a-appliance');
  const captures = [
    await capture(manager, 'eth2', 'link.pcap'),
    await capture(node('hq-client1'), 'eth1', 'hq.pcap'),
  ];
  const files = ['link.pcap', 'hq.pcap'].map(name => join(folder, name));
  const keys = join(folder, 'keys');

  await Promise.all(held.map(name => node(name).boot()));
  const application = node('a-web1').spawn(['node', '-e', APPLICATION, way]);
  const vip = await vipOf(manager, 'mcu.a.bivouac.test', AGENTS.length);
  expect(await application.line(), application.stderr).toBe('up');
  await poll('headquarters routes the VIP', async () => (await ospfRoutes(node('hq'))).includes(vip));

  const pem = `${ROOT}/.lab/pki/a-appliance/a-appliance.pem`;
  const ask = async (client: string, status: number, ...words: string[]): Promise<void> => {
    const { stderr, ...answered } = await node(client).exec(['bivouac', 'query', ...words]);
    expect(answered.status, `${words.join(' ')}: ${stderr}`).toBe(status);
  };
  for (const [client, how] of [
    ['a-client', ['--link', 'eth1']],
    ['hq-client1', ['--via', '10.254.0.11']],
  ] as const) {
    await ask(client, 0, vip, ...how);
    await ask(client, 0, ...how);
    // Without TLS it signs with a key of its own making, which is not that of the certificate.
    await ask(client, way === 'plain' ? 3 : 0, vip, '--signed', '--key', pem, '--timeout', '1500', ...how);
  }
  await ask('hq-client1', 0, vip);

  await poll('a lease is renewed', () => wire(files[0]!, keys).then(seen => seen.has('lease-renew')), {
    timeout: 60_000,
    interval: 1000,
  });
  application.kill('SIGUSR2');
  expect(await application.line(), application.stderr).toBe('withdrawn');
  await application.stop();
  for (const name of AGENTS) {
    await signalPart(node(name), 'agent', 'TERM');
    await ended(node(name), 'agent');
  }
  for (const running of captures) await running.stop('SIGINT');
  await lab.down();
  return { files, keys, vip };
}

const NAMES = new Map([...REGISTRATION, ...ANYCAST].map(({ number, type }) => [number, type]));
const decrypt = (keys: string): string[] => ['-o', `tls.keylog_file:${keys}`];

/** The types of all messages of a capture. */
async function wire(file: string, keys: string): Promise<Set<string>> {
  const rows = await fields(file, ['bivouac.message'], '-Y', 'bivouac', ...decrypt(keys));
  return new Set(rows.flatMap(([types]) => types!).map(number => NAMES.get(Number(number)) ?? number));
}

describe.each(['tls', 'plain'] as const)('captures with sessions in %s', way => {
  let files: readonly string[];
  let keys: string;
  let vip: string;
  beforeAll(async () => {
    ({ files, keys, vip } = await record(way));
  });

  test('nothing is malformed or unknown', async () => {
    for (const file of files) {
      const wrong = await fields(
        file,
        [
          ...[
            'frame.number',
            'bivouac.message',
            'bivouac.malformed',
            '_ws.malformed',
            'bivouac.unknown_value',
          ],
          ...['bivouac.unknown_mandatory', 'bivouac.unknown_element', 'bivouac.unknown_message'],
        ],
        ...[
          '-Y',
          'bivouac.malformed or _ws.malformed or bivouac.unknown_value or bivouac.unknown_mandatory' +
            ' or bivouac.unknown_element or bivouac.unknown_message',
        ],
        ...decrypt(keys),
      );
      expect(wrong, file).toEqual([]);
    }
  });

  test('nothing of ours is left undissected', async () => {
    for (const file of files) {
      const rest = await tshark(
        '-r',
        file,
        ...decrypt(keys),
        '-Y',
        '(tcp.port == 9746 or udp.port == 9747) and data',
      );
      expect(rest, file).toBe('');
      const bare = await tshark('-r', file, ...decrypt(keys), '-Y', 'arp.opcode in {24, 25} and not bivouac');
      expect(bare, file).toBe('');
    }
  });

  test('every type of message that the parts send has passed', async () => {
    const seen = await Promise.all(files.map(file => wire(file, keys)));
    const all = new Set(seen.flatMap(types => [...types]));
    // The SDK gives its leases back by deregistering, and only a query that is in error is refused; a reload would pace, and another
    // manager's claim revoke. All of them are among the vectors that dissector.test.ts has dissected.
    const missing = [...NAMES.values()].filter(type => !all.has(type));
    expect(missing.sort()).toEqual(['lease-release', 'lease-revoked', 'pace', 'query-refused']);
    expect([...seen[1]!].sort()).toEqual(['answer', 'cookie', 'query']);
  });

  test('registration is shown to who has the keys, and to nobody else in TLS', async () => {
    const bare = await wire(files[0]!, '/dev/null');
    expect(bare.has('solicit') && bare.has('invite') && bare.has('answer')).toBe(true);
    expect(REGISTRATION.some(({ type }) => bare.has(type))).toBe(way === 'plain');
  });

  test('anycast ARP stands behind ARP bodies, and ordinary ARP is shown as ever', async () => {
    const rows = await fields(files[0]!, ['arp.opcode', 'bivouac.message'], '-Y', 'arp');
    const of = (opcode: string) => rows.filter(([code]) => code![0] === opcode).map(([, type]) => type![0]);
    expect(new Set(of('24'))).toEqual(new Set(['0x21']));
    expect(new Set(of('25'))).toEqual(new Set(['0x22']));
    expect(new Set([...of('1'), ...of('2')])).toEqual(new Set([undefined]));
    const announced = await tshark(
      '-r',
      files[0]!,
      '-Y',
      `arp.isgratuitous and arp.src.proto_ipv4 == ${vip}`,
    );
    expect(announced).toContain(vip);
  });

  test('a long answer is in parts, a signed one has its signature', async () => {
    for (const file of files) {
      const rows = await fields(
        file,
        ['bivouac.parts', 'bivouac.signature'],
        '-Y',
        'bivouac.message == 0x22',
      );
      const parts = rows.map(([count]) => Number(count![0]));
      expect(Math.max(...parts), file).toBe(way === 'plain' ? 2 : 1);
      expect(
        rows.some(([, signature]) => signature!.length > 0),
        file,
      ).toBe(true);
    }
  });
});
