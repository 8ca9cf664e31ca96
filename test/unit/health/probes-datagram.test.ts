import { describe, expect, it } from 'vitest';
import { encodeDnsQuery } from '../../../appliance/health/codec/dns.ts';
import { encodeEchoRequest } from '../../../appliance/health/codec/icmp.ts';
import type { DatagramSocket } from '../../../appliance/host/ports.ts';
import { address } from '../../../sdk/wire/address.ts';
import { attempt, bench, bytesOf, fromHex, SERVER, service, targetOf, toHex } from './support.ts';

type Answer = (bytes: Uint8Array, reply: (bytes: Uint8Array) => void, socket: DatagramSocket) => void;

/** A bench whose server answers datagrams at a port as `answer` says. */
async function served(port: number, answer: Answer) {
  const all = bench();
  const socket: DatagramSocket = await all.server.net.datagram(
    { address: address('0.0.0.0'), port },
    (bytes, from, fromPort) => answer(bytes, reply => socket.send(reply, fromPort, from), socket),
    () => {},
  );
  return all;
}

/** The answer of a DNS server to `query`: rcode, and so many A records. */
function dnsAnswer(query: Uint8Array, rcode = 0, records = 1): Uint8Array {
  const head = query.slice();
  head[2]! |= 0x80;
  head[3]! |= rcode;
  head[7] = records;
  const record = fromHex('c00c 0001 0001 0000003c 0004 c0000201');
  return Uint8Array.from([...head, ...Array.from({ length: records }, () => [...record]).flat()]);
}

const dns = (name = '') => targetOf(service({ kind: 'dns', port: 53, target: name }, { name: 'ns.example' }));
const askDns = async (answer: Answer, name?: string) => {
  const { world, probes } = await served(53, answer);
  return attempt(world, probes.dns, dns(name));
};

describe('udp', () => {
  const udp = (check = {}) =>
    targetOf(service({ kind: 'udp', port: 7, send: Uint8Array.of(1, 2), ...check }));

  it('sends the bytes and passes on an answer that begins as expected', async () => {
    let heard = '';
    const { world, probes, manager } = await served(7, (bytes, reply) => {
      heard = toHex(bytes);
      reply(Uint8Array.of(9, 8, 7));
    });
    expect((await attempt(world, probes.udp, udp({ expect: Uint8Array.of(9, 8) }))).outcome).toBe('pass');
    expect(heard).toBe('0102');
    expect((await attempt(world, probes.udp, udp())).outcome).toBe('pass');
    expect(manager.datagrams.size).toBe(0);
  });

  it('passes over answers that do not match, that are too long, or that come from elsewhere', async () => {
    const expected = { expect: Uint8Array.of(9) };
    const short = await served(7, (_bytes, reply) => reply(new Uint8Array()));
    expect(await attempt(short.world, short.probes.udp, udp(expected))).toMatchObject({
      outcome: 'fail',
      stage: 'no valid answer, but 0 bytes that do not begin as expected',
    });
    const long = await served(7, (_bytes, reply) => reply(new Uint8Array(5_000).fill(9)));
    expect((await attempt(long.world, long.probes.udp, udp(expected))).stage).toMatch('5000 bytes');
    const { world, probes } = await served(7, () => {});
    const stranger = world.network.host('stranger', '10.0.0.3');
    const socket = await stranger.net.datagram(
      { address: address('0.0.0.0'), port: 7 },
      () => {},
      () => {},
    );
    for (let port = 32_768; port < 32_800; port++) socket.send(Uint8Array.of(9), port, address('10.0.0.1'));
    expect(await attempt(world, probes.udp, udp(expected))).toMatchObject({
      outcome: 'fail',
      stage: 'no answer',
    });
  });
});

