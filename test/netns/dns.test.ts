/** The server with its workers on the real kernel, before what people ask it with: dig, kdig, delv, and a stock secondary. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LongProcess, type Namespace, Network, poll } from '../support/netns.ts';

const root = resolve(import.meta.dirname, '../..');
const work = mkdtempSync(join(tmpdir(), 'bvt-dns-'));
// Below the repository, so that it finds its packages.
const built = mkdtempSync(join(root, 'node_modules/.bvt-dns-'));
const program = join(built, 'dns-server.mjs');

const network = new Network();
let appliance: Namespace;
let client: Namespace;
let server: LongProcess;

beforeAll(async () => {
  await build({
    ...{
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      logLevel: 'silent',
      packages: 'external',
    },
    entryPoints: [join(root, 'test/netns/programs/dns-server.ts')],
    outfile: program,
  });
  appliance = network.namespace('gslb');
  client = network.namespace('client');
  network.veth(
    {
      in: appliance,
      name: 'core',
      addresses: ['10.9.0.1/24', '10.9.0.100/24', 'fd09::1/64', 'fd09::100/64'],
    },
    { in: client, name: 'eth0', addresses: ['10.9.0.2/24', '10.1.0.2/24', 'fd09::2/64'] },
  );
  appliance.ip('route add 10.1.0.0/24 via 10.9.0.2');
  server = await start('2', '10.9.0.2/32', '10.9.0.2');
});
afterAll(async () => {
  await network.dispose();
  for (const directory of [work, built]) rmSync(directory, { recursive: true, force: true });
});

async function start(...args: readonly string[]): Promise<LongProcess> {
  const started = appliance.spawn(process.execPath, [program, ...args]);
  await poll(() => started.stdout().includes('ready') || started.stderr().includes('Error'), 20_000, 'ready');
  await tell(started, 'www.cell 10.0.0.1 10.0.0.2 fd00::1');
  return started;
}

async function tell(to: LongProcess, line: string): Promise<string> {
  const before = to.stdout().length;
  to.write(`${line}\n`);
  const said = await poll(() => /\w+ .*\n/.exec(to.stdout().slice(before))?.[0], 5000, line);
  return said.trim();
}

async function dig(...words: readonly string[]): Promise<string> {
  // Of two servers on its command line dig asks the first.
  const at = words.some(word => word.startsWith('@')) ? [] : ['@10.9.0.1'];
  const { stdout, stderr } = await client.run('dig', [...at, '+tries=1', '+time=3', ...words]);
  return stdout + stderr;
}
const short = async (...words: readonly string[]): Promise<string[]> =>
  (await dig('+short', ...words)).trim().split('\n');

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
    await client.node(noise).exited;
    expect(await short('www.cell')).toEqual(['10.0.0.1', '10.0.0.2']);
    expect((await client.run('pgrep', ['-f', program])).stdout).toContain(String(server.pid));
  });
});

/** What ISC's EDNS compliance tester asks, by hand, and what it takes for right. */
describe('EDNS compliance', () => {
  const base = ['+norec', '+noad', '+nocookie'];
  test.each([
    [
      'dns',
      ['+noedns', 'SOA', 'cell'],
      ['status: NOERROR', 'flags: qr aa;', /\tSOA\t/],
      ['OPT PSEUDOSECTION'],
    ],
    [
      'edns',
      ['+edns=0', 'SOA', 'cell'],
      ['status: NOERROR', 'flags: qr aa;', 'EDNS: version: 0', /\tSOA\t/],
      [],
    ],
    ['edns1', ['+edns=1', '+noednsneg', 'SOA', 'cell'], ['status: BADVERS', 'EDNS: version: 0'], [/\tSOA\t/]],
    [
      'edns@512',
      ['+edns=0', '+ignore', '+bufsize=512', '+dnssec', 'DNSKEY', 'cell'],
      ['status: NOERROR', 'flags: do'],
      ['; OPT='],
    ],
    [
      'ednsopt',
      ['+edns=0', '+ednsopt=100', 'SOA', 'cell'],
      ['status: NOERROR', 'EDNS: version: 0', /\tSOA\t/],
      ['OPT=100'],
    ],
    [
      'edns1opt',
      ['+edns=1', '+noednsneg', '+ednsopt=100', 'SOA', 'cell'],
      ['status: BADVERS'],
      ['OPT=100', /\tSOA\t/],
    ],
    ['do', ['+dnssec', '+edns=0', 'SOA', 'cell'], ['status: NOERROR', 'flags: do', /\tSOA\t/], []],
    [
      'ednsflags',
      ['+edns=0', '+ednsflags=0x80', 'SOA', 'cell'],
      ['status: NOERROR', 'EDNS: version: 0, flags:;', /\tSOA\t/],
      ['MBZ'],
    ],
    [
      'optlist',
      ['+edns=0', '+nsid', '+expire', '+subnet=0.0.0.0/0', '+cookie', 'SOA', 'cell'],
      ['status: NOERROR', 'CLIENT-SUBNET: 0.0.0.0/0/0', 'COOKIE', '(good)', /\tSOA\t/],
      ['EXPIRE'],
    ],
    ['ednstcp', ['+tcp', '+edns=0', 'SOA', 'cell'], ['status: NOERROR', 'EDNS: version: 0', /\tSOA\t/], []],
    ['opcode', ['+opcode=15', '+noedns', '+header-only'], ['status: NOTIMP'], ['aa']],
    ['unknown type', ['TYPE1000', 'cell'], ['status: NOERROR', 'flags: qr aa;', /\tSOA\t/], []],
    ['nonexistent', ['A', 'x.cell'], ['status: NXDOMAIN', 'flags: qr aa;', /\tSOA\t/], []],
    ['empty non-terminal', ['A', 'deep.cell'], ['status: NOERROR', 'flags: qr aa;', /\tSOA\t/], []],
    ['not ours', ['A', 'example.org'], ['status: REFUSED', 'flags: qr;'], []],
    ['another class', ['-c', 'CH', 'TXT', 'version.bind'], ['status: REFUSED'], []],
  ] as [string, string[], (string | RegExp)[], (string | RegExp)[]][])(
    '%s',
    async (_name, words, wanted, unwanted) => {
      const out = await dig(...base, ...words);
      for (const one of wanted) expect(out).toMatch(one);
      for (const one of unwanted) expect(out).not.toMatch(one);
    },
  );

  test('an update is refused', async () => {
    const script = 'server 10.9.0.1\nzone cell\nupdate add new.cell 30 A 10.0.0.9\nsend\n';
    const { stdout, stderr, status } = await client.run('nsupdate', ['-t', '3'], { input: script });
    expect([status, stdout + stderr]).toEqual([2, expect.stringContaining('REFUSED')]);
  });
});

