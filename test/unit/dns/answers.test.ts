import { describe, expect, test } from 'vitest';
import { QTYPE, RCODE, TYPE } from '../../../appliance/dns/numbers.ts';
import { decodeDns, dnsQuery, subnetOption } from '../../support/dns.ts';
import { type Lines, linesOf, startDesk, view, zone } from './support.ts';

const LINES = {
  'www.cell': ['A 10.0.0.1', 'A 10.0.0.2', 'AAAA fd00::1'],
  '_http._tcp.cell': ['SRV 0 10 80 www.cell'],
  'a.b.c.cell': ['TXT deep words'],
  'alias.cell': ['CNAME www.cell'],
  'out.cell': ['CNAME www.example.test'],
  'dead.cell': ['CNAME nobody.cell'],
  'loop1.cell': ['CNAME loop2.cell'],
  'loop2.cell': ['CNAME loop1.cell'],
  'near.cell': ['A 10.9.9.9', 'east: A 10.1.1.1', 'west: A 10.2.2.2'],
  'empty.cell': ['east: A 10.1.1.1'],
  'ns1.cell': ['A 10.0.0.53'],
};
const TOPOLOGY = { '10.1.0.0/16': 'east', '10.2.0.0/16': 'west', '10.2.7.0/24': 'east', 'fd01::/16': 'west' };

function start() {
  const desk = startDesk();
  desk.publish(view(LINES, { topology: TOPOLOGY }));
  return desk;
}

test('records, in their order, with the question as it was asked', () => {
  const { ask } = start();
  const message = ask(dnsQuery('wWw.CELL', TYPE.A, { id: 0xbeef }), undefined, true);
  expect(message).toMatchObject({
    id: 0xbeef,
    flags: { qr: true, aa: true, tc: false, rd: true },
    rcode: 0,
    question: { name: 'wWw.CELL', type: 1, qclass: 1 },
  });
  expect(linesOf(message.answer)).toEqual(['wWw.CELL 1 10.0.0.1', 'wWw.CELL 1 10.0.0.2']);
  expect(message.answer[0]!.ttl).toBe(30);
  expect(linesOf(ask(dnsQuery('www.cell', TYPE.AAAA, { edns: {} })).answer)).toEqual(['www.cell 28 fd00::1']);
  expect(ask(dnsQuery('www.cell', TYPE.A, { flags: 0 })).flags.rd).toBe(false);
});

test('SRV, with the addresses of its target where there is room', () => {
  const { ask } = start();
  const whole = ask(dnsQuery('_http._tcp.cell', TYPE.SRV), undefined, true);
  expect(linesOf(whole.answer)).toEqual(['_http._tcp.cell 33 0 10 80 www.cell']);
  expect(linesOf(whole.additional)).toEqual([
    'www.cell 1 10.0.0.1',
    'www.cell 1 10.0.0.2',
    'www.cell 28 fd00::1',
  ]);
  // An unproven source does not get more than it asked with, twice.
  const short = ask(dnsQuery('_http._tcp.cell', TYPE.SRV));
  expect([short.answer.length, short.additional.length, short.flags.tc]).toEqual([1, 0, false]);
});

