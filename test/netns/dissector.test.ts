/** The Wireshark dissector over captures made of the protocol's vectors: what it shows is what the bytes say. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { describe, expect, test } from 'vitest';
import { ANYCAST } from '../../sdk/wire/anycast.ts';
import * as plain from '../../sdk/wire/elements.ts';
import * as groups from '../../sdk/wire/groups.ts';
import type { Element } from '../../sdk/wire/layout.ts';
import { REFUSAL, WELL_KNOWN } from '../../sdk/wire/messages.ts';
import { NOTICES } from '../../sdk/wire/notices.ts';
import { POLLS } from '../../sdk/wire/polls.ts';
import { REGISTRATION } from '../../sdk/wire/registration.ts';
import { elementEnd, readU16 } from '../../sdk/wire/tlv.ts';
import { type Direction, pcap, tcpFrames, udpFrame } from '../support/pcap.ts';
import { fields, glossary, tshark, withFile } from '../support/tshark.ts';
import { bytesOf, type Vector, vectors } from '../support/vectors.ts';

const { registrationPort, anycastPort, noticePort } = WELL_KNOWN;
const carried = vectors.filter(({ carrier }) =>
  ['registration', 'anycast', 'notice', 'poll', 'frame'].includes(carrier),
);
const good = carried.filter(({ refuse }) => refuse === undefined);
const bad = carried.filter(({ refuse }) => refuse !== undefined);
const isElement = (value: unknown): value is Element<unknown> =>
  typeof value === 'object' && value !== null && 'mandatory' in value;
const elements = [...(Object.values(plain) as unknown[]), ...(Object.values(groups) as unknown[])].filter(
  isElement,
);
const isGroup = new Set((Object.values(groups) as unknown[]).filter(isElement).map(({ number }) => number));

/** One frame for each vector; each on a connection of its own, since what is refused may end one. */
const frameOf = ({ carrier, bytes }: Vector): Uint8Array => {
  if (carrier === 'frame') return bytes;
  if (carrier === 'anycast' || carrier === 'poll') return udpFrame(anycastPort, bytes);
  if (carrier === 'notice') return udpFrame(noticePort, bytes);
  return tcpFrames(registrationPort, [['there', bytes]])[0]!;
};
const frameNamed = (name: string) => frameOf(vectors.find(vector => vector.name === name)!);
const capture = (frames: readonly Uint8Array[], ...names: string[]) =>
  withFile(pcap(frames), file => fields(file, names, '-o', 'tcp.analyze_sequence_numbers:FALSE'));

/** The numbers of all elements, a group before what is in it. */
function numbersIn(bytes: Uint8Array, start: number, end: number): number[] {
  const numbers: number[] = [];
  for (let at = start; at < end; at = elementEnd(bytes, at, end)) {
    const number = readU16(bytes, at) & 0x7fff;
    numbers.push(number);
    if (isGroup.has(number)) numbers.push(...numbersIn(bytes, at + 4, elementEnd(bytes, at, end)));
  }
  return numbers;
}

function elementsOf({ carrier, bytes }: Vector): number[] {
  const base = carrier === 'frame' ? 42 : 0;
  if (carrier === 'frame' && bytes[21]! < 24) return [];
  return numbersIn(bytes, base + 12, base + 12 + readU16(bytes, base + 4));
}