test('kdig and delv understand it', async () => {
  const kdig = await client.run('kdig', [
    '@10.9.0.1',
    '+nsid',
    '+cookie',
    '+subnet=10.1.0.0/16',
    'www.cell',
    'A',
  ]);
  expect(kdig.stdout).toMatch(/status: NOERROR/);
  expect(kdig.stdout).toMatch(/CLIENT-SUBNET: 10\.1\.0\.0\/16\/16/);
  expect(kdig.stdout + kdig.stderr).not.toMatch(/WARNING|malformed/i);
  const delv = await client.run('delv', ['@10.9.0.1', '+noroot', '-i', 'www.cell', 'A']);
  expect(delv.stdout).toMatch(/www\.cell\.\s+30\s+IN\s+A\s+10\.0\.0\.1/);
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
  appliance.runSync('nft', ['-f', '-'], rules.join('\n'));
  await tell(server, `many.cell ${Array.from({ length: 40 }, (_, index) => `10.0.3.${index}`).join(' ')}`);
  const bytes = (family: string, name: string): number => {
    const said = appliance.runSync('nft', ['list', 'counter', family, 'count', name]);
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

/** Stock name servers, which keep a copy of the zone: their configuration, and how they are started. */
const secondaries = {
  knot: (directory: string) => ({
    file: `server:
    listen: 10.9.0.2@53
    rundir: ${directory}
    user: root:root
log:
  - target: stderr
    any: info
database:
    storage: ${directory}
remote:
  - id: gslb
    address: 10.9.0.1@53
    via: 10.9.0.2
acl:
  - id: gslb
    address: 10.9.0.1
    action: notify
zone:
  - domain: cell
    storage: ${directory}
    master: gslb
    acl: gslb
`,
    command: 'knotd',
    args: ['-c'],
  }),
  bind: (directory: string) => ({
    file: `options {
      directory "${directory}";
      pid-file "${directory}/pid";
      session-keyfile "${directory}/session.key";
      listen-on { 10.9.0.2; };
      listen-on-v6 { none; };
      recursion no;
      notify no;
      dnssec-validation no;
      transfer-source 10.9.0.2;
      min-refresh-time 1;
    };
    controls { };
    zone "cell" { type secondary; primaries { 10.9.0.1; }; file "${directory}/cell.zone"; masterfile-format text; };
`,
    command: 'named',
    args: ['-g', '-n', '1', '-c'],
  }),
};

test.each(['knot', 'bind'] as const)(
  '%s as a secondary transfers the zone, is notified of each change, and follows',
  async make => {
    const directory = join(work, make);
    mkdirSync(directory);
    const { file, command, args } = secondaries[make](directory);
    writeFileSync(join(directory, 'conf'), file);
    const secondary = client.spawn(command, [...args, join(directory, 'conf')]);
    const there = async (name: string): Promise<string> =>
      (await dig('@10.9.0.2', '+short', '+norec', name)).trim();
    await poll(
      async () => (await there('www.cell')) === '10.0.0.1\n10.0.0.2',
      20_000,
      'the zone at the secondary',
    );
    expect(await there('text.cell')).toBe('');
    expect((await dig('@10.9.0.2', '+short', '+norec', '_sip._udp.cell', 'SRV')).trim()).toBe(
      '0 10 5060 www.cell.',
    );
    const serial = await tell(server, 'new.cell 10.0.0.77');
    await poll(async () => (await there('new.cell')) === '10.0.0.77', 20_000, 'the change at the secondary');
    expect(`serial ${(await dig('@10.9.0.2', '+short', '+norec', 'cell', 'SOA')).split(' ')[2]}`).toBe(
      serial,
    );
    await tell(server, 'new.cell');
    await poll(
      async () => (await dig('@10.9.0.2', '+norec', 'new.cell')).includes('NXDOMAIN'),
      20_000,
      'its end',
    );
    await secondary.stop();
    expect(secondary.stderr()).not.toMatch(/FORMERR|failed while receiving|malformed/i);
  },
);

test('IXFR is answered with the zone, or with the SOA to who has it all', async () => {
  const serial = (await dig('+short', 'cell', 'SOA')).split(' ')[2]!;
  const none = await dig('-b', '10.9.0.2', 'cell', `IXFR=${serial}`);
  expect(none).toMatch(/XFR size: 1 records/);
  const whole = await dig('-b', '10.9.0.2', 'cell', `IXFR=${Number(serial) - 1}`);
  expect(whole).toMatch(/www\.cell\.\s+30\s+IN\s+A\s+10\.0\.0\.1/);
  expect(whole.match(/\tSOA\t/g)).toHaveLength(2);
});

test('strangers get no transfer', async () => {
  expect(await dig('-b', '10.1.0.2', 'cell', 'AXFR')).toContain('Transfer failed');
  expect(await dig('-b', '10.9.0.2', 'cell', 'AXFR')).toMatch(/XFR size: \d+ records/);
});

test('a change is answered by every worker at once', async () => {
  for (let round = 0; round < 20; round++) {
    await tell(server, `quick.cell 10.0.4.${round}`);
    const answers = await Promise.all(Array.from({ length: 4 }, () => short('quick.cell')));
    expect(answers).toEqual(new Array(4).fill([`10.0.4.${round}`]));
  }
  expect(await tell(server, 'counts')).toContain('"queries":');
});

test('it ends when it is told to, and starts anew at the same port; without workers, too', async () => {
  (server as LongProcess & { end: () => void }).end();
  expect(await server.exited).toBe(0);
  // Nor do its threads outlive, or hold, a main thread that falls.
  const failing = await start('2', '', '');
  failing.write('fail\n');
  const waited = new Promise(resolve => setTimeout(resolve, 10_000, 'it stayed'));
  expect(await Promise.race([failing.exited, waited])).toBe(1);
  server = await start('0', '', '');
  expect(server.stdout()).toContain('ready plain');
  expect(await short('www.cell')).toEqual(['10.0.0.1', '10.0.0.2']);
  // Of several addresses Node's sockets answer from the one that the kernel prefers: of IPv6 here not fd09::1.
  const { stdout } = await appliance.run('dig', ['@::1', '+short', '+tries=1', 'www.cell']);
  expect(stdout.trim().split('\n')).toEqual(['10.0.0.1', '10.0.0.2']);
});