describe('what is not there', () => {
  const SOA = /^cell 6 ns1\.cell root\.cell \d+ 60 10 3600 5$/;
  test.each([
    ['nobody.cell', TYPE.A, RCODE.NXDOMAIN],
    ['x.y.www.cell', TYPE.A, RCODE.NXDOMAIN],
    ['www.cell', TYPE.TXT, RCODE.NOERROR],
    ['b.c.cell', TYPE.A, RCODE.NOERROR],
    ['c.cell', QTYPE.ANY, RCODE.NOERROR],
    ['cell', TYPE.A, RCODE.NOERROR],
    ['empty.cell', TYPE.A, RCODE.NOERROR],
    ['dead.cell', TYPE.A, RCODE.NXDOMAIN],
    ['alias.cell', TYPE.TXT, RCODE.NOERROR],
  ])('%s type %i has RCODE %i and the SOA', (name, type, rcode) => {
    const message = start().ask(dnsQuery(name, type, { edns: {} }), undefined, true);
    expect([message.rcode, message.flags.aa, message.authority.length]).toEqual([rcode, true, 1]);
    expect(linesOf(message.authority)[0]).toMatch(SOA);
    // RFC 2308 §5: the lesser of the SOA's TTL and its minimum.
    expect(message.authority[0]!.ttl).toBe(5);
  });

  test.each(['cell.', 'example.test', '', 'xcell', 'test'])('%j is not ours', name => {
    const message = start().ask(dnsQuery(name === 'cell.' ? 'cell.test' : name, TYPE.A));
    expect([message.rcode, message.flags.aa, message.authority]).toEqual([RCODE.REFUSED, false, []]);
  });
});

test('the apex: SOA, NS with glue', () => {
  const { ask, authority } = start();
  const soa = ask(dnsQuery('cell', TYPE.SOA), undefined, true);
  expect(linesOf(soa.answer)).toEqual([`cell 6 ns1.cell root.cell ${authority.serial} 60 10 3600 5`]);
  expect(soa.answer[0]!.ttl).toBe(30);
  const ns = ask(dnsQuery('cell', TYPE.NS), undefined, true);
  expect(linesOf(ns.answer)).toEqual(['cell 2 ns1.cell', 'cell 2 ns.elsewhere.test']);
  expect(linesOf(ns.additional)).toEqual(['ns1.cell 1 10.0.0.53']);
});

test('aliases', () => {
  const { ask } = start();
  expect(linesOf(ask(dnsQuery('alias.cell', TYPE.A), undefined, true).answer)).toEqual([
    'alias.cell 5 www.cell',
    'www.cell 1 10.0.0.1',
    'www.cell 1 10.0.0.2',
  ]);
  expect(linesOf(ask(dnsQuery('alias.cell', TYPE.CNAME)).answer)).toEqual(['alias.cell 5 www.cell']);
  expect(linesOf(ask(dnsQuery('out.cell', TYPE.A), undefined, true).answer)).toEqual([
    'out.cell 5 www.example.test',
  ]);
  const loop = ask(dnsQuery('loop1.cell', TYPE.A), undefined, true);
  expect([loop.rcode, loop.answer.length < 20]).toEqual([0, true]);
});

test('ANY is answered as RFC 8482 has it', () => {
  const message = start().ask(dnsQuery('www.cell', QTYPE.ANY));
  expect(linesOf(message.answer)).toEqual(['www.cell 13 "RFC8482" ""']);
});

describe('by place', () => {
  test.each([
    ['10.1.2.3', '10.1.1.1'],
    ['10.2.2.3', '10.2.2.2'],
    ['10.2.7.3', '10.1.1.1'],
    ['192.0.2.1', '10.9.9.9'],
    ['fd01::5', '10.2.2.2'],
    ['fe01::5', '10.9.9.9'],
  ])('%s gets %s', (from, expected) => {
    const { ask } = start();
    expect(ask(dnsQuery('near.cell', TYPE.A), from).answer[0]!.data).toBe(expected);
  });

  test.each([
    ['10.1.2.0', 24, '10.1.1.1', 16],
    ['10.2.2.0', 24, '10.2.2.2', 22],
    ['10.2.7.0', 24, '10.1.1.1', 24],
    ['10.2.0.0', 16, '10.2.2.2', 17],
    ['172.16.0.0', 12, '10.9.9.9', 1],
    ['fd01:1::', 48, '10.2.2.2', 16],
  ])('the subnet %s/%i counts, and the scope is told', (subnet, bits, expected, scope) => {
    const { ask } = start();
    const message = ask(dnsQuery('near.cell', TYPE.A, { edns: { options: [subnetOption(subnet, bits)] } }));
    expect(message.answer[0]!.data).toBe(expected);
    const option = message.edns!.options.get(8)!;
    expect([option[2], option[3]]).toEqual([bits, scope]);
  });

  test('what is the same everywhere has scope 0, and a source prefix of 0 means the asker himself', () => {
    const { ask } = start();
    const edns = { options: [subnetOption('10.1.0.0', 16)] };
    expect(ask(dnsQuery('www.cell', TYPE.A, { edns })).edns!.options.get(8)![3]).toBe(0);
    const none = { options: [subnetOption('0.0.0.0', 0)] };
    const message = ask(dnsQuery('near.cell', TYPE.A, { edns: none }), '10.2.9.9');
    expect([message.answer[0]!.data, message.edns!.options.get(8)![3]]).toEqual(['10.2.2.2', 0]);
  });
});

