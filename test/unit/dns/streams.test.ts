import { afterEach, describe, expect, test } from 'vitest';
import { TYPE } from '../../../appliance/dns/numbers.ts';
import { type DnsOptions, type DnsServer, startDns } from '../../../appliance/dns/server.ts';
import { MOST_PENDING } from '../../../appliance/dns/streams.ts';
import { hmac } from '../../../appliance/host/keys.ts';
import type { Stream } from '../../../appliance/host/ports.ts';
import { address, parsePrefix } from '../../../sdk/wire/address.ts';
import { type DnsMessage, decodeDns, dnsQuery, wireName } from '../../support/dns.ts';
import { KEYS, mac, signed, u16, unsigned } from '../../support/tsig.ts';
import { virtualWorld } from '../../support/virtual.ts';
import { linesOf, OPTIONS, view } from './support.ts';

const SERVER = address('10.0.0.1');

let servers: DnsServer[] = [];
afterEach(async () => {
  for (const server of servers) await server.close();
  servers = [];
});

async function start(options: Partial<DnsOptions> = {}) {
  const world = virtualWorld({ quality: { jitter: 0 } });
  const { clock, random, log } = world;
  const server = await startDns(
    {
      ...{ clock, random, hmac, log, net: world.network.host('server', SERVER).net },
      seconds: () => 1_700_000_000 + Math.floor(clock.now() / 1000),
    },
    {
      ...OPTIONS,
      ...{ addresses: [SERVER], port: 53, workers: 0, notify: [], zones: [] },
      transfers: [parsePrefix('10.0.0.7/32')!],
      ...options,
    },
  );
  servers.push(server);
  const host = world.network.host('client', '10.0.0.7', '10.0.0.8');
  /** A connection, and the messages that came on it. */
  const connect = (from = '10.0.0.8') => {
    const messages: DnsMessage[] = [];
    const raw: Uint8Array[] = [];
    let input = new Uint8Array(0);
    let closed = false;
    const stream: Stream = host.net.connect(
      { address: SERVER, port: 53, from: address(from) },
      {
        onData(chunk) {
          input = Uint8Array.from([...input, ...chunk]);
          for (;;) {
            const length = (input[0]! << 8) | input[1]!;
            if (input.length < 2 || input.length < 2 + length) return;
            raw.push(input.slice(2, 2 + length));
            messages.push(decodeDns(raw.at(-1)!));
            input = input.slice(2 + length);
          }
        },
        onClose: () => {
          closed = true;
        },
      },
    );
    return { stream, messages, raw, isClosed: () => closed };
  };
  return { world, server, host, connect };
}

const framed = (bytes: Uint8Array): Uint8Array =>
  Uint8Array.from([bytes.length >> 8, bytes.length & 255, ...bytes]);

