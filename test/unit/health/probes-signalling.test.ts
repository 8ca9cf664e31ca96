import { describe, expect, it } from 'vitest';
import {
  decodeQ931,
  encodeStatusEnquiry,
  FRAME_LIMIT,
  TpktReader,
} from '../../../appliance/health/codec/q931.ts';
import {
  decodeSipResponse,
  encodeSipOptions,
  SIP_HEAD_LIMIT,
  SipReader,
} from '../../../appliance/health/codec/sip.ts';
import { address } from '../../../sdk/wire/address.ts';
import { answering, attempt, bench, bytesOf, fromHex, service, targetOf, toHex } from './support.ts';

/** STATUS: cause 30 (response to STATUS ENQUIRY), call state 0 (null), as Q.931 §5.8.10 asks. */
const STATUS_ELEMENTS = '08 02 80 9e 14 01 00';

/** A Q.931 message from the called side, framed, to the reference in the enquiry. */
function q931(
  heard: string,
  type: number,
  elements = '',
  change: (message: Uint8Array) => void = () => {},
): Uint8Array {
  const [high, low] = [heard.charCodeAt(6), heard.charCodeAt(7)];
  const message = Uint8Array.from([8, 2, high | 0x80, low, type, ...fromHex(elements)]);
  change(message);
  return Uint8Array.from([3, 0, 0, message.length + 4, ...message]);
}

/** An H.323 check against a stack that answers the enquiry with what `answer` makes, in pieces of `piece` bytes. */
async function enquire(answer: (heard: string) => Uint8Array | 'close' | 'silence', piece = 10_000) {
  const { world, server, probes } = bench();
  await answering(server, 1720, (heard, stream) => {
    if (heard.length < 41) return;
    const bytes = answer(heard);
    if (bytes === 'close') stream.end();
    else if (bytes !== 'silence')
      for (let at = 0; at < bytes.length; at += piece)
        world.clock.after('piece', at / piece, () => stream.write(bytes.slice(at, at + piece)));
  });
  const result = await attempt(world, probes.h323, targetOf(service({ kind: 'h323' })));
  await world.clock.advance(5_000);
  return { ...result, open: server.endpoints.size };
}

