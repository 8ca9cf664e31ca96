import { describe, expect, it } from 'vitest';
import { BODY_LIMIT, HEAD_LIMIT } from '../../../appliance/health/codec/http-response.ts';
import { answering, attempt, bench, bytesOf, service, targetOf } from './support.ts';

const http = (check = {}) =>
  targetOf(service({ kind: 'http', port: 80, target: '/healthz', ...check }, { name: 'web.example' }));

/** Runs an http check against a server that sends `pieces` one after the other and then does what `then` says. */
async function get(pieces: readonly string[], check = {}, then: 'close' | 'stay' | 'reset' = 'close') {
  const { world, server, probes } = bench();
  let request = '';
  await answering(server, 80, (heard, stream) => {
    request = heard;
    if (!heard.endsWith('\r\n\r\n')) return;
    for (const [index, piece] of pieces.entries())
      world.clock.after('piece', index, () => stream.write(bytesOf(piece)));
    world.clock.after('then', pieces.length, () => {
      if (then === 'close') stream.end();
      if (then === 'reset') server.kill('reset');
    });
  });
  const result = await attempt(world, probes.http, http(check));
  await world.clock.advance(5_000);
  return { ...result, request, timers: world.clock.pending, open: server.endpoints.size };
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello';

describe('tcp', () => {
  it('passes when the port accepts, and closes the connection', async () => {
    const { world, server, probes } = bench();
    await answering(server, 1720, () => {});
    const result = await attempt(world, probes.tcp, targetOf(service()));
    expect(result).toMatchObject({ outcome: 'pass', reason: { sentence: 'tcp/1720 passed' } });
    await world.clock.advance(3_000);
    expect(server.endpoints.size).toBe(0);
  });

  it('fails at once when it is refused', async () => {
    const { world, probes } = bench();
    const result = await attempt(world, probes.tcp, targetOf(service()));
    expect(result).toMatchObject({
      outcome: 'fail',
      reason: { code: 'check-refused', sentence: 'tcp/1720 refused the connection' },
    });
    expect(world.clock.now()).toBe(2);
  });

  it('lets go when it is aborted', async () => {
    const { world, server, manager, probes } = bench();
    server.silent = true;
    const result = await attempt(world, probes.tcp, targetOf(service()));
    expect(result.reason.code).toBe('check-timeout');
    expect(manager.endpoints.size).toBe(0);
  });

  it('takes trouble of this host for no fault of the server', async () => {
    const { world, manager, probes } = bench();
    manager.addresses.length = 0;
    await expect(
      probes.tcp(targetOf(service()), { signal: new AbortController().signal, stage: '' }),
    ).rejects.toThrow('no address');
    expect(world.clock.timers).toBe(0);
  });
});

describe('http', () => {
  it('asks by GET with the name of the service, and passes on 200', async () => {
    const { outcome, request, timers, open } = await get([OK]);
    expect(outcome).toBe('pass');
    expect(request.split('\r\n').slice(0, 2)).toEqual(['GET /healthz HTTP/1.1', 'Host: web.example']);
    expect(timers).toEqual([]);
    expect(open).toBe(0);
  });

  it('fails on a status out of range and names it', async () => {
    const { reason } = await get(['HTTP/1.1 503 Service Unavailable\r\n\r\n']);
    expect(reason).toEqual({
      code: 'check-status',
      sentence: 'http/80 GET /healthz answered 503, wanted 200–399',
    });
    expect((await get(['HTTP/1.1 503 X\r\n\r\n'], { expectStatus: [500, 503] })).outcome).toBe('pass');
    expect((await get([OK], { expectStatus: [201, 204] })).reason.sentence).toMatch(
      'answered 200, wanted 201–204',
    );
  });

  it('looks for a text in the body: by length, in chunks, to the end; split anywhere', async () => {
    const bodies = [
      'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nall is well',
      'HTTP/1.0 200 OK\r\n\r\nall is well',
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nall \r\n7;x=y\r\nis well\r\n0\r\n\r\n',
      'HTTP/1.1 200 OK\nContent-Length: 11\n\nall is well',
    ];
    for (const body of bodies)
      for (let split = 1; split < body.length; split++) {
        const pieces = [body.slice(0, split), body.slice(split)];
        expect(await get(pieces, { expectText: 'is well' })).toMatchObject({ outcome: 'pass' });
      }
    expect(await get([bodies[0]!], { expectText: 'is ill' })).toMatchObject({
      outcome: 'fail',
      reason: {
        code: 'check-mismatch',
        sentence: "http/80 GET /healthz answered 200, but 'is ill' is not in its body",
      },
    });
    expect(
      (await get(['HTTP/1.1 200 OK\r\n\r\nschön'.replace('ö', 'Ã¶')], { expectText: 'schön' })).outcome,
    ).toBe('pass');
  });

  it('does not look beyond the first 64 KiB, nor wait for the end of a body without end', async () => {
    const block = 'x'.repeat(8_192);
    const late = [
      'HTTP/1.1 200 OK\r\n\r\n',
      ...Array.from({ length: BODY_LIMIT / 8_192 }, () => block),
      'needle',
    ];
    expect((await get(late, { expectText: 'needle' }, 'stay')).reason.sentence).toMatch(
      'not in the first 64 KiB',
    );
    expect(await get(late, {}, 'stay')).toMatchObject({ outcome: 'pass' });
  });

  it.each([
    ['a server that says nothing and closes', [], 'closed the connection without an answer'],
    ['another protocol', ['SSH-2.0-OpenSSH_9.2\r\n'], "answered 'SSH-2.0-OpenSSH_9.2?', which is not HTTP/1"],
    ['HTTP/2', ['HTTP/2 200\r\n\r\n'], 'is not HTTP/1'],
    ['a bad status line', ['HTTP/1.1 2000 OK\r\n\r\n'], 'which is not a status line'],
    [
      'a head without end',
      Array.from({ length: 20 }, () => `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(1_000)}\r\n`),
      `more than ${HEAD_LIMIT} bytes`,
    ],
    [
      'interim responses without end',
      Array.from({ length: 20 }, () => 'HTTP/1.1 102 Wait\r\n\r\n'),
      'more than 8 interim',
    ],
    [
      'two lengths',
      ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n'],
      "the length '5, 6'",
    ],
    ['a negative length', ['HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n'], "the length '-5'"],
    [
      'a chunk size that is none',
      ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n'],
      "the chunk size 'xyz'",
    ],
    [
      'a chunk longer than its size',
      ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n'],
      'longer than its size',
    ],
    [
      'a chunk-size line without end',
      [
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
        ...Array.from({ length: 20 }, () => '1'.repeat(1_000)),
      ],
      'endless chunk-size line',
    ],
    ['an end within the head', ['HTTP/1.1 200 OK\r\nX'], 'closed the connection within the header section'],
  ])('fails on %s', async (_name, pieces, sentence) => {
    const { outcome, reason } = await get(pieces, { expectText: 'needle' });
    expect(outcome).toBe('fail');
    expect(reason.code).toBe('check-malformed');
    expect(reason.sentence).toMatch(sentence);
  });

  it('says what it waited for when it is timed out', async () => {
    expect(await get([], {}, 'stay')).toMatchObject({ outcome: 'fail', stage: 'connected, but no answer' });
    expect(await get([OK.slice(0, -1)], { expectText: 'hello' }, 'stay')).toMatchObject({
      stage: 'the body has not ended',
    });
  });

  it('fails when it is reset', async () => {
    expect((await get(['HTTP/1.1 2'], {}, 'reset')).reason.code).toMatch(/check-(closed|malformed)/);
  });

  it.each(['/x\r\nHost: evil', 'x', '/a b', '/ü'])('sends no path like %j', async path => {
    const { reason, request } = await get([OK], { target: path });
    expect(reason.code).toBe('check-invalid');
    expect(reason.sentence).not.toMatch(/[\r\n]/);
    expect(request).toBe('');
  });
});