test('each answer is made once, until the view changes', () => {
  const { ask, asked, publish } = start();
  for (let time = 0; time < 5; time++) ask(dnsQuery('www.cell', TYPE.A));
  expect(asked()).toBe(1);
  ask(dnsQuery('near.cell', TYPE.A), '10.1.0.1');
  ask(dnsQuery('near.cell', TYPE.A), '10.1.0.2');
  ask(dnsQuery('near.cell', TYPE.A), '10.2.0.2');
  expect(asked()).toBe(3);
  publish(view({ ...LINES, 'www.cell': ['A 10.7.7.7'] }, { topology: TOPOLOGY }));
  expect(ask(dnsQuery('www.cell', TYPE.A)).answer.map(({ data }) => data)).toEqual(['10.7.7.7']);
  expect(asked()).toBe(4);
});

test('when it is told which names changed, only those are made anew, and those that lead to others', () => {
  const { ask, asked, publish } = start();
  const first = view(LINES);
  publish(first);
  for (const name of ['www.cell', 'near.cell', 'alias.cell']) ask(dnsQuery(name, TYPE.A), undefined, true);
  expect(asked()).toBe(3);
  publish(
    { ...view({ ...LINES, 'www.cell': ['A 10.7.7.7'] }), names: first.names, topology: first.topology },
    ['www.cell'],
  );
  ask(dnsQuery('near.cell', TYPE.A));
  expect(asked()).toBe(3);
  expect(ask(dnsQuery('alias.cell', TYPE.A), undefined, true).answer.map(({ data }) => data)).toEqual([
    'www.cell',
    '10.7.7.7',
  ]);
  expect(ask(dnsQuery('www.cell', TYPE.A)).answer[0]!.data).toBe('10.7.7.7');
});

test('what tells of other names is made anew when one of these changes, comes or goes, and not for any other', () => {
  const { ask, asked, publish } = start();
  const first = view(LINES);
  publish(first);
  const srv = () => ask(dnsQuery('_http._tcp.cell', TYPE.SRV, { edns: { size: 1232 } }), undefined, true);
  const dead = () => ask(dnsQuery('dead.cell', TYPE.A), undefined, true);
  expect(linesOf(srv().additional)).toContain('www.cell 1 10.0.0.1');
  expect(dead().rcode).toBe(RCODE.NXDOMAIN);
  expect(asked()).toBe(2);
  const next = (lines: typeof LINES & Lines, changed: readonly string[]) =>
    publish({ ...view(lines), topology: first.topology, namesSince: () => changed }, changed);
  next({ ...LINES, 'near.cell': ['A 10.9.9.8'] }, ['near.cell']);
  srv();
  dead();
  expect(asked()).toBe(2);
  next({ ...LINES, 'www.cell': ['A 10.7.7.7'] }, ['www.cell']);
  expect(linesOf(srv().additional)).toContain('www.cell 1 10.7.7.7');
  dead();
  expect(asked()).toBe(3);
  next({ ...LINES, 'x.nobody.cell': ['A 10.7.7.7'] }, ['x.nobody.cell']);
  expect(dead().rcode).toBe(RCODE.NOERROR);
});

