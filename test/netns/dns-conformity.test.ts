/**
 * What testers of name servers ask, by dig, kdig and delv: ISC's list of EDNS compliance tests (https://ednscomp.isc.org/compliance) and
 * some more, each with the outcome that it takes for right. A stock server, knot, with the same zone is asked the same: an expectation
 * that it does not meet would be wrong, and a finding that it does not have would be ours.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DnsCell, knotPrimary } from '../support/dns-cell.ts';
import { poll } from '../support/netns.ts';

let cell: DnsCell;

beforeAll(async () => {
  cell = new DnsCell();
  await cell.build();
  await cell.start('1');
  cell.stock('knot', knotPrimary(cell.directory('knot')));
  const answers = async (): Promise<boolean> => (await cell.dig('@10.9.0.2', 'www.cell')).includes('NOERROR');
  await poll(answers, 30_000, 'the stock server');
});
afterAll(() => cell.dispose());

interface Expectation {
  readonly words: string;
  /** In what dig says. */
  readonly wanted: readonly (string | RegExp)[];
  readonly unwanted?: readonly (string | RegExp)[];
  /** What only ours has: the options that the stock server does not know. */
  readonly ours?: readonly (string | RegExp)[];
  /** Where the stock server does otherwise, and why that is as good. */
  readonly unlike?: string;
}

const ANSWER = /\tSOA\t/;
const PLAIN = ['opcode: QUERY', 'status: NOERROR', 'flags: qr aa;', ANSWER];
const EDNS = ['status: NOERROR', 'flags: qr aa;', 'EDNS: version: 0', ANSWER];
const NO_EDNS = ['OPT PSEUDOSECTION'];
const BADVERS = ['status: BADVERS', 'EDNS: version: 0'];

