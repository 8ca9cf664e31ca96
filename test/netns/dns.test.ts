/** The server with its workers on the real kernel, asked by dig. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DnsCell, type ServerProcess, tell } from '../support/dns-cell.ts';

let cell: DnsCell;
let server: ServerProcess;
const dig = (...words: readonly string[]): Promise<string> => cell.dig(...words);
const short = (...words: readonly string[]): Promise<string[]> => cell.short(...words);

beforeAll(async () => {
  cell = new DnsCell();
  await cell.build();
  server = await cell.start('2');
});
afterAll(() => cell.dispose());

describe('dig', () => {
  test('by UDP, from the address that was asked, over both families', async () => {
    expect(server.stdout()).toContain('ready workers');
    for (const at of ['10.9.0.1', '10.9.0.100', 'fd09::1', 'fd09::100']) {
      expect(await short(`@${at}`, 'www.cell', 'A')).toEqual(['10.0.0.1', '10.0.0.2']);
      expect(await short(`@${at}`, '+tcp', 'www.cell', 'AAAA')).toEqual(['fd00::1']);
    }
  });

  test('by place: of the source, and of the client subnet', async () => {
    expect(await short('-b', '10.1.0.2', 'www.cell')).toEqual(['10.0.0.1']);
    expect(await short('+subnet=10.1.7.0/24', 'www.cell')).toEqual(['10.0.0.1']);
    expect(await dig('+subnet=10.1.7.0/24', 'www.cell')).toContain('CLIENT-SUBNET: 10.1.7.0/24/16');
    expect(await short('+subnet=10.2.7.0/24', 'www.cell')).toEqual(['10.0.0.1', '10.0.0.2']);
    for (const at of ['@10.9.0.1', '@fd09::1']) {
      expect(await short(at, '+subnet=fd01:0:7::/48', 'www.cell')).toEqual(['10.0.0.1']);
      expect(await dig(at, '+subnet=fd01:0:7::/48', 'www.cell')).toContain('CLIENT-SUBNET: fd01:0:7::/48/32');
      expect(await short(at, '+subnet=fd02:0:7::/48', 'www.cell')).toEqual(['10.0.0.1', '10.0.0.2']);
    }
  });

  test.each([
    ['_sip._udp.cell SRV', '0 10 5060 www.cell.'],
    ['text.cell TXT', '"some words" "and more"'],
    ['alias.cell CNAME', 'www.cell.'],
    ['cell NS', 'ns1.cell.'],
    ['www.cell ANY', '"RFC8482" ""'],
  ])('%s', async (words, expected) => {
    expect(await short(...words.split(' '))).toEqual([expected]);
  });

  test('many queries on one TCP connection', async () => {
    const words = Array.from({ length: 50 }, () => ['www.cell', 'A']).flat();
    const out = await dig('+tcp', '+keepopen', '+short', ...words);
    expect(out.match(/10\.0\.0\.1/g)).toHaveLength(50);
  });

  test('what is malformed does not keep the others waiting', async () => {
    const noise = `const s = require('node:dgram').createSocket('udp4');
      let left = 3000;
      const next = () => { if (left-- === 0) return s.close(); const b = require('node:crypto').randomBytes(left % 300); if (b.length > 2) b[2] &= 0x7f; s.send(b, 53, '10.9.0.1', next); };
      next();`;
    await cell.client.node(noise).exited;
    expect(await short('www.cell')).toEqual(['10.0.0.1', '10.0.0.2']);
    expect((await cell.client.run('pgrep', ['-f', cell.program])).stdout).toContain(String(server.pid));
  });
});

test('the answer to an unproven source is less than twice its query, in bytes of messages', async () => {
  const rules = ['ip', 'ip6'].map(
    family => `table ${family} count {
    counter in {}
    counter out {}
    chain input { type filter hook input priority 0; udp dport 53 counter name in; }
    chain output { type filter hook output priority 0; udp sport 53 counter name out; }
  }`,
  );
  cell.appliance.runSync('nft', ['-f', '-'], rules.join('\n'));
  await tell(server, `many.cell ${Array.from({ length: 40 }, (_, index) => `10.0.3.${index}`).join(' ')}`);
  const bytes = (family: string, name: string): number => {
    const said = cell.appliance.runSync('nft', ['list', 'counter', family, 'count', name]);
    const [, packets, all] = /packets (\d+) bytes (\d+)/.exec(said)!;
    return Number(all) - Number(packets) * (family === 'ip' ? 28 : 48);
  };
  const factors: [string, number][] = [];
  for (const words of [
    'many.cell A',
    'many.cell ANY +notcp',
    'www.cell A',
    'www.cell AAAA',
    'alias.cell A',
    'cell SOA',
    'cell NS',
    '_sip._udp.cell SRV',
    'text.cell TXT',
    'x.cell A',
    'x.cell A +subnet=10.1.7.0/24',
    'text.cell AAAA',
    'cell DNSKEY +dnssec',
    'cell SOA +edns=1 +noednsneg',
    'x A',
    '. NS',
    'cell SOA +noedns',
    'a.cell A +noedns',
    'cell ANY +noedns +notcp',
    'cell NS +noedns',
    'cell SOA +nsid',
    'cell IXFR=1 +notcp',
  ]) {
    for (const [family, at] of [
      ['ip', '@10.9.0.1'],
      ['ip6', '@fd09::1'],
    ] as const) {
      const before = [bytes(family, 'in'), bytes(family, 'out')] as const;
      await dig(at, '+ignore', '+nocookie', ...words.split(' '));
      const factor = (bytes(family, 'out') - before[1]) / (bytes(family, 'in') - before[0]);
      factors.push([`${words} ${at}`, factor]);
    }
  }
  expect(factors.filter(([, factor]) => !(factor > 0 && factor < 2))).toEqual([]);
  // Proved, it is whole.
  expect((await dig('many.cell')).match(/10\.0\.3\./g)).toHaveLength(40);
});

test('a change is answered by every worker at once', async () => {
  for (let round = 0; round < 20; round++) {
    await tell(server, `quick.cell 10.0.4.${round}`);
    const answers = await Promise.all(Array.from({ length: 4 }, () => short('quick.cell')));
    expect(answers).toEqual(new Array(4).fill([`10.0.4.${round}`]));
  }
});
