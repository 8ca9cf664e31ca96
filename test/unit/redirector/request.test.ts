import { expect, test } from 'vitest';
import { LONGEST_HEAD, RequestReader } from '../../../appliance/redirector/request.ts';
import { redirection, refusal } from '../../../appliance/redirector/response.ts';
import { address } from '../../../sdk/wire/address.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const read = (text: string) => new RequestReader().push(bytes(text));

test.each([
  ['GET / HTTP/1.1\r\nHost: www\r\n\r\n', 'GET', '/'],
  ['POST /a/b?c=d&e=%20 HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc', 'POST', '/a/b?c=d&e=%20'],
  ['\r\n\r\nHEAD /x HTTP/1.1\n\n', 'HEAD', '/x'],
  ['GET http://www.mission:80/y?z HTTP/1.1\r\n\r\n', 'GET', '/y?z'],
  ['GET http://www.mission HTTP/1.1\r\n\r\n', 'GET', '/'],
  ['GET http://www.mission?q HTTP/1.1\r\n\r\n', 'GET', '/?q'],
  ['GET //evil.example/x HTTP/1.1\r\n\r\n', 'GET', '//evil.example/x'],
  ['GET /a#b HTTP/1.1\r\n\r\n', 'GET', '/a'],
])('%j', (text, method, target) => {
  expect(read(text)).toEqual({ method, target });
  // Whatever the pieces are in which it comes.
  const reader = new RequestReader();
  const outcomes = [...bytes(text)].map(byte => reader.push(Uint8Array.of(byte)));
  expect(outcomes.find(outcome => outcome !== undefined)).toEqual({ method, target });
});

test.each([
  ['GET\r\n\r\n', 400],
  ['GET  / HTTP/1.1\r\n\r\n', 400],
  ['GET / HTTP/1.1 \r\n\r\n', 400],
  ['GET /\u0000 HTTP/1.1\r\n\r\n', 400],
  ['GET /\r HTTP/1.1\r\n\r\n', 400],
  ['GET /é HTTP/1.1\r\n\r\n', 400],
  ['OPTIONS * HTTP/1.1\r\n\r\n', 400],
  ['CONNECT www:443 HTTP/1.1\r\n\r\n', 400],
  ['GET ftp://www/ HTTP/1.1\r\n\r\n', 400],
  ['\u0016\u0003\u0001\u0000\n\n', 400],
  ['PRI * HTTP/2.0\r\n\r\n', 505],
  [`GET /${'a'.repeat(LONGEST_HEAD)}`, 431],
])('%j is refused', (text, status) => {
  expect(read(text)).toMatchObject({ status });
});

test('nothing is said before the head is complete', () => {
  expect(read('GET / HTTP/1.1\r\nHost: www\r\n')).toBeUndefined();
  expect(read('\r\n'.repeat(10_000))).toBeUndefined();
});

test('the answers, to the byte', () => {
  const text = (answer: Uint8Array): string => new TextDecoder().decode(answer);
  expect(text(redirection({ address: address('10.2.0.7'), port: 8080 }, '/a?b'))).toBe(
    'HTTP/1.1 307 Temporary Redirect\r\nLocation: http://10.2.0.7:8080/a?b\r\nContent-Length: 0\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n',
  );
  expect(text(redirection({ address: address('fd00::7'), port: 81 }, '/'))).toContain(
    'Location: http://[fd00::7]:81/\r\n',
  );
  expect(text(refusal(503, 'no server is up'))).toBe(
    'HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 16\r\nCache-Control: no-store\r\nConnection: close\r\n\r\nno server is up\n',
  );
  expect(text(refusal(503, 'no server is up', true)).endsWith('\r\n\r\n')).toBe(true);
});