test('names come and go, with those above them', () => {
  const { ask, publish } = start();
  publish(view({ 'www.cell': ['A 10.0.0.1'] }));
  expect(ask(dnsQuery('b.c.cell', TYPE.A)).rcode).toBe(RCODE.NXDOMAIN);
  publish(view({ 'q.b.c.cell': ['A 10.0.0.1'] }));
  expect(ask(dnsQuery('b.c.cell', TYPE.A)).rcode).toBe(RCODE.NOERROR);
  expect(ask(dnsQuery('www.cell', TYPE.A)).rcode).toBe(RCODE.NXDOMAIN);
  expect(ask(dnsQuery('cell', TYPE.SOA), undefined, true).answer).toHaveLength(1);
});

test('zones come and go; the one with the longest apex has the name', () => {
  const { ask, publish } = start();
  publish(
    view(
      { 'www.cell': ['A 10.0.0.1'], 'x.sub.cell': ['A 10.0.0.2'] },
      { zones: [zone('cell'), zone('sub.cell')] },
    ),
  );
  expect(ask(dnsQuery('y.sub.cell', TYPE.A), undefined, true).authority[0]!.name).toBe('sub.cell');
  expect(ask(dnsQuery('y.cell', TYPE.A), undefined, true).authority[0]!.name).toBe('cell');
  publish(view({ 'www.cell': ['A 10.0.0.1'] }, { zones: [] }));
  expect(ask(dnsQuery('www.cell', TYPE.A)).rcode).toBe(RCODE.REFUSED);
});

test('a fault of the view is SERVFAIL, and logged', () => {
  const { ask, publish, world } = startDesk();
  publish({
    ...view({ 'www.cell': ['A 10.0.0.1'] }),
    answersFor: () => {
      throw new Error('no');
    },
  });
  expect(ask(dnsQuery('www.cell', TYPE.A)).rcode).toBe(RCODE.SERVFAIL);
  expect(world.log.of('dns-answer-failed')).toHaveLength(1);
});

test('who is told by UDP that there is no such name hears it, though the SOA may need TCP', () => {
  const { ask } = start();
  const short = ask(dnsQuery('x.cell', TYPE.A));
  expect([short.rcode, short.flags.tc, short.flags.aa, short.authority]).toEqual([3, true, true, []]);
  const long = ask(dnsQuery('a-name-that-is-long-enough.cell', TYPE.A, { edns: {} }));
  expect([long.rcode, long.flags.tc, long.authority.length]).toEqual([3, false, 1]);
});

test('an answer that is long is cut by UDP and whole by TCP', () => {
  const { raw, publish } = startDesk();
  publish(view({ 'many.cell': Array.from({ length: 200 }, (_, index) => `A 10.0.1.${index}`) }));
  const query = dnsQuery('many.cell', TYPE.A, { edns: { size: 4096 } });
  const datagram = decodeDns(raw(query)!);
  expect([datagram.flags.tc, datagram.answer.length, datagram.edns?.size]).toEqual([true, 0, 1232]);
  const stream = decodeDns(raw(query, undefined, true)!);
  expect([stream.flags.tc, stream.answer.length]).toEqual([false, 200]);
});

test('a finished answer is a plain value: who copies bytes and patches a header can serve it', () => {
  const { authority, raw } = start();
  for (const [name, asked, type] of [
    ['www.cell', 'wWw.CELL', TYPE.A],
    ['_http._tcp.cell', '_HTTP._tcp.Cell', TYPE.SRV],
    ['dead.cell', 'DEAD.cell', TYPE.AAAA],
  ] as const) {
    const { bytes } = JSON.parse(
      JSON.stringify(authority.finish(name, type, ''), (_key, value: unknown) =>
        value instanceof Uint8Array ? [...value] : value,
      ),
    ) as { bytes: number[] };
    const query = dnsQuery(asked, type, { id: 0xbeef });
    const served = Uint8Array.from(bytes);
    served.set(query.subarray(0, 2));
    served[2]! |= query[2]! & 1;
    served.set(query.subarray(12), 12);
    expect(served).toEqual(raw(query, undefined, true));
  }
});