describe('what is in order', () => {
  test('every element of every vector is there under its number, and nothing is malformed', async () => {
    const rows = await capture(
      good.map(frameOf),
      'bivouac.element_number',
      'bivouac.malformed',
      '_ws.malformed',
      'bivouac.unknown_mandatory',
      'bivouac.unknown_message',
      'bivouac.unknown_element',
    );
    expect(rows).toHaveLength(good.length);
    for (const [index, [numbers, ...wrong]] of rows.entries()) {
      const vector = good[index]!;
      expect(numbers!.map(Number), vector.name).toEqual(elementsOf(vector));
      if (vector.name === 'optional-unknown') expect(wrong.flat()).toHaveLength(1);
      else expect(wrong.flat(), vector.name).toEqual([]);
    }
  });

  test('values are shown as they are', async () => {
    const names = {
      'register-returning': {
        'bivouac.message': ['0x01'],
        'bivouac.transaction': ['2'],
        'bivouac.versions_oldest': ['1'],
        'bivouac.versions_newest': ['2'],
        'bivouac.address4': ['10.1.0.11'],
        'bivouac.address6': ['fd00:1::11'],
        'bivouac.epoch': ['4', '3'],
        'bivouac.heartbeat_interval': ['250'],
        'bivouac.server_name': ['mcu-1.cell-a'],
        'bivouac.vip4': ['10.9.0.1'],
        'bivouac.duration': ['3600'],
      },
      'register-service-web': {
        'bivouac.service_name': ['www.example'],
        'bivouac.transport': ['6'],
        'bivouac.ports_first': ['80', '8000'],
        'bivouac.ports_last': ['80', '8009'],
        'bivouac.protocol': ['http'],
        'bivouac.check_kind': ['2'],
        'bivouac.target': ['/health?deep=1'],
        'bivouac.expect_status_lowest': ['200'],
        'bivouac.expect_status_highest': ['204'],
        'bivouac.mode': ['2'],
        'bivouac.affinity': ['300'],
      },
      'service-state-down': { 'bivouac.state': ['4'], 'bivouac.sentence': ['check tcp/80 timed out 3×'] },
      'frame-answer': {
        'arp.opcode': ['25'],
        'arp.src.proto_ipv4': ['10.1.0.1'],
        'bivouac.nonce': ['0102030405060708'],
        'bivouac.address4': ['10.1.0.11', '10.1.0.12'],
        'bivouac.score': ['870', '870', '640', '410', '410'],
        'bivouac.validity': ['5000'],
      },
      'notice-answer': {
        'bivouac.message': ['0x30'],
        'bivouac.boot': ['7'],
        'bivouac.since': ['0'],
        'bivouac.change': ['42'],
        'bivouac.epoch': ['4', '281474976710655'],
        'bivouac.servers': ['2', '0'],
        'bivouac.vip6': ['fd00:9::1'],
      },
      'invite-plain-ipv6': {
        'bivouac.address6': ['fd00:1::1'],
        'bivouac.port': ['19746'],
        'bivouac.tls': [],
      },
    } as const;
    for (const [name, wanted] of Object.entries(names)) {
      const [row] = await capture([frameNamed(name)], ...Object.keys(wanted));
      expect(
        Object.fromEntries(Object.keys(wanted).map((field, index) => [field, row![index]])),
        name,
      ).toEqual(wanted);
    }
  });

  test.each([1, 13, 100, 1460])('a stream in segments of %i bytes shows each message once', async mss => {
    const stream = good.filter(({ carrier }) => carrier === 'registration').slice(0, mss === 1 ? 3 : 100);
    const whole = Uint8Array.from(stream.flatMap(({ bytes }) => [...bytes]));
    const rows = await withFile(pcap(tcpFrames(registrationPort, [['there', whole]], mss)), file =>
      fields(file, ['bivouac.message', 'bivouac.malformed', '_ws.malformed']),
    );
    expect(rows.flatMap(([types]) => types!.map(Number))).toEqual(stream.map(({ bytes }) => bytes[3]));
    expect(rows.flatMap(([, ...wrong]) => wrong.flat())).toEqual([]);
  });

  test('ordinary ARP is left to Wireshark', async () => {
    const rows = await capture(
      ['frame-request', 'frame-reply', 'frame-gratuitous'].map(frameNamed),
      'arp.opcode',
      'bivouac',
      'eth.padding',
    );
    expect(rows.map(([opcode, ours]) => [opcode, ours])).toEqual([
      [['1'], []],
      [['2'], []],
      [['1'], []],
    ]);
    expect(rows.map(([, , padding]) => padding![0]?.replaceAll(':', ''))).toEqual(
      Array(3).fill('00'.repeat(18)),
    );
  });

  test('what pads a frame is not part of the message', async () => {
    const padded = Uint8Array.from([...frameNamed('frame-query'), 0, 0, 0, 0, 0, 0]);
    const [row] = await capture([padded], 'bivouac.frame_padding', 'bivouac.malformed', 'bivouac.want');
    expect(row).toEqual([['000000000000'], [], ['3']]);
  });
});

describe('what is not', () => {
  test('every vector that is to be refused is flagged', async () => {
    const rows = await capture(
      bad.map(frameOf),
      'bivouac.malformed',
      'bivouac.unknown_mandatory',
      'bivouac.unknown_message',
    );
    for (const [index, row] of rows.entries()) expect(row.flat(), bad[index]!.name).not.toEqual([]);
  });

  test('numbers set aside are named, and not malformed', async () => {
    const notice = bytesOf('4256013f 0008 0000 00000000  00af 0004 00000001');
    const output = await withFile(pcap([udpFrame(anycastPort, notice)]), file => tshark('-r', file, '-V'));
    expect(output).toContain('poll 0x3f');
    expect(output).toContain('Element set aside for polls: 0x00af');
    const [row] = await capture([udpFrame(anycastPort, notice)], 'bivouac.malformed', '_ws.malformed');
    expect(row).toEqual([[], []]);
  });

  test('a query frame without a message, and another protocol on the port', async () => {
    const bare = frameNamed('frame-query').slice(0, 42);
    const http = tcpFrames(registrationPort, [
      ['there', bytesOf('474554202f20485454502f312e310d0a0d0a')],
    ])[0]!;
    const rows = await capture([bare, http], 'bivouac.malformed');
    expect(rows.map(([wrong]) => wrong!.length)).toEqual([1, 1]);
  });
});