describe('TCP', () => {
  test('queries are answered in order, wherever the segments end', async () => {
    const { world, server, connect } = await start();
    server.publish(view({ 'www.cell': ['A 10.0.0.1'] }));
    const bytes = Uint8Array.from([1, 2, 3].flatMap(id => [...framed(dnsQuery('www.cell', TYPE.A, { id }))]));
    for (let split = 1; split < bytes.length; split++) {
      const { stream, messages } = connect();
      await world.clock.advance(10);
      stream.write(bytes.subarray(0, split));
      await world.clock.advance(10);
      stream.write(bytes.subarray(split));
      await world.clock.advance(10);
      expect(messages.map(({ id, answer }) => [id, answer.length])).toEqual([
        [1, 1],
        [2, 1],
        [3, 1],
      ]);
      stream.destroy();
      await world.clock.advance(10);
    }
    expect(server.connections).toBe(0);
  });

  test('thousands at once', async () => {
    const { world, server, connect } = await start();
    server.publish(view({ 'www.cell': ['A 10.0.0.1'] }));
    const one = framed(dnsQuery('www.cell', TYPE.A));
    const { stream, messages } = connect();
    await world.clock.advance(10);
    const many = new Uint8Array(one.length * 5000);
    for (let index = 0; index < 5000; index++) many.set(one, index * one.length);
    stream.write(many);
    await world.clock.advance(2000);
    expect(messages).toHaveLength(5000);
  });

  test('who asks and does not read is not read either, and has to go; nobody else waits', async () => {
    const { world, server, connect } = await start();
    server.publish(
      view({
        'many.cell': Array.from({ length: 200 }, (_, index) => `A 10.0.1.${index}`),
        'www.cell': ['A 10.0.0.1'],
      }),
    );
    const one = framed(dnsQuery('many.cell', TYPE.A));
    const many = new Uint8Array(one.length * 20_000);
    for (let index = 0; index < 20_000; index++) many.set(one, index * one.length);
    const greedy = connect();
    const other = connect();
    await world.clock.advance(10);
    greedy.stream.pause();
    greedy.stream.write(many);
    for (let round = 0; round < 20; round++) {
      other.stream.write(framed(dnsQuery('www.cell', TYPE.A)));
      await world.clock.advance(100);
    }
    expect(other.messages).toHaveLength(20);
    // What the way holds, what may wait here, and one answer: of 65 MB.
    const answered = server.counts().answered - 20;
    expect(answered).toBeGreaterThan(10);
    expect(answered * 3240).toBeLessThan(MOST_PENDING + 300_000);
    await world.clock.advance(10_000);
    expect(server.connections).toBe(0);
  });

  test('one that reads slowly gets everything, in order', async () => {
    const { world, server, connect } = await start();
    server.publish(view({ 'many.cell': Array.from({ length: 200 }, (_, index) => `A 10.0.1.${index}`) }));
    const { stream, messages } = connect();
    await world.clock.advance(10);
    for (let id = 0; id < 500; id++) stream.write(framed(dnsQuery('many.cell', TYPE.A, { id })));
    for (let round = 0; round < 400 && messages.length < 500; round++) {
      stream.pause();
      await world.clock.advance(50);
      stream.resume();
      await world.clock.advance(5);
    }
    expect(messages.map(({ id }) => id)).toEqual(Array.from({ length: 500 }, (_, id) => id));
  });

  test('who is idle has to go, also one who sends a byte now and then', async () => {
    const { world, server, connect } = await start();
    const idle = connect();
    const slow = connect();
    const bytes = framed(dnsQuery('www.cell', TYPE.A));
    for (let index = 0; index < 15; index++) {
      await world.clock.advance(1000);
      if (!slow.isClosed()) slow.stream.write(bytes.subarray(index, index + 1));
    }
    expect([idle.isClosed(), slow.isClosed(), server.connections]).toEqual([true, true, 0]);
  });

  test.each([
    ['no length that a query has', Uint8Array.of(0, 3, 1, 2, 3)],
    ['more than a query needs', Uint8Array.of(0xff, 0xff, 1, 2, 3)],
    ['an answer', framed(dnsQuery('www.cell', TYPE.A, { flags: 0x8000 }))],
  ])('%s ends the connection', async (_what, bytes) => {
    const { world, server, connect } = await start();
    const { stream, isClosed } = connect();
    await world.clock.advance(10);
    stream.write(bytes);
    await world.clock.advance(10);
    expect([isClosed(), server.connections]).toEqual([true, 0]);
  });

  test('of too many connections, those that were silent for longest go', async () => {
    const { world, server, connect } = await start({
      streams: { connections: 4, perSource: 3, idle: 10_000 },
    });
    const first = connect();
    await world.clock.advance(10);
    const others = [connect(), connect()];
    await world.clock.advance(10);
    first.stream.write(framed(dnsQuery('www.cell', TYPE.A)));
    await world.clock.advance(10);
    const fourth = connect();
    await world.clock.advance(10);
    expect([first, ...others, fourth].map(one => one.isClosed())).toEqual([false, true, false, false]);
    const elsewhere = [connect('10.0.0.7'), connect('10.0.0.7')];
    await world.clock.advance(10);
    expect([first, others[1]!, fourth, ...elsewhere].map(one => one.isClosed())).toEqual([
      false,
      true,
      false,
      false,
      false,
    ]);
    expect(server.connections).toBe(4);
  });
});

