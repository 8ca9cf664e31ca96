import { describe, expect, test } from 'vitest';
import { RCODE, TYPE } from '../../../appliance/dns/numbers.ts';
import { dnsQuery } from '../../support/dns.ts';
import { linesOf, startDesk, view } from './support.ts';

const CLIENT_COOKIE = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

function start(options: Parameters<typeof startDesk>[0] = {}) {
  const desk = startDesk(options);
  desk.publish(
    view({
      'www.cell': ['A 10.0.0.1'],
      'many.cell': Array.from({ length: 30 }, (_, index) => `A 10.0.1.${index}`),
    }),
  );
  return desk;
}

const www = (edns?: NonNullable<Parameters<typeof dnsQuery>[2]>['edns']) =>
  dnsQuery('www.cell', TYPE.A, { edns });

describe('EDNS', () => {
  test('is answered to who uses it, and to nobody else', () => {
    const { ask } = start();
    expect(ask(www()).edns).toBeUndefined();
    expect(ask(www({})).edns).toEqual({ size: 1232, version: 0, flags: 0, options: new Map() });
  });

  test('a newer version gets BADVERS and no answer', () => {
    const message = start().ask(www({ version: 1 }));
    expect([message.rcode, message.answer, message.edns?.version]).toEqual([RCODE.BADVERS, [], 0]);
  });

  test('unknown options are passed over, unknown flags not given back, DO is', () => {
    const message = start().ask(www({ flags: 0xffff, options: [[100, Uint8Array.of(1, 2)]] }));
    expect([message.rcode, message.edns?.flags, message.edns?.options.size]).toEqual([0, 0x8000, 0]);
  });

  test('a UDP size below 512 is 512', () => {
    const { ask } = start();
    const message = ask(www({ size: 1 }));
    expect([message.rcode, message.flags.tc, message.answer.length]).toEqual([0, false, 1]);
  });

  test.each([
    ['OPT twice', [...dnsQuery('www.cell', TYPE.A, { edns: {} }), 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0], 2],
    [
      'an option beyond its record',
      [...dnsQuery('www.cell', TYPE.A), 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 4, 0, 3, 0, 9],
      1,
    ],
    ['OPT of a name', [...dnsQuery('www.cell', TYPE.A), 1, 65, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0], 1],
    ['more records than there are', [...dnsQuery('www.cell', TYPE.A)], 1],
    ['bytes behind the message', [...dnsQuery('www.cell', TYPE.A), 0], 0],
  ])('%s is FORMERR', (_what, bytes, additional) => {
    const query = Uint8Array.from(bytes);
    query[11] = additional;
    expect(start().ask(query).rcode).toBe(RCODE.FORMERR);
  });

  test('NSID is told to who asks, as long as there is room', () => {
    const nsid = new TextEncoder().encode('gslb-1');
    const { ask } = start({ nsid });
    expect(ask(www({ options: [[3, new Uint8Array(0)]] })).edns?.options.get(3)).toEqual(nsid);
    expect(ask(www({})).edns?.options.size).toBe(0);
    const long = start({ nsid: new Uint8Array(64) });
    expect(long.ask(www({ options: [[3, new Uint8Array(0)]] })).edns?.options.has(3)).toBe(false);
  });

  test.each([
    ['a scope in a query', Uint8Array.of(0, 1, 24, 8, 10, 1, 2)],
    ['fewer bytes than the prefix has', Uint8Array.of(0, 1, 24, 0, 10, 1)],
    ['more bytes than the prefix has', Uint8Array.of(0, 1, 16, 0, 10, 1, 0)],
    ['bits beyond the prefix', Uint8Array.of(0, 1, 20, 0, 10, 1, 0xff)],
    ['a prefix longer than an address', Uint8Array.of(0, 1, 33, 0, 1, 2, 3, 4, 5)],
    ['a family that there is not', Uint8Array.of(0, 9, 8, 0, 1)],
    ['three bytes', Uint8Array.of(0, 1, 0)],
  ])('a client subnet with %s is FORMERR', (_what, data) => {
    const message = start().ask(www({ options: [[8, data]] }));
    expect([message.rcode, message.edns?.options.size]).toEqual([RCODE.FORMERR, 0]);
  });
});

