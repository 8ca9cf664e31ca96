/** Signatures of queries and answers (RFC 8945), checked by a signer of the test's own. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RCODE, TYPE } from '../../../appliance/dns/numbers.ts';
import { decodeDns, dnsQuery, wireName } from '../../support/dns.ts';
import { KEYS, mac, NOW, type SignedFields, signed, time, u16, unsigned } from '../../support/tsig.ts';
import { startDesk, view } from './support.ts';

function start(options: Parameters<typeof startDesk>[0] = { keys: KEYS }) {
  const desk = startDesk(options);
  desk.publish(
    view({
      'www.cell': ['A 10.0.0.1'],
      'many.cell': Array.from({ length: 300 }, (_, index) => `A 10.0.${index >> 8}.${index & 255}`),
    }),
  );
  return desk;
}
const www = (fields?: Parameters<typeof dnsQuery>[2]): Uint8Array => dnsQuery('www.cell', TYPE.A, fields);

test.each([
  ['UDP', false],
  ['TCP', true],
])('by %s a signed query gets a signed answer', (_how, stream) => {
  const { raw } = start();
  const query = signed(www({ edns: {} }));
  const { plain, times, error, mac: own } = unsigned(raw(query.bytes, undefined, stream)!);
  expect([error, decodeDns(plain).answer.length]).toEqual([0, 1]);
  const variables = [
    ...[...wireName('some.key'), 0, 255, 0, 0, 0, 0, ...wireName('hmac-sha256'), ...times],
    ...[0, 0, 0, 0],
  ];
  expect(own).toEqual(mac(u16(32), query.mac, plain, variables));
});

test('it proves the source: nothing is cut that has room, and the room is for the signature, too', () => {
  const { raw, desk } = start({ keys: KEYS, limits: { rate: 1, slip: 0 } });
  for (let index = 0; index < 20; index++)
    expect(decodeDns(raw(signed(www()).bytes)!).rcode).toBe(RCODE.NOERROR);
  const many = signed(dnsQuery('many.cell', TYPE.A, { edns: {} })).bytes;
  const datagram = raw(many)!;
  expect([datagram.length <= 1232, decodeDns(datagram).flags.tc]).toEqual([true, true]);
  expect(unsigned(datagram).error).toBe(0);
  expect(decodeDns(raw(many, undefined, true)!).answer).toHaveLength(300);
  expect(desk.answerer.counters.dropped).toBe(0);
});

test('the name of the key may be written in any case, and the ID changed on the way', () => {
  const { raw } = start();
  // As forwarders do: the original ID is in the record (RFC 8945 §4.3.1).
  const { bytes } = signed(www(), { id: 0x1234 });
  bytes[0] = 0x99;
  const upper = Uint8Array.from(bytes);
  const at = upper.length - 61 - 10 - wireName('some.key').length;
  upper.set(wireName('SOME.Key'), at);
  for (const one of [bytes, upper]) expect(decodeDns(raw(one)!).answer).toHaveLength(1);
});

describe('refused with NOTAUTH', () => {
  test.each([
    ['another key', { key: 'other.key' }, 17],
    ['another algorithm', { algorithm: 'hmac-sha512' }, 17],
    ['a wrong MAC', { mac: new Uint8Array(32) }, 16],
    ['a short MAC', { mac: new Uint8Array(16) }, 16],
    ['no MAC', { mac: new Uint8Array(0) }, 16],
    ['a time long ago', { seconds: NOW - 301 }, 18],
    ['a time to come', { seconds: NOW + 301 }, 18],
  ] as [string, SignedFields, number][])('%s', (_what, fields, error) => {
    const { raw, desk } = start();
    const query = signed(www({ edns: {} }), fields);
    const answer = raw(query.bytes)!;
    expect([decodeDns(answer).rcode, decodeDns(answer).answer]).toEqual([RCODE.NOTAUTH, []]);
    expect(answer.length).toBeLessThan(2 * query.bytes.length);
    if (fields.algorithm === undefined) {
      const read = unsigned(answer, fields.key);
      // Who has the key is told our time, signed; who has not gets no MAC to try others by.
      expect([read.error, read.mac.length, read.other]).toEqual(
        error === 18 ? [18, 32, [...time(NOW)]] : [error, 0, []],
      );
    }
    expect(desk.answerer.counters.notauth).toBe(1);
  });

  test('any key, where there are none', () => {
    const { raw } = start({});
    expect(decodeDns(raw(signed(www()).bytes)!).rcode).toBe(RCODE.NOTAUTH);
  });

  test('whatever byte of it is changed', () => {
    const { raw } = start();
    const { bytes } = signed(www());
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: bytes.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        (at, mask) => {
          const changed = Uint8Array.from(bytes);
          changed[at]! ^= mask;
          const answer = raw(changed);
          if (answer === undefined) return;
          const { answer: records, additional } = decodeDns(answer);
          // Where it is no signature any more, it is a query like others.
          const isSigned = additional.some(({ type }) => type === 250);
          // Letters of the key's name may be of either case.
          const isLetter = mask === 0x20 && /[a-z]/i.test(String.fromCharCode(bytes[at]!));
          if (isSigned && records.length > 0) expect(isLetter).toBe(true);
          expect(answer.length).toBeLessThan(2 * changed.length);
        },
      ),
      { numRuns: 3000 },
    );
  });
});

test.each([
  ['not the last record', (bytes: number[]) => [...bytes, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0], 2],
  ['cut', (bytes: number[]) => bytes.slice(0, -1), 1],
  ['of another class', (bytes: number[]) => bytes.with(bytes.length - 61 - 7, 1), 1],
])('one that is %s is FORMERR', (_what, change, additional) => {
  const bytes = Uint8Array.from(change([...signed(www()).bytes]));
  bytes[11] = additional;
  expect(decodeDns(start().raw(bytes)!).rcode).toBe(RCODE.FORMERR);
});