describe('transfers', () => {
  const LINES = {
    'www.cell': ['A 10.0.0.1', 'east: A 10.1.1.1'],
    '_http._tcp.cell': ['SRV 0 10 80 www.cell'],
    'www.other': ['A 10.0.0.9'],
  };

  test.each([252, 251])('type %i: the whole zone, SOA first and last', async type => {
    const { world, server, connect } = await start();
    server.publish(view(LINES));
    const { stream, messages } = connect('10.0.0.7');
    await world.clock.advance(10);
    stream.write(framed(dnsQuery('CELL', type)));
    await world.clock.advance(100);
    const records = linesOf(messages.flatMap(({ answer }) => answer));
    const soa = `cell 6 ns1.cell root.cell ${server.serial} 60 10 3600 5`;
    expect([records[0], records.at(-1)?.toLowerCase()]).toEqual([soa, soa]);
    expect(records.slice(1, -1)).toEqual([
      'cell 2 ns1.cell',
      'cell 2 ns.elsewhere.test',
      'www.cell 1 10.0.0.1',
      '_http._tcp.cell 33 0 10 80 www.cell',
    ]);
    expect(messages.every(({ flags, id }) => flags.aa && id === 0x1234)).toBe(true);
  });

  test.each([
    ['the same', 0, 1],
    ['a later one', 5, 1],
    ['an earlier one', -1, 6],
    ['one from the other half of all numbers', 0x80000001 | 0, 6],
  ])('IXFR by who has %s', async (_what, difference, expected) => {
    const { world, server, connect } = await start();
    server.publish(view(LINES));
    const { stream, messages } = connect('10.0.0.7');
    await world.clock.advance(10);
    const query = [...dnsQuery('cell', 251), 0xc0, 12, 0, 6, 0, 1, 0, 0, 0, 0, 0, 22, 0, 0];
    const has = (server.serial + difference) >>> 0;
    query.push(has >>> 24, (has >>> 16) & 255, (has >>> 8) & 255, has & 255, ...new Array(16).fill(0));
    query[9] = 1;
    stream.write(framed(Uint8Array.from(query)));
    await world.clock.advance(100);
    const records = messages.flatMap(({ answer }) => answer);
    expect(records).toHaveLength(expected);
    expect(records[0]!.data).toContain(` ${server.serial} `);
  });

  test('a large zone goes in many messages, all of one view, while others are answered', async () => {
    const { world, server, connect } = await start();
    const lines = Object.fromEntries(
      Array.from({ length: 5000 }, (_, index) => [`h${index}.cell`, ['A 10.0.0.1']]),
    );
    server.publish(view(lines));
    const { serial } = server;
    const { stream, messages } = connect('10.0.0.7');
    const other = connect();
    await world.clock.advance(10);
    stream.write(framed(dnsQuery('cell', 252)));
    other.stream.write(framed(dnsQuery('h1.cell', TYPE.A)));
    await world.clock.advance(1);
    server.publish(view({}));
    await world.clock.advance(1000);
    const records = messages.flatMap(({ answer }) => answer);
    expect([records.length, messages.length > 5, other.messages.length]).toEqual([5004, true, 1]);
    expect(records.at(-1)!.data).toContain(` ${serial} `);
    // The connection serves on.
    stream.write(framed(dnsQuery('cell', TYPE.SOA)));
    await world.clock.advance(100);
    expect(linesOf(messages.at(-1)!.answer)[0]).toContain(` ${server.serial} `);
  });

  test('each message of a signed one is signed, and all of them in their order', async () => {
    const { world, server, connect } = await start({ keys: KEYS });
    const lines = Object.fromEntries(
      Array.from({ length: 3000 }, (_, index) => [`h${index}.cell`, ['A 10.0.0.1']]),
    );
    server.publish(view(lines));
    const { stream, raw } = connect('10.0.0.7');
    await world.clock.advance(10);
    const query = signed(dnsQuery('cell', 252));
    stream.write(framed(query.bytes));
    await world.clock.advance(1000);
    expect(raw.length).toBeGreaterThan(3);
    let before = query.mac;
    for (const [index, message] of raw.entries()) {
      const { plain, mac: own, times } = unsigned(message);
      const rest =
        index === 0
          ? [...wireName('some.key'), 0, 255, 0, 0, 0, 0, ...wireName('hmac-sha256'), ...times, 0, 0, 0, 0]
          : times;
      expect(own).toEqual(mac(u16(before.length), before, plain, rest));
      before = own;
    }
  });

  test('where there are keys, who does not sign is refused, and who signs wrongly is told', async () => {
    const { world, server, connect } = await start({ keys: KEYS });
    server.publish(view(LINES));
    const { stream, messages } = connect('10.0.0.7');
    await world.clock.advance(10);
    const axfr = dnsQuery('cell', 252);
    for (const bytes of [axfr, signed(axfr, { mac: new Uint8Array(32) }).bytes, signed(axfr).bytes])
      stream.write(framed(bytes));
    await world.clock.advance(100);
    expect(messages.map(({ rcode, answer }) => [rcode, answer.length > 1])).toEqual([
      [5, false],
      [9, false],
      [0, true],
    ]);
  });

  test('strangers are refused, and it is logged', async () => {
    const { world, server, connect } = await start();
    server.publish(view(LINES));
    const { stream, messages } = connect();
    await world.clock.advance(10);
    for (const [name, type] of [
      ['cell', 252],
      ['cell', 251],
      ['www.cell', 252],
      ['test', 252],
    ] as const)
      stream.write(framed(dnsQuery(name, type)));
    await world.clock.advance(100);
    expect(messages.map(({ rcode, answer }) => [rcode, answer.length])).toEqual(new Array(4).fill([5, 0]));
    expect(world.log.of('dns-transfer-refused').length).toBe(2);
  });
});