describe('cookies', () => {
  test('half a cookie gets the other half, which proves the source', () => {
    const { ask } = start();
    const query = (cookie: Uint8Array) =>
      dnsQuery('many.cell', TYPE.A, { edns: { options: [[10, cookie]] } });
    // Thirty addresses are more than an unproven source gets: it is told so by BADCOOKIE, not sent to TCP.
    const first = ask(query(CLIENT_COOKIE));
    expect([first.rcode, first.flags.tc, first.answer.length]).toEqual([RCODE.BADCOOKIE, false, 0]);
    const cookie = first.edns!.options.get(10)!;
    expect([cookie.length, [...cookie.subarray(0, 8)]]).toEqual([24, [...CLIENT_COOKIE]]);
    const second = ask(query(cookie));
    expect([second.rcode, second.answer.length]).toEqual([0, 30]);
    // Not from elsewhere.
    expect(ask(query(cookie), '192.0.2.10').rcode).toBe(RCODE.BADCOOKIE);
    // Who has none at all is sent to TCP.
    expect(ask(dnsQuery('many.cell', TYPE.A, { edns: {} })).flags.tc).toBe(true);
  });

  test('they grow old', async () => {
    const { ask, world } = start();
    const query = (cookie: Uint8Array) =>
      dnsQuery('many.cell', TYPE.A, { edns: { options: [[10, cookie]] } });
    const cookie = ask(query(CLIENT_COOKIE)).edns!.options.get(10)!;
    await world.clock.advance(3_500_000);
    expect(ask(query(cookie)).answer).toHaveLength(30);
    await world.clock.advance(200_000);
    expect(ask(query(cookie)).rcode).toBe(RCODE.BADCOOKIE);
  });

  test.each([0, 7, 9, 15, 41])('one of %i bytes is FORMERR', length => {
    expect(start().ask(www({ options: [[10, new Uint8Array(length)]] })).rcode).toBe(RCODE.FORMERR);
  });

  test('a cookie alone may be asked for, without a question', () => {
    const bytes = [...dnsQuery('', TYPE.A, { edns: { options: [[10, CLIENT_COOKIE]] } })];
    bytes.splice(12, 5);
    bytes[5] = 0;
    const message = start().ask(Uint8Array.from(bytes));
    expect([message.rcode, message.question, message.edns?.options.get(10)?.length]).toEqual([
      0,
      undefined,
      24,
    ]);
  });
});

