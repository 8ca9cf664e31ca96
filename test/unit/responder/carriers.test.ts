import { beforeEach, describe, expect, test } from 'vitest';
import type { Signer } from '../../../appliance/host/ports.ts';
import { Answers } from '../../../appliance/responder/answers.ts';
import { Cookies } from '../../../appliance/responder/cookies.ts';
import { LinkCarrier } from '../../../appliance/responder/link-carrier.ts';
import { SourceLimits } from '../../../appliance/responder/source-limits.ts';
import { UdpCarrier } from '../../../appliance/responder/udp-carrier.ts';
import { address, type Mac } from '../../../sdk/wire/address.ts';
import { encodeAnycast } from '../../../sdk/wire/anycast.ts';
import { anycastQueryFrame, decodeArp, encodeArp, NO_ADDRESS } from '../../../sdk/wire/arp.ts';
import { signedPart } from '../../../sdk/wire/signing.ts';
import { seededRandom, VirtualClock } from '../../support/virtual.ts';
import {
  CLIENT,
  directory,
  expectType,
  MANAGER,
  NONCE,
  newCounters,
  OWN,
  queryBytes,
  station,
} from './support.ts';

const VIP = address('10.9.0.1');
const SOURCE = address('192.0.2.7');
const small = directory({ [VIP]: { '10.1.0.11': ['tcp/80 http www.cell 700'] } });
const large = directory({
  [VIP]: Object.fromEntries(
    Array.from({ length: 200 }, (_, index) => [`10.1.1.${index}`, [`tcp/80 http www.cell ${index + 1}`]]),
  ),
});
const signer: Signer = {
  id: MANAGER,
  publicKey: new Uint8Array(44),
  sign: bytes => Uint8Array.from({ length: 64 }, (_, index) => bytes.length + index),
};

let clock: VirtualClock;
let counters: ReturnType<typeof newCounters>;
let answers: Answers;
beforeEach(() => {
  clock = new VirtualClock();
  counters = newCounters();
  answers = new Answers({ clock, manager: MANAGER, signer, validity: 5000 });
});