const expectations: Readonly<Record<string, Expectation>> = {
  dns: { words: '+noedns SOA cell', wanted: PLAIN, unwanted: NO_EDNS },
  aa: { words: '+noedns +aaflag SOA cell', wanted: PLAIN, unwanted: NO_EDNS },
  ad: { words: '+noedns +adflag SOA cell', wanted: PLAIN },
  cd: { words: '+noedns +cdflag SOA cell', wanted: PLAIN },
  ra: { words: '+noedns +raflag SOA cell', wanted: PLAIN },
  rd: { words: '+noedns +rdflag SOA cell', wanted: ['status: NOERROR', 'flags: qr aa rd;', ANSWER] },
  tc: { words: '+noedns +tcflag SOA cell', wanted: PLAIN },
  zflag: { words: '+noedns +zflag SOA cell', wanted: PLAIN, unwanted: ['MBZ'] },
  opcode: {
    words: '+noedns +opcode=15 +header-only',
    wanted: ['status: NOTIMP', 'flags: qr;'],
    unwanted: [ANSWER],
  },
  opcodeflg: {
    words: '+noedns +opcode=15 +header-only +tcflag +raflag +cdflag +adflag +aaflag +zflag',
    wanted: ['status: NOTIMP', 'flags: qr;'],
  },
  type666: { words: '+noedns TYPE666 cell', wanted: PLAIN, unwanted: NO_EDNS },
  tcp: { words: '+tcp +noedns SOA cell', wanted: PLAIN, unwanted: NO_EDNS },
  edns: { words: '+edns=0 SOA cell', wanted: EDNS },
  edns1: { words: '+edns=1 +noednsneg SOA cell', wanted: BADVERS, unwanted: [ANSWER] },
  'edns@512': {
    words: '+edns=0 +ignore +bufsize=512 +dnssec DNSKEY cell',
    wanted: ['status: NOERROR', 'EDNS: version: 0, flags: do', /rcvd: \d{1,2}\n|rcvd: [1-4]\d\d\n/],
  },
  ednsopt: { words: '+edns=0 +ednsopt=100 SOA cell', wanted: EDNS, unwanted: ['OPT=100'] },
  edns1opt: {
    words: '+edns=1 +noednsneg +ednsopt=100 SOA cell',
    wanted: BADVERS,
    unwanted: ['OPT=100', ANSWER],
  },
  do: { words: '+edns=0 +dnssec SOA cell', wanted: [...EDNS, 'flags: do'] },
  edns1do: { words: '+edns=1 +noednsneg +dnssec SOA cell', wanted: BADVERS, unwanted: [ANSWER] },
  docookie: { words: '+edns=0 +dnssec +cookie SOA cell', wanted: [...EDNS, 'flags: do', '(good)'] },
  ednsflags: { words: '+edns=0 +ednsflags=0x80 SOA cell', wanted: EDNS, unwanted: ['MBZ'] },
  edns1flags: {
    words: '+edns=1 +noednsneg +ednsflags=0x80 SOA cell',
    wanted: BADVERS,
    unwanted: ['MBZ', ANSWER],
  },
  edns512tcp: {
    words: '+tcp +edns=0 +bufsize=512 +dnssec DNSKEY cell',
    wanted: ['status: NOERROR', 'flags: qr aa;', 'EDNS: version: 0, flags: do'],
  },
  ednstcp: { words: '+tcp +edns=0 SOA cell', wanted: EDNS },
  ednsnsid: { words: '+tcp +edns=0 +nsid SOA cell', wanted: EDNS, ours: ['NSID: ', '("gslb-1")'] },
  edns1nsid: { words: '+edns=1 +noednsneg +nsid SOA cell', wanted: BADVERS, unwanted: [ANSWER] },
  ednscookie: { words: '+edns=0 +cookie SOA cell', wanted: [...EDNS, '(good)'] },
  edns1cookie: { words: '+edns=1 +noednsneg +cookie SOA cell', wanted: BADVERS, unwanted: [ANSWER] },
  ednsexpire: { words: '+edns=0 +expire SOA cell', wanted: EDNS },
  ednssubnet: {
    words: '+edns=0 +subnet=0.0.0.0/0 SOA cell',
    wanted: EDNS,
    ours: ['CLIENT-SUBNET: 0.0.0.0/0/0'],
  },
  edns1subnet: { words: '+edns=1 +noednsneg +subnet=0.0.0.0/0 SOA cell', wanted: BADVERS },
  optlist: {
    words: '+edns=0 +nsid +expire +subnet=0.0.0.0/0 +cookie SOA cell',
    wanted: [...EDNS, '(good)'],
    ours: ['CLIENT-SUBNET: 0.0.0.0/0/0'],
  },
  'cookie of 3 bytes': { words: '+edns=0 +cookie=010203 SOA cell', wanted: ['status: FORMERR'] },
  padding: { words: '+edns=0 +padding=128 SOA cell', wanted: EDNS },
  keepalive: { words: '+tcp +edns=0 +keepalive SOA cell', wanted: EDNS },
  'no such name': { words: 'A x.cell', wanted: ['status: NXDOMAIN', 'flags: qr aa;', ANSWER] },
  'no such type': { words: 'MX www.cell', wanted: PLAIN },
  'an empty non-terminal': { words: 'A deep.cell', wanted: PLAIN },
  'DS at the apex': { words: 'DS cell', wanted: PLAIN },
  'a name below an alias': { words: 'A x.alias.cell', wanted: ['status: NXDOMAIN', 'flags: qr aa;', ANSWER] },
  'an alias followed': {
    words: 'A alias.cell',
    wanted: ['status: NOERROR', 'flags: qr aa;', /alias\.cell\.\s+30\s+IN\s+CNAME\s+www\.cell\./, '10.0.0.1'],
  },
  'the case of letters': { words: 'A wWw.CeLL', wanted: ['status: NOERROR', /^;wWw\.CeLL\.\s+IN\s+A$/m] },
  'not ours': { words: 'A www.example.org', wanted: ['status: REFUSED', 'flags: qr;'] },
  'the root': { words: 'NS .', wanted: ['status: REFUSED', 'flags: qr;'] },
  'a transfer to a stranger': { words: '-b 10.1.0.2 AXFR cell', wanted: ['Transfer failed'] },
  'another class': {
    words: 'CH TXT version.bind',
    wanted: ['status: REFUSED'],
    unlike: 'knot says its version; what we run is nobody’s business',
  },
  any: {
    words: 'ANY www.cell +notcp',
    wanted: ['status: NOERROR', '"RFC8482" ""'],
    unlike: 'knot gives one of the record sets (RFC 8482 §4.1)',
  },
  update: {
    words: '+opcode=5 SOA cell',
    wanted: ['status: REFUSED', 'EDNS: version: 0'],
    unlike: 'knot says NOTAUTH',
  },
  notify: {
    words: '+opcode=4 SOA cell',
    wanted: ['status: NOTIMP', 'EDNS: version: 0'],
    unlike: 'knot says NOTAUTH: it might be a secondary',
  },
  status: { words: '+opcode=2 SOA cell', wanted: ['status: NOTIMP', 'EDNS: version: 0'] },
};