describe('what is not a query for records', () => {
  test.each([
    [1, RCODE.NOTIMP],
    [2, RCODE.NOTIMP],
    [4, RCODE.NOTIMP],
    [5, RCODE.REFUSED],
    [6, RCODE.NOTIMP],
    [15, RCODE.NOTIMP],
  ])('opcode %i gets RCODE %i', (opcode, rcode) => {
    const message = start().ask(dnsQuery('www.cell', TYPE.A, { flags: opcode << 11 }));
    expect([message.rcode, message.opcode, message.answer]).toEqual([rcode, opcode, []]);
  });

  test.each([1, 2, 4, 5])('opcode %i with EDNS is answered with EDNS, and no options', opcode => {
    const options = [
      [10, CLIENT_COOKIE] as const,
      [3, new Uint8Array(0)] as const,
      [8, new Uint8Array(3)] as const,
    ];
    const message = start({ nsid: Uint8Array.of(1) }).ask(
      dnsQuery('www.cell', TYPE.SOA, { flags: opcode << 11, edns: { options } }),
    );
    expect([message.question?.name, message.edns?.version, message.edns?.options.size]).toEqual([
      'www.cell',
      0,
      0,
    ]);
  });

  test('an operation that is laid out otherwise gets the header alone', () => {
    // DNS Stateful Operations (RFC 8490): no sections, but TLVs.
    const bytes = start().raw(Uint8Array.of(0, 1, 0x30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0))!;
    expect([bytes.length, bytes[3]]).toEqual([12, RCODE.NOTIMP]);
  });

  test.each([
    [3, 16],
    [255, 1],
    [4, 1],
  ])('class %i is refused', (qclass, type) => {
    expect(start().ask(dnsQuery('www.cell', type, { qclass })).rcode).toBe(RCODE.REFUSED);
  });

  test.each([
    [252, RCODE.FORMERR],
    [41, RCODE.FORMERR],
    [250, RCODE.FORMERR],
    [253, RCODE.NOTIMP],
  ])('type %i gets RCODE %i', (type, rcode) => {
    expect(start().ask(dnsQuery('cell', type)).rcode).toBe(rcode);
  });

  test('IXFR by UDP is told the newest SOA alone', () => {
    const query = [
      ...dnsQuery('cell', 251),
      0xc0,
      12,
      0,
      6,
      0,
      1,
      0,
      0,
      0,
      0,
      0,
      22,
      0,
      0,
      ...new Array(20).fill(0),
    ];
    query[9] = 1;
    expect(linesOf(start().ask(Uint8Array.from(query)).answer)).toEqual([expect.stringMatching(/^cell 6 /)]);
  });

  test('answers, and what has no header, get none', () => {
    const { raw, desk } = start();
    expect(raw(dnsQuery('www.cell', TYPE.A, { flags: 0x8000 }))).toBeUndefined();
    expect(raw(new Uint8Array(11))).toBeUndefined();
    expect(desk.answerer.counters.ignored).toBe(2);
  });

  test.each([
    ['a pointer in the question', [0xc0, 12, 0, 1, 0, 1]],
    ['a name without an end', [63, ...new Array(40).fill(65)]],
    ['a label of 64', [64, ...new Array(64).fill(65), 0, 0, 1, 0, 1]],
    [
      'a name of 256',
      [...new Array(4).fill([62, ...new Array(62).fill(65)]).flat(), 2, 65, 65, 0, 0, 1, 0, 1],
    ],
    ['no type', [1, 65, 0]],
  ])('%s is FORMERR, of the header alone', (_what, question) => {
    const bytes = start().raw(Uint8Array.from([0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...question]))!;
    expect([bytes.length, bytes[3]]).toEqual([12, RCODE.FORMERR]);
  });

  test('the longest name there is can be asked for', () => {
    const name = [...new Array(3).fill('a'.repeat(63)), 'b'.repeat(61)].join('.');
    expect(start().ask(dnsQuery(name, TYPE.A)).rcode).toBe(RCODE.REFUSED);
    const short = [...new Array(124).fill('a'), 'cell'].join('.');
    expect(start().ask(dnsQuery(short, TYPE.A)).rcode).toBe(RCODE.NXDOMAIN);
  });
});

describe('response rate', () => {
  test('answers alike to one network are held to the rate; some slip as truncated ones', async () => {
    const { raw, world, desk } = start({ limits: { rate: 5, slip: 2 } });
    const kinds = { whole: 0, cut: 0, none: 0 };
    const burst = (from: (index: number) => string): void => {
      for (let index = 0; index < 50; index++) {
        const bytes = raw(www(), from(index));
        if (bytes === undefined) kinds.none++;
        else if (bytes[2]! & 2) kinds.cut++;
        else kinds.whole++;
      }
    };
    burst(index => `192.0.2.${index}`);
    expect(kinds).toEqual({ whole: 10, cut: 20, none: 20 });
    // Others are not touched, and in a while it is forgotten.
    expect(raw(www(), '198.51.100.1')![2]! & 2).toBe(0);
    await world.clock.advance(1000);
    Object.assign(kinds, { whole: 0, cut: 0, none: 0 });
    burst(() => '192.0.2.1');
    expect(kinds.whole).toBe(5);
    expect([desk.answerer.counters.dropped, desk.answerer.counters.slipped]).toEqual([43, 42]);
  });

  test('one who has proved his address is not held', () => {
    const { ask, raw } = start({ limits: { rate: 1, slip: 0 } });
    const query = (cookie: Uint8Array) => www({ options: [[10, cookie]] });
    const cookie = ask(query(CLIENT_COOKIE)).edns!.options.get(10)!;
    for (let index = 0; index < 20; index++) expect(raw(query(cookie))).toBeDefined();
    expect(
      Array.from({ length: 20 }, () => raw(query(CLIENT_COOKIE))).filter(one => one === undefined),
    ).toHaveLength(19);
  });

  test.each([
    ['what is not there', () => dnsQuery(`x${Math.random()}.cell`, TYPE.A)],
    ['what is not ours', () => dnsQuery(`x${Math.random()}.test`, TYPE.A)],
    ['nonsense', () => Uint8Array.of(0, 1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0)],
  ])('%s, too', (_what, query) => {
    const { raw } = start({ limits: { rate: 2, slip: 0 } });
    expect(Array.from({ length: 20 }, () => raw(query())).filter(one => one !== undefined)).toHaveLength(4);
  });
});