describe('over UDP', () => {
  let carrier: UdpCarrier;
  const ask = (bytes: Uint8Array, from = SOURCE): Uint8Array[] => {
    const sent: Uint8Array[] = [];
    carrier.receive(bytes, from, back => void sent.push(back));
    return sent;
  };
  const proof = (bytes: Uint8Array): Uint8Array => expectType(ask(bytes)[0], 'cookie').cookie;

  beforeEach(() => {
    const cookies = new Cookies(clock, seededRandom(1));
    carrier = new UdpCarrier({ clock, answers, cookies, rate: 100, counters, onFull: () => {} });
    answers.setDirectory(small);
  });

  test('a query that is as long as its answer is answered at once', () => {
    const [answer] = ask(queryBytes({ vip: VIP, padding: 300 }));
    expect(expectType(answer, 'answer')).toEqual({
      type: 'answer',
      nonce: NONCE,
      manager: MANAGER,
      vip: VIP,
      part: 1,
      parts: 1,
      validity: 5000,
      servers: [{ address: '10.1.0.11', score: 700, services: [expect.objectContaining({ score: 700 })] }],
    });
  });

  test('a shorter one gets a cookie, no longer than itself; with the cookie it is answered', () => {
    const first = queryBytes({ vip: VIP, padding: 30 });
    const back = ask(first);
    expect(back).toHaveLength(1);
    expect(back[0]!.length).toBeLessThanOrEqual(first.length);
    const { cookie } = expectType(back[0], 'cookie');
    expectType(ask(queryBytes({ vip: VIP, cookie }))[0], 'answer');
    expect(counters.udp).toMatchObject({ 'needs-cookie': 1, answered: 1 });
  });

  test('a cookie of another address is none', () => {
    const cookie = proof(queryBytes({ vip: VIP, padding: 30 }));
    const back = ask(queryBytes({ vip: VIP, cookie, padding: 30 }), address('192.0.2.8'));
    expectType(back[0], 'cookie');
    expect(back).toHaveLength(1);
  });

  test('one that is too short even for a cookie gets nothing', () => {
    expect(ask(queryBytes())).toEqual([]);
    expect(counters.udp['too-short']).toBe(1);
  });

  test('each answer bears the nonce of its own query, from the cache too', () => {
    const nonces = [1, 2, 3].map(number => new Uint8Array(8).fill(number));
    const back = nonces.map(nonce =>
      expectType(ask(queryBytes({ vip: VIP, nonce, padding: 300 }))[0], 'answer'),
    );
    expect(back.map(({ nonce }) => nonce)).toEqual(nonces);
  });

  test('a new directory is answered from at once', () => {
    const bytes = queryBytes({ vip: VIP, padding: 300 });
    ask(bytes);
    answers.setDirectory(directory({ [VIP]: { '10.1.0.12': ['tcp/80 http www.cell 10'] } }));
    carrier.forget();
    expect(expectType(ask(bytes)[0], 'answer').servers.map(server => server.address)).toEqual(['10.1.0.12']);
  });

  test('a long answer comes in numbered parts, each within a safe datagram, best server first', () => {
    answers.setDirectory(large);
    const cookie = proof(queryBytes({ vip: VIP, padding: 30 }));
    const parts = ask(queryBytes({ vip: VIP, cookie })).map(part => expectType(part, 'answer'));
    expect(parts.length).toBeGreaterThan(3);
    expect(parts.map(({ part }) => part)).toEqual(parts.map((_, index) => index + 1));
    expect(new Set(parts.map(({ parts: all }) => all))).toEqual(new Set([parts.length]));
    const scores = parts.flatMap(({ servers }) => servers.map(server => server.score));
    expect(scores).toEqual(Array.from({ length: 200 }, (_, index) => 200 - index));
    for (const part of ask(queryBytes({ vip: VIP, cookie }))) expect(part.length).toBeLessThanOrEqual(1232);
  });

  test('a signed answer only to a proven address; the signature covers the nonce', () => {
    const padded = queryBytes({ vip: VIP, signed: true, padding: 900 });
    const cookie = proof(padded);
    const [bytes] = ask(queryBytes({ vip: VIP, signed: true, cookie }));
    expect(expectType(bytes, 'answer').signature).toEqual(signer.sign(signedPart(bytes!)));
  });

  test('without a key a signed answer is refused', () => {
    answers = new Answers({ clock, manager: MANAGER, signer: undefined, validity: 5000 });
    answers.setDirectory(small);
    const cookies = new Cookies(clock, seededRandom(1));
    carrier = new UdpCarrier({ clock, answers, cookies, rate: 100, counters, onFull: () => {} });
    const [refusal] = ask(queryBytes({ vip: VIP, signed: true, padding: 300 }));
    expect(expectType(refusal, 'query-refused')).toMatchObject({ code: 'not-permitted', nonce: NONCE });
  });

  test('what is not known is said: an empty answer, for the question was put to us', () => {
    const [answer] = ask(queryBytes({ vip: address('10.9.9.9'), padding: 300 }));
    expect(expectType(answer, 'answer').servers).toEqual([]);
    expect(counters.udp['no-such-vip']).toBe(1);
  });

  test('an unknown mandatory element is refused, with its number, and within the length of the query', () => {
    const bytes = queryBytes({ vip: VIP, padding: 200 });
    const at = bytes.length - 204;
    bytes.set([0xff, 0x99], at);
    const [refusal] = ask(bytes);
    const message = expectType(refusal, 'query-refused');
    expect(message.code).toBe('unknown-mandatory');
    expect(message.sentence).toContain('0x7f99');
    expect(refusal!.length).toBeLessThanOrEqual(bytes.length);
  });

  test('answers, cookies and noise are not answered, whoever sends them', () => {
    expect(ask(encodeAnycast({ type: 'cookie', nonce: NONCE, cookie: new Uint8Array(8) }))).toEqual([]);
    expect(ask(new Uint8Array(100))).toEqual([]);
    expect(ask(new Uint8Array(0))).toEqual([]);
    expect(counters.udp['not-a-query']).toBe(3);
  });

  test('a source has a rate, a proven one a higher', () => {
    const bytes = queryBytes({ vip: VIP, padding: 300 });
    const cookie = proof(queryBytes({ vip: VIP, padding: 30 }));
    const proven = queryBytes({ vip: VIP, cookie });
    expect(Array.from({ length: 500 }, () => ask(bytes)).flat()).toHaveLength(199);
    expect(Array.from({ length: 500 }, () => ask(proven)).flat()).toHaveLength(500);
  });

  test('before there is a directory nothing is answered', () => {
    answers = new Answers({ clock, manager: MANAGER, signer, validity: 5000 });
    const cookies = new Cookies(clock, seededRandom(1));
    carrier = new UdpCarrier({ clock, answers, cookies, rate: 100, counters, onFull: () => {} });
    expect(ask(queryBytes({ vip: VIP, padding: 300 }))).toEqual([]);
  });
});