const holds = (out: string, { wanted, unwanted = [] }: Expectation): void => {
  for (const one of wanted) expect(out).toMatch(one);
  for (const one of unwanted) expect(out).not.toMatch(one);
};

describe('by dig', () => {
  test.each(Object.keys(expectations))('%s', async name => {
    const one = expectations[name]!;
    const ask = (at: string): Promise<string> =>
      cell.dig(at, '+norec', '+noad', '+nocookie', ...one.words.split(' '));
    const both = { ...one, wanted: [...one.wanted, ...(one.ours ?? [])] };
    holds(await ask('@10.9.0.1'), both);
    if (!one.words.includes('-b ')) holds(await ask('@fd09::1'), both);
    if (one.unlike === undefined) holds(await ask('@10.9.0.2'), one);
  });

  test('an update, by nsupdate', async () => {
    const script = 'server 10.9.0.1\nzone cell\nupdate add new.cell 30 A 10.0.0.9\nsend\n';
    const { stdout, stderr, status } = await cell.client.run('nsupdate', ['-t', '3'], { input: script });
    expect([status, stdout + stderr]).toEqual([2, expect.stringContaining('REFUSED')]);
  });
});

/** dig and kdig are not of one make: what one overlooks in a message the other may not. */
test.each([
  ['+edns +nsid +cookie +subnet=10.1.0.0/16', 'www.cell A', [/CLIENT-SUBNET: 10\.1\.0\.0\/16\/16/]],
  ['+edns +subnet=fd01:2:3::/48', 'www.cell A', [/CLIENT-SUBNET: fd01:2:3::\/48\/31/]],
  ['+noedns', 'x.cell A', [/status: NXDOMAIN/]],
  ['+edns +dnssec', '_sip._udp.cell SRV', [/SRV\s+0 10 5060 www\.cell\./]],
  ['+tcp +keepopen +padding=64', 'cell NS', [/NS\s+ns1\.cell\./]],
  ['+tcp', 'text.cell TXT', [/"some words" "and more"/]],
] as [string, string, RegExp[]][])('kdig %s %s', async (options, words, wanted) => {
  for (const at of ['@10.9.0.1', '@fd09::1']) {
    const args = [at, ...options.split(' '), ...words.split(' ')];
    const { stdout, stderr, status } = await cell.client.run('kdig', args);
    // That short names say no by TCP is no fault of the message.
    expect([status, stderr.replace(/^;; WARNING: truncated reply .*\n\n?/m, '')]).toEqual([0, '']);
    for (const one of wanted) expect(stdout).toMatch(one);
    expect(stdout).not.toMatch(/WARNING|ERROR:|malformed/i);
  }
});

test.each([
  ['www.cell A', /www\.cell\.\s+30\s+IN\s+A\s+10\.0\.0\.1/],
  ['alias.cell A', /alias\.cell\.\s+30\s+IN\s+CNAME\s+www\.cell\./],
  ['www.cell MX', /ncache nxrrset/],
  ['no-such-name-here.cell A', /ncache nxdomain/],
])('delv %s', async (words, wanted) => {
  for (const at of ['@10.9.0.1', '@10.9.0.2']) {
    const { stdout, stderr } = await cell.client.run('delv', [at, '+noroot', '-i', ...words.split(' ')]);
    expect(stdout + stderr).toMatch(wanted);
  }
});
