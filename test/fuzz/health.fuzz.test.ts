/**
 * Hostile servers: whatever bytes a checked server sends, in whatever pieces, a reader ends with a result, keeps within its bounds,
 * and never takes for an answer what is none.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeDnsAnswer, encodeDnsQuery } from '../../appliance/health/codec/dns.ts';
import { BODY_LIMIT, HttpResponseReader } from '../../appliance/health/codec/http-response.ts';
import { decodeIcmp, encodeEchoRequest } from '../../appliance/health/codec/icmp.ts';
import { decodeQ931, TpktReader } from '../../appliance/health/codec/q931.ts';
import { decodeSipResponse, encodeSipOptions, SipReader } from '../../appliance/health/codec/sip.ts';
import { address } from '../../sdk/wire/address.ts';

const RUNS = { numRuns: 2_000, interruptAfterTimeLimit: 3_000 } as const;
const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));

/** Valid bytes with some of them changed, cut off, doubled or replaced by noise. */
const mutated = (valid: Uint8Array): fc.Arbitrary<Uint8Array> =>
  fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc
      .tuple(
        fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 6 }),
        fc.nat(valid.length),
        fc.uint8Array({ maxLength: 20 }),
      )
      .map(([changes, cut, tail]) => {
        const bytes = valid.slice();
        for (const [at, byte] of changes) bytes[at] = byte;
        return Uint8Array.from([...bytes.slice(0, cut), ...tail, ...bytes.slice(cut)]);
      }),
  );

/** Bytes and the sizes of the pieces in which they come. */
const inPieces = (bytes: fc.Arbitrary<Uint8Array>) =>
  fc
    .tuple(bytes, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 }))
    .map(([all, sizes]) => {
      const pieces: Uint8Array[] = [];
      for (let at = 0, turn = 0; at < all.length; turn++) {
        const size = sizes[turn % sizes.length]!;
        pieces.push(all.slice(at, at + size));
        at += size;
      }
      return { all, pieces };
    });

const HTTP = bytesOf(
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n5;a=b\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n',
);
const Q931 = Uint8Array.from(
  Buffer.from('030000190802800175080280' + '9e140100' + '7e00050500000000', 'hex'),
);
const TOKEN = 'feedfacefeedfacefeedface';
const OPTIONS = Buffer.from(
  encodeSipOptions({
    transport: 'tcp',
    address: address('10.0.0.1'),
    port: 5060,
    localPort: 5060,
    token: TOKEN,
  }),
).toString('latin1');
const SIP = bytesOf(OPTIONS.replace(/^.*/, 'SIP/2.0 200 OK'));
const QUERY = encodeDnsQuery(0x1234, 'www.example')!;
const DNS = Uint8Array.from([
  ...QUERY.slice(0, 2),
  ...Buffer.from('81800001000200000000', 'hex'),
  ...QUERY.slice(12),
  ...Buffer.from('c00c000500010000003c0004016100c0c00c000100010000003c0004c0000201', 'hex'),
]);

describe('fuzz: what checked servers answer', () => {
  it('HTTP: the same result in any pieces, a bounded body, and an end', () => {
    fc.assert(
      fc.property(inPieces(mutated(HTTP)), ({ all, pieces }) => {
        const whole = new HttpResponseReader();
        whole.push(all);
        const reader = new HttpResponseReader();
        for (const piece of pieces) {
          const progress = reader.push(piece);
          if (progress.state === 'body') expect(progress.body.length).toBeLessThanOrEqual(BODY_LIMIT);
        }
        const [a, b] = [whole.end(), reader.end()];
        expect(b.state).toBe(a.state);
        if (a.state === 'body') expect(b).toEqual(a);
        expect(a.state).not.toBe('head');
      }),
      RUNS,
    );
  });

  it('TPKT and Q.931: the same messages in any pieces, every one readable or refused in words', () => {
    fc.assert(
      fc.property(inPieces(mutated(Q931)), ({ all, pieces }) => {
        const whole = new TpktReader().push(all);
        const reader = new TpktReader();
        const parts = pieces.map(piece => reader.push(piece));
        const wrong = parts.find(part => typeof part === 'string');
        if (typeof whole === 'string') expect(wrong).toBeDefined();
        else {
          expect(wrong).toBeUndefined();
          expect(parts.flat()).toEqual(whole);
          for (const message of whole) {
            const read = decodeQ931(message);
            if (typeof read !== 'string') expect(read.reference).toBeLessThan(0x8000);
          }
        }
      }),
      RUNS,
    );
  });

  it('SIP: the same heads in any pieces, and a response only with our branch, Call-ID and CSeq', () => {
    fc.assert(
      fc.property(inPieces(mutated(SIP)), ({ all, pieces }) => {
        const whole = new SipReader().push(all);
        const reader = new SipReader();
        const parts = pieces.flatMap<string | { readonly why: string }>(piece => reader.push(piece));
        expect('why' in whole).toBe(parts.some(part => typeof part !== 'string'));
        if ('why' in whole) return;
        expect(parts).toEqual(whole);
        for (const head of whole) {
          if (decodeSipResponse(head, TOKEN).kind === 'response')
            expect(head.split(TOKEN).length).toBeGreaterThan(2);
        }
      }),
      RUNS,
    );
  });

  it('DNS: an answer only to our id and question, with records that are all there', () => {
    let answers = 0;
    fc.assert(
      fc.property(mutated(DNS), bytes => {
        const read = decodeDnsAnswer(QUERY, bytes);
        if (read.kind !== 'answer') return;
        answers++;
        expect([...bytes.slice(0, 2)]).toEqual([...QUERY.slice(0, 2)]);
        if (read.answers > 0) expect(bytes.length).toBeGreaterThanOrEqual(QUERY.length + read.answers * 11);
      }),
      RUNS,
    );
    expect(answers).toBeGreaterThan(10);
    for (let size = 0; size < DNS.length; size++)
      expect(decodeDnsAnswer(QUERY, DNS.slice(0, size)).kind).not.toBe('answer');
  });

  it.each([4, 6] as const)('ICMP over IPv%i: reads or passes over anything', family => {
    const reply = encodeEchoRequest(family, { identifier: 1, sequence: 2, data: new Uint8Array(40) });
    const error = Uint8Array.from([
      family === 4 ? 3 : 1,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      ...new Uint8Array(family === 4 ? 20 : 40),
      ...reply,
    ]);
    error[8] = family === 4 ? 0x45 : 0x60;
    error[family === 4 ? 17 : 14] = family === 4 ? 1 : 58;
    const read = decodeIcmp(family, error);
    expect(read).toMatchObject({ kind: 'unreachable', identifier: 1, sequence: 2 });
    fc.assert(
      fc.property(fc.oneof(mutated(error), mutated(reply)), bytes => {
        const message = decodeIcmp(family, bytes);
        if (message !== undefined) expect(message.sequence).toBeLessThan(0x1_0000);
      }),
      RUNS,
    );
  });
});