describe('on the link', () => {
  let carrier: LinkCarrier;
  let sent: Uint8Array[];
  const ask = (frame: Uint8Array): Uint8Array[] => {
    sent = [];
    carrier.receive(frame);
    return sent;
  };
  const frame = (message: Uint8Array, destination?: Mac): Uint8Array =>
    anycastQueryFrame(CLIENT, address('10.1.0.99'), VIP, message, destination);

  beforeEach(() => {
    const limits = new SourceLimits<number>(clock, 100, () => {});
    carrier = new LinkCarrier(
      { answers, limits, counters, send: bytes => void sent.push(bytes.slice()) },
      station(),
    );
    answers.setDirectory(small);
  });

  test("the answer goes to the asker alone, from the manager's own address, never the VIP", () => {
    const [answer] = ask(frame(queryBytes({ vip: VIP })));
    const decoded = decodeArp(answer!)!;
    expect(decoded).toMatchObject({
      destination: CLIENT,
      source: OWN,
      operation: 'answer',
      senderMac: OWN,
      senderAddress: '10.1.0.1',
      targetMac: CLIENT,
      targetAddress: '10.1.0.99',
    });
    expect(expectType(decoded.message, 'answer')).toMatchObject({ nonce: NONCE, vip: VIP });
  });

  test('the second asker gets nothing of the first', () => {
    ask(frame(queryBytes({ vip: VIP })));
    const other = '02:00:00:00:00:98' as Mac;
    const nonce = new Uint8Array(8).fill(9);
    const [answer] = ask(anycastQueryFrame(other, NO_ADDRESS, VIP, queryBytes({ vip: VIP, nonce })));
    const decoded = decodeArp(answer!)!;
    expect(decoded).toMatchObject({ destination: other, targetMac: other, targetAddress: '0.0.0.0' });
    expect(expectType(decoded.message, 'answer').nonce).toEqual(nonce);
  });

  test('a manager that knows nothing of it keeps silent: another one may answer', () => {
    expect(ask(frame(queryBytes({ vip: address('10.9.9.9') })))).toEqual([]);
    expect(ask(frame(queryBytes({ name: 'nothing.cell' })))).toEqual([]);
    answers.setDirectory(directory({}));
    carrier.forget();
    expect(ask(frame(queryBytes()))).toEqual([]);
    expect(counters.link).toMatchObject({ 'no-such-vip': 1, 'no-such-name': 1, 'nothing-here': 1 });
  });

  test('unless it is asked alone, also after it was asked with others', () => {
    const unknown = queryBytes({ vip: address('10.9.9.9') });
    expect(ask(frame(unknown))).toEqual([]);
    const [answer] = ask(frame(unknown, OWN));
    expect(expectType(decodeArp(answer!)!.message, 'answer').servers).toEqual([]);
    expect(ask(frame(unknown))).toEqual([]);
  });

  test('but says so when it knows the VIP and nothing matches', () => {
    const [answer] = ask(frame(queryBytes({ vip: VIP, selector: { protocol: 'ftp' } })));
    expect(expectType(decodeArp(answer!)!.message, 'answer').servers).toEqual([]);
  });

  test('parts fit the MTU', () => {
    answers.setDirectory(large);
    carrier.setStation(station({ mtu: 600 }));
    const frames = ask(frame(queryBytes({ vip: VIP })));
    expect(frames.length).toBeGreaterThan(10);
    for (const bytes of frames) expect(bytes.length).toBeLessThanOrEqual(614);
    const servers = frames.flatMap(bytes => expectType(decodeArp(bytes)!.message, 'answer').servers);
    expect(servers).toHaveLength(200);
  });

  test('a signed answer', () => {
    const [answer] = ask(frame(queryBytes({ vip: VIP, signed: true })));
    const message = decodeArp(answer!)!.message!;
    expect(expectType(message, 'answer').signature).toEqual(signer.sign(signedPart(message)));
  });

  test('not for us: another station, a forged sender, a sender that is a group, our own', () => {
    ask(frame(queryBytes({ vip: VIP }), '02:00:00:00:00:55' as Mac));
    const forged = frame(queryBytes({ vip: VIP }));
    forged[27] = 1;
    expect(ask(forged)).toEqual([]);
    expect(ask(anycastQueryFrame('03:00:00:00:00:99' as Mac, NO_ADDRESS, VIP, queryBytes()))).toEqual([]);
    expect(ask(anycastQueryFrame(OWN, NO_ADDRESS, VIP, queryBytes()))).toEqual([]);
    expect(counters.link['not-for-us']).toBe(4);
  });

  test('to us by name is answered, and one station has its rate', () => {
    const direct = frame(queryBytes({ vip: VIP }), OWN);
    expect(Array.from({ length: 500 }, () => ask(direct)).flat()).toHaveLength(200);
    expect(counters.link['rate-limited']).toBe(300);
  });

  test('a malformed query is refused, a frame without a message ignored', () => {
    const bytes = queryBytes({ vip: VIP });
    bytes[bytes.length - 5] = 3; // The length of the VIP element.
    const [refusal] = ask(frame(bytes));
    expect(expectType(decodeArp(refusal!)!.message, 'query-refused').code).toBe('malformed');
    const empty = encodeArp({ ...decodeArp(frame(queryBytes()))!, message: new Uint8Array(0) });
    expect(ask(empty)).toEqual([]);
    expect(ask(frame(queryBytes()).subarray(0, 50))).toEqual([]);
  });
});