describe('h323', () => {
  it('sends a STATUS ENQUIRY of these bytes', () => {
    expect(toHex(encodeStatusEnquiry(0x1234, fromHex('000102030405060708090a0b0c0d0e0f')))).toBe(
      '03000029 08 02 1234 75 7e 001d 05 08301900 06 00 08 914a 00 04 00 000102030405060708090a0b0c0d0e0f'.replaceAll(
        ' ',
        '',
      ),
    );
  });

  it.each([
    ['STATUS', 0x7d, STATUS_ELEMENTS],
    ['RELEASE COMPLETE', 0x5a, '08 02 80 d1'],
    ['RELEASE', 0x4d, ''],
  ])(
    'passes on %s, in one piece or byte by byte, and leaves no connection',
    async (_name, type, elements) => {
      expect(await enquire(heard => q931(heard, type, elements))).toMatchObject({ outcome: 'pass', open: 0 });
      expect(await enquire(heard => q931(heard, type, elements), 1)).toMatchObject({
        outcome: 'pass',
        open: 0,
      });
    },
  );

  it('passes over keep-alives and messages of other calls', async () => {
    const { outcome } = await enquire(heard =>
      Uint8Array.from([
        ...[3, 0, 0, 4],
        ...q931(heard, 0x62, '', message => message.fill(message[3]! ^ 1, 3, 4)),
        ...q931(heard, 0x7d, STATUS_ELEMENTS),
      ]),
    );
    expect(outcome).toBe('pass');
  });

  it.each<[string, (heard: string) => Uint8Array | 'close' | 'silence', string]>([
    ['HTTP', () => bytesOf('HTTP/1.1 400 Bad Request\r\n\r\n'), 'TPKT version 72, not 3'],
    ['a frame that is too long', () => fromHex('0300ffff0802'), 'a TPKT length of 65535'],
    ['a frame that is too short', () => fromHex('03000003'), 'a TPKT length of 3'],
    ['a message that is too short', () => fromHex('030000080802ffff'), 'less than 5 bytes'],
    [
      'another discriminator',
      heard => q931(heard, 0x7d, '', message => message.fill(9, 0, 1)),
      'protocol discriminator 9',
    ],
    [
      'a call reference of another length',
      heard => q931(heard, 0x7d, '', message => message.fill(1, 1, 2)),
      'a call reference of 1 bytes',
    ],
    [
      'an element that is cut off',
      heard => q931(heard, 0x7d, '08 05 80'),
      'information element 8 is cut off',
    ],
    [
      'a user-user element that is cut off',
      heard => q931(heard, 0x7d, '7e ff ff 05'),
      'information element 126 is cut off',
    ],
    ['another message about the call', heard => q931(heard, 0x05), 'message type 5'],
    ['an end without an answer', () => 'close', 'closed the connection without an answer'],
    [
      'messages of other calls without end',
      heard =>
        Uint8Array.from(
          Array.from({ length: 20 }, () => [...q931(heard, 0x7d, '', m => m.fill(m[3]! ^ 1, 3, 4))]).flat(),
        ),
      'talks of other calls',
    ],
  ])('fails on %s', async (_name, answer, sentence) => {
    const { outcome, reason } = await enquire(answer);
    expect(outcome).toBe('fail');
    expect(reason.sentence).toMatch(sentence);
  });

  it('does not take its own enquiry, echoed, for an answer, nor silence', async () => {
    const stage = 'connected, but no answer to the status enquiry';
    expect(await enquire(heard => bytesOf(heard))).toMatchObject({ outcome: 'fail', stage });
    expect(await enquire(() => 'silence')).toMatchObject({ outcome: 'fail', stage });
  });

  it('reads the cause in both forms, and keeps no more than a frame', () => {
    expect(decodeQ931(fromHex('08 02 8001 7d 08 02 80 9e'))).toMatchObject({ cause: 30 });
    expect(decodeQ931(fromHex('08 02 8001 7d 08 03 00 80 9e'))).toMatchObject({ cause: 30 });
    expect(decodeQ931(fromHex('08 02 8001 7d a1 96 14 01 00'))).toMatchObject({
      cause: undefined,
      reference: 1,
    });
    const reader = new TpktReader();
    expect(reader.push(Uint8Array.from([3, 0, FRAME_LIMIT >> 8, FRAME_LIMIT & 255]))).toEqual([]);
    expect(reader.push(new Uint8Array(FRAME_LIMIT - 4))).toHaveLength(1);
  });
});

const TOKEN = '0123456789abcdef01234567';

/** A response to the request, which is heard as text. */
function sipResponse(request: string, status: string, more = ''): string {
  const header = (name: string): string => new RegExp(`^${name}: .*$`, 'm').exec(request)?.[0].trim() ?? '';
  const lines = ['Via', 'From', 'To', 'Call-ID', 'CSeq'].map(header);
  return [`SIP/2.0 ${status}`, ...lines, `Content-Length: 0${more}`, '', ''].join('\r\n');
}

async function options(transport: 'tcp' | 'udp', answer: (request: string) => readonly string[]) {
  const { world, server, probes } = bench();
  const any = address('0.0.0.0');
  if (transport === 'tcp')
    await answering(server, 5060, (heard, stream) => {
      if (heard.endsWith('\r\n\r\n')) for (const part of answer(heard)) stream.write(bytesOf(part));
    });
  else {
    const socket = await server.net.datagram(
      { address: any, port: 5060 },
      (bytes, from, port) => {
        for (const part of answer(Buffer.from(bytes).toString('latin1')))
          socket.send(bytesOf(part), port, from);
      },
      () => {},
    );
  }
  const spec = service({ kind: 'sip', port: 5060 }, { transport });
  return attempt(world, probes.sip, targetOf(spec));
}