describe('NOTIFY', () => {
  async function secondary() {
    const started = await start({ notify: [{ address: address('10.0.0.7'), port: 53 }] });
    const heard: DnsMessage[] = [];
    let answering = true;
    const socket = await started.host.net.datagram(
      { address: address('10.0.0.7'), port: 53 },
      (bytes, from, port) => {
        heard.push(decodeDns(bytes));
        if (!answering) return;
        const answer = bytes.slice();
        answer[2]! |= 0x80;
        socket.send(answer, port, from);
      },
      () => {},
    );
    return {
      ...started,
      heard,
      mute: (): void => {
        answering = false;
      },
    };
  }

  test('each change is told until it was heard, a burst as one', async () => {
    const { world, server, heard } = await secondary();
    server.publish(view({ 'www.cell': ['A 10.0.0.1'] }));
    await world.clock.advance(50);
    expect(heard).toHaveLength(1);
    expect(heard[0]).toMatchObject({
      opcode: 4,
      flags: { qr: false, aa: true },
      question: { name: 'cell', type: 6 },
    });
    for (let index = 0; index < 100; index++) server.publish(view({ 'www.cell': [`A 10.0.0.${index}`] }));
    await world.clock.advance(5000);
    expect(heard).toHaveLength(2);
    expect(heard[1]!.answer[0]!.data).toContain(` ${server.serial} `);
  });

  test('one who does not answer is told again, six times in all, and that is logged', async () => {
    const { world, server, heard, mute } = await secondary();
    mute();
    server.publish(view({ 'www.cell': ['A 10.0.0.1'] }));
    await world.clock.advance(200_000);
    expect(heard).toHaveLength(6);
    expect(world.log.of('dns-secondary-silent')).toHaveLength(1);
  });
});

test('by UDP without workers, over both families', async () => {
  const { world, server, host } = await start();
  server.publish(view({ 'www.cell': ['A 10.0.0.1'] }));
  const heard: DnsMessage[] = [];
  const socket = await host.net.datagram(
    { address: address('10.0.0.8'), port: 0 },
    bytes => heard.push(decodeDns(bytes)),
    () => {},
  );
  socket.send(dnsQuery('www.cell', TYPE.A), 53, SERVER);
  await world.clock.advance(10);
  expect(heard.map(({ answer }) => answer.length)).toEqual([1]);
  expect([server.carrier, server.counts().answered]).toEqual(['plain', 1]);
});