test('the dissector’s tables are the code’s', async () => {
  const table = new Map<string, string>();
  for (const line of (await glossary('values')).split('\n')) {
    const [kind, field, number, word] = line.split('\t');
    if (kind === 'V' && field!.startsWith('bivouac.')) table.set(`${field} ${Number(number)}`, word!);
  }
  const expected = new Map<string, string>();
  const add = (field: string, words: Readonly<Record<string, number>>) => {
    for (const [word, number] of Object.entries(words)) expected.set(`bivouac.${field} ${number}`, word);
  };
  for (const { number, name } of elements) expected.set(`bivouac.element_number ${number}`, name);
  for (const { number, type } of [...REGISTRATION, ...ANYCAST, ...NOTICES, ...POLLS])
    expected.set(`bivouac.message ${number}`, type);
  add('refusal_code', REFUSAL);
  add('check_kind', plain.CHECK_KIND);
  add('mode', plain.FORWARD_MODE);
  add('scheduler', plain.SCHEDULER);
  add('affinity_by', { sip: 1 });
  add('state', plain.STATE);
  add('transport', { tcp: 6, udp: 17, sctp: 132 });
  add('family', { IPv4: 4, IPv6: 6 });
  expect(new Map([...table].sort())).toEqual(new Map([...expected].sort()));
});

test('registration within TLS is shown to who has the keys', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bivouac-tls-'));
  try {
    const [key, cert] = [join(folder, 'key'), join(folder, 'cert')];
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'ed25519', '-nodes', '-subj', '/CN=manager', '-keyout', key, '-out', cert],
      { stdio: 'ignore' },
    );
    const messages = ['register-returning', 'lease-renew', 'heartbeat'].map(
      name => vectors.find(vector => vector.name === name)!.bytes,
    );
    const { sent, keys } = await recordTls(readFileSync(key), readFileSync(cert), messages);
    const rows = await withFile(keys, keylog =>
      withFile(pcap(tcpFrames(registrationPort, sent, 1200)), file =>
        fields(file, ['bivouac.message', 'bivouac.malformed'], '-o', `tls.keylog_file:${keylog}`),
      ),
    );
    expect(rows.flatMap(([types]) => types!)).toEqual(['0x01', '0x03', '0x0f']);
    expect(rows.flatMap(([, wrong]) => wrong!)).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** Sends messages over TLS 1.3 on loopback through a relay that writes down what passes, and the session's keys. */
async function recordTls(key: Buffer, cert: Buffer, messages: readonly Uint8Array[]) {
  const sent: [Direction, Uint8Array][] = [];
  let keys = '';
  const wanted = messages.reduce((sum, { length }) => sum + length, 0);
  const listening = (server: { listen(port: number, host: string, done: () => void): void }) =>
    new Promise<void>(done => server.listen(0, '127.0.0.1', done));
  const portOf = (server: { address(): unknown }) => (server.address() as { port: number }).port;

  const done = { resolve: () => {}, reject: (_error: Error) => {} };
  const allReceived = new Promise<void>((resolve, reject) => Object.assign(done, { resolve, reject }));
  const failed = (error: Error) => done.reject(error);
  const server = tls.createServer(
    { key, cert, ALPNProtocols: [WELL_KNOWN.alpn], minVersion: 'TLSv1.3' },
    socket => {
      let received = 0;
      socket.on('error', failed);
      socket.on('data', chunk => {
        received += chunk.length;
        if (received === wanted) done.resolve();
      });
    },
  );
  server.on('keylog', line => {
    keys += line.toString();
  });
  await listening(server);
  const sockets: Socket[] = [];
  const relay = createServer(near => {
    const far = connect(portOf(server), '127.0.0.1');
    sockets.push(near, far);
    const pass = (from: Socket, to: Socket, direction: Direction) =>
      from
        .on('data', chunk => {
          sent.push([direction, Uint8Array.from(chunk)]);
          to.write(chunk);
        })
        .on('error', failed);
    pass(near, far, 'there');
    pass(far, near, 'back');
  });
  await listening(relay);
  const client = tls.connect(
    { port: portOf(relay), host: '127.0.0.1', ALPNProtocols: [WELL_KNOWN.alpn], rejectUnauthorized: false },
    () => {
      for (const message of messages) client.write(message);
    },
  );
  client.on('error', failed);
  try {
    await allReceived;
    return { sent, keys };
  } finally {
    client.destroy();
    for (const socket of sockets) socket.destroy();
    relay.close();
    server.close();
  }
}