describe('dns', () => {
  it('encodes the query as RFC 1035 has it', () => {
    expect(toHex(encodeDnsQuery(0x1234, 'ns.example')!)).toBe(
      '12340100000100000000000002 6e73 07 6578616d706c65 00 0001 0001'.replaceAll(' ', ''),
    );
    for (const name of ['', 'a..b', 'x'.repeat(64), `${'a.'.repeat(127)}ab`, 'a b', 'ä.example'])
      expect(encodeDnsQuery(1, name), name).toBeUndefined();
    expect(encodeDnsQuery(1, `${'a.'.repeat(126)}a`)).toHaveLength(12 + 255 + 4);
  });

  it('passes on NOERROR with a record, whatever the case of the name', async () => {
    expect((await askDns((query, reply) => reply(dnsAnswer(query)))).outcome).toBe('pass');
    expect(
      (
        await askDns((query, reply) => {
          const answer = dnsAnswer(query);
          answer[13] = 'N'.charCodeAt(0);
          reply(answer);
        })
      ).outcome,
    ).toBe('pass');
  });

  it.each([
    [2, 'SERVFAIL'],
    [3, 'NXDOMAIN'],
    [5, 'REFUSED'],
    [11, 'RCODE 11'],
  ])('fails on rcode %i and names it', async (rcode, name) => {
    const { reason } = await askDns((query, reply) => reply(dnsAnswer(query, rcode, 0)), 'www.example');
    expect(reason).toEqual({ code: 'check-status', sentence: `dns/53 for www.example answered ${name}` });
  });

  it('fails without a record, with a record cut off, and for what is no name', async () => {
    expect((await askDns((query, reply) => reply(dnsAnswer(query, 0, 0)))).reason.code).toBe(
      'check-mismatch',
    );
    expect((await askDns((query, reply) => reply(dnsAnswer(query).slice(0, -1)))).reason.code).toBe(
      'check-malformed',
    );
    expect((await askDns(() => {}, 'a..b')).reason.code).toBe('check-invalid');
  });

  it('passes over every truncation of the header and question, other ids, other questions, and queries', async () => {
    const bad: ((query: Uint8Array) => Uint8Array)[] = [
      query => query,
      query => dnsAnswer(query).fill(0xff, 0, 1),
      query => dnsAnswer(query).fill(0x78, 13, 14),
      query => dnsAnswer(query).fill(0x90, 2, 3),
      query => dnsAnswer(query).fill(2, 5, 6),
      ...Array.from({ length: 28 }, (_, size) => (query: Uint8Array) => dnsAnswer(query).slice(0, size)),
    ];
    for (const answer of bad) {
      const { outcome, stage } = await askDns((query, reply) => reply(answer(query)));
      expect(outcome).toBe('fail');
      expect(stage).toMatch('no valid answer');
    }
  });

  it('is not held up by a foreign answer that comes before the right one', async () => {
    const { outcome } = await askDns((query, reply) => {
      reply(dnsAnswer(query).fill(0xff, 0, 2));
      reply(dnsAnswer(query));
    });
    expect(outcome).toBe('pass');
  });
});