describe.each(['tcp', 'udp'] as const)('sip over %s', transport => {
  it.each([
    '200 OK',
    '404 Not Found',
    '405 Method Not Allowed',
    '501 Not Implemented',
    '603 Decline',
    '302 Moved',
  ])('passes on %s', async status => {
    expect((await options(transport, request => [sipResponse(request, status)])).outcome).toBe('pass');
  });

  it.each(['500 Server Internal Error', '503 Service Unavailable'])('fails on %s', async status => {
    expect((await options(transport, request => [sipResponse(request, status)])).reason).toEqual({
      code: 'check-status',
      sentence: `sip/5060 answered OPTIONS with ${status.slice(0, 3)}`,
    });
  });

  it('waits beyond provisional and foreign responses for the final one', async () => {
    const noise = (request: string): string[] => [
      sipResponse(request, '100 Trying'),
      sipResponse(request.replace(/branch=\w+/, 'branch=z9hG4bKother'), '200 OK'),
      sipResponse(request.replace(/Call-ID: \w+/, 'Call-ID: other'), '200 OK'),
      sipResponse(request.replace('CSeq: 1', 'CSeq: 2'), '200 OK'),
    ];
    expect(await options(transport, noise)).toMatchObject({
      outcome: 'fail',
      reason: { code: 'check-timeout' },
    });
    const { outcome } = await options(transport, request => [
      ...noise(request),
      sipResponse(request, '200 OK'),
    ]);
    expect(outcome).toBe('pass');
  });

  it('fails on what is not SIP', async () => {
    expect((await options(transport, () => ['HTTP/1.1 200 OK\r\n\r\n'])).reason).toEqual({
      code: 'check-malformed',
      sentence: 'sip/5060 answered with something that is not a SIP response',
    });
  });
});

describe('the SIP codec', () => {
  const request = encodeSipOptions({
    transport: 'udp',
    address: address('fd00::2'),
    port: 5060,
    localPort: 4000,
    token: TOKEN,
  });

  it('asks as RFC 3261 has it, with the address of IPv6 in brackets', () => {
    const lines = Buffer.from(request).toString().split('\r\n');
    expect(lines.slice(0, 3)).toEqual([
      'OPTIONS sip:[fd00::2]:5060 SIP/2.0',
      `Via: SIP/2.0/UDP bivouac.invalid:4000;rport;branch=z9hG4bK${TOKEN}`,
      'Max-Forwards: 70',
    ]);
    expect(lines.slice(-2)).toEqual(['', '']);
  });

  it('reads compact names, folded lines and headers in any case', () => {
    const head = `SIP/2.0 200\r\nv: SIP/2.0/UDP x;received=1.2.3.4\r\n ;BRANCH = z9hG4bK${TOKEN};rport=4\r\nI:${TOKEN}@bivouac.invalid\r\ncseq : 1  OPTIONS`;
    expect(decodeSipResponse(head, TOKEN)).toEqual({ kind: 'response', status: 200 });
  });

  it('cuts a stream at every split point, and passes over bodies', () => {
    const text = `\r\n\r\n${sipResponse(Buffer.from(request).toString(), '100 Trying').replace('Content-Length: 0', 'l: 6')}abc\r\n\r${sipResponse(Buffer.from(request).toString(), '200 OK')}`;
    const whole = new SipReader().push(bytesOf(text));
    expect(whole).toHaveLength(2);
    for (let split = 0; split < text.length; split++) {
      const reader = new SipReader();
      const heads = [text.slice(0, split), text.slice(split)].flatMap(
        part => reader.push(bytesOf(part)) as string[],
      );
      expect(heads).toEqual(whole);
    }
  });

  it('gives up on a head without end', () => {
    expect(new SipReader().push(new Uint8Array(SIP_HEAD_LIMIT + 1).fill(65))).toEqual({
      why: expect.stringMatching('8192'),
    });
  });
});