describe('icmp', () => {
  const icmp = (at = SERVER) => targetOf(service({ kind: 'icmp' }), at);

  it('encodes the request with its checksum', () => {
    const data = fromHex('6162');
    expect(toHex(encodeEchoRequest(4, { identifier: 1, sequence: 2, data }))).toBe(
      '080096 9a0001 00026162'.replaceAll(' ', ''),
    );
    expect(toHex(encodeEchoRequest(6, { identifier: 1, sequence: 2, data }))).toBe('80000000000100026162');
  });

  it('passes on the echo, in both families, with one socket for all', async () => {
    const { world, manager, probes } = bench();
    expect((await attempt(world, probes.icmp, icmp())).outcome).toBe('pass');
    expect((await attempt(world, probes.icmp, icmp(address('fd00::2')))).outcome).toBe('pass');
    const both = await Promise.all(
      [1, 2, 3].map(() => attempt(world, probes.icmp, icmp())).map(async one => (await one).outcome),
    );
    expect(both).toEqual(['pass', 'pass', 'pass']);
    expect(manager.inboxes.size).toBe(2);
  });

  it('waits for the right one: not another sender, other data, or another sequence', async () => {
    const { world, server, manager, probes } = bench();
    server.answersPing = false;
    const stranger = world.network.host('stranger', '10.0.0.3');
    const forge = (from: typeof server, change: (packet: Uint8Array) => void): void => {
      const socket = from.raw.open(4, 1, false, () => {});
      server.raw.open(4, 1, false, packet => {
        const [identifier, sequence] = [(packet[4]! << 8) | packet[5]!, (packet[6]! << 8) | packet[7]!];
        const reply = encodeEchoRequest(4, { identifier, sequence, data: packet.slice(8) });
        change(reply);
        reply.fill(0, 2, 4);
        reply[0] = 0;
        const sum = checksum(reply);
        reply.set([sum >> 8, sum & 255], 2);
        socket.send(reply, address('10.0.0.1'));
      });
    };
    forge(stranger, () => {});
    forge(server, packet => packet.fill(0xaa, 8, 9));
    forge(server, packet => packet.fill((packet[7]! + 1) & 255, 7, 8));
    forge(server, packet => packet.fill((packet[5]! + 1) & 255, 5, 6));
    expect(await attempt(world, probes.icmp, icmp())).toMatchObject({ outcome: 'fail', stage: 'no answer' });
    forge(server, () => {});
    expect((await attempt(world, probes.icmp, icmp())).outcome).toBe('pass');
    expect(manager.inboxes.size).toBe(1);
  });

  it('fails at once when a router says that the host is unreachable, if it quotes the very request', async () => {
    const { world, server, probes } = bench();
    server.answersPing = false;
    const router = world.network.host('router', '10.0.0.9');
    const socket = router.raw.open(4, 1, false, () => {});
    const quote = (to: number[]) => (packet: Uint8Array) =>
      socket.send(
        Uint8Array.from([
          3,
          1,
          0,
          0,
          0,
          0,
          0,
          0,
          0x45,
          ...new Array<number>(8).fill(0),
          1,
          0,
          0,
          10,
          0,
          0,
          1,
          ...to,
          ...packet.slice(0, 8),
        ]),
        address('10.0.0.1'),
      );
    server.raw.open(4, 1, false, quote([10, 0, 0, 77]));
    expect((await attempt(world, probes.icmp, icmp())).reason.code).toBe('check-timeout');
    server.raw.open(4, 1, false, quote([10, 0, 0, 2]));
    expect((await attempt(world, probes.icmp, icmp())).reason).toEqual({
      code: 'check-unreachable',
      sentence: 'icmp: 10.0.0.9 says that 10.0.0.2 is unreachable (code 1)',
    });
  });

  it('is inconclusive where raw sockets may not be opened', async () => {
    const { world, manager, probes } = bench();
    Object.assign(manager.raw, {
      open: () => {
        throw new Error('Operation not permitted');
      },
    });
    expect(await attempt(world, probes.icmp, icmp())).toMatchObject({
      outcome: 'inconclusive',
      reason: { sentence: 'icmp could not be checked: Operation not permitted' },
    });
  });
});

describe('exec', () => {
  const exec = (name: string) => targetOf(service({ kind: 'exec', target: name }, { name: 'x.example' }));

  it('runs only what the configuration names, and tells it by its environment', async () => {
    const { world, probes } = bench();
    expect((await attempt(world, probes.exec, exec('good'))).outcome).toBe('pass');
    expect(world.exec.calls).toEqual([
      {
        file: '/bin/good',
        args: ['-x'],
        input: undefined,
        timeout: 500,
        env: {
          BIVOUAC_ADDRESS: '10.0.0.2',
          BIVOUAC_PORT: '1720',
          BIVOUAC_SERVICE: 'x.example',
          BIVOUAC_VIP: '192.0.2.1',
          BIVOUAC_TRANSPORT: 'tcp',
          BIVOUAC_PROTOCOL: 'h323',
          BIVOUAC_TIMEOUT_MS: '500',
        },
      },
    ]);
    for (const name of ['/bin/sh', '', 'toString', '__proto__', 'constructor', 'good\n'])
      expect((await attempt(world, probes.exec, exec(name))).reason.code, name).toBe('check-invalid');
    expect(world.exec.calls).toHaveLength(1);
  });
});

describe('bytes in a sentence', () => {
  it('cannot act on a terminal', async () => {
    const { world, probes, server } = bench();
    await server.net.listen(
      { address: SERVER, port: 80 },
      stream => ({ onData: () => stream.write(bytesOf('\x1b[31m\n\x07<evil>')), onClose() {} }),
      () => {},
    );
    const { reason } = await attempt(world, probes.http, targetOf(service({ kind: 'http', port: 80 })));
    expect(reason.sentence).toBe("http/80 GET / answered '?[31m?<evil>', which is not HTTP/1");
  });
});

function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (const [index, byte] of bytes.entries()) sum += index % 2 === 0 ? byte << 8 : byte;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
