/** The registration stream: what outlives a bad message, what ends, and what is never held. */
import { expect, test } from 'vitest';
import { WireError } from '../../../sdk/wire/errors.ts';
import type { RegistrationMessage } from '../../../sdk/wire/messages.ts';
import { encodeRegistration } from '../../../sdk/wire/registration.ts';
import { RegistrationParser } from '../../../sdk/wire/stream.ts';
import { bytesOf, vectors } from '../../support/vectors.ts';

const heartbeat = (sequence: number): RegistrationMessage => ({ type: 'heartbeat', sequence });
const join = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap(part => [...part]));
const vector = (name: string) => vectors.find(candidate => candidate.name === name)!.bytes;

function thrown(act: () => unknown): WireError {
  try {
    act();
  } catch (error) {
    if (error instanceof WireError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

test('a bad message costs itself alone', () => {
  const parser = new RegistrationParser();
  parser.feed(
    join(encodeRegistration(heartbeat(1)), vector('mandatory-unknown'), encodeRegistration(heartbeat(2))),
  );
  expect(parser.next()).toEqual(heartbeat(1));
  expect(thrown(() => parser.next())).toMatchObject({
    code: 'unknown-mandatory',
    transaction: 6,
    fatal: false,
  });
  expect(parser.next()).toEqual(heartbeat(2));
  expect(parser.next()).toBeUndefined();
});

test('an unknown message that wants no answer is skipped, one that wants an answer is named', () => {
  const unknown = (transaction: number) => bytesOf(`4256013f00000000 0000000${transaction}`);
  const parser = new RegistrationParser();
  expect(parser.push(join(unknown(0), encodeRegistration(heartbeat(3))))).toEqual([heartbeat(3)]);
  expect(thrown(() => parser.push(unknown(9)))).toMatchObject({ code: 'unknown-mandatory', transaction: 9 });
});

test.each([
  ['another protocol', bytesOf('474554202f20485454502f31'), 'malformed'],
  ['another version', bytesOf('42560201000000000000 0001'), 'version'],
])('%s ends the stream for good', (_case, bytes, code) => {
  const parser = new RegistrationParser();
  expect(thrown(() => parser.push(bytes))).toMatchObject({ code, fatal: true });
  expect(thrown(() => parser.push(encodeRegistration(heartbeat(1))))).toMatchObject({ code, fatal: true });
});

test('a message over the limit is refused from its header alone', () => {
  const parser = new RegistrationParser({ maxMessage: 4096 });
  const header = bytesOf('42560109 1000 0000 00000000');
  expect(thrown(() => parser.push(header))).toMatchObject({ code: 'limit', fatal: true });
});

test('the longest message passes, byte strings and all, in small pieces', () => {
  const long = bytesOf('42560109 fff3 0000 00000000');
  const body = new Uint8Array(0xfff3);
  body.set([0x7f, 0x01, 0xff, 0xef]);
  const parser = new RegistrationParser();
  const whole = join(long, body, encodeRegistration(heartbeat(1)));
  const seen: string[] = [];
  for (let at = 0; at < whole.length; at += 97) {
    parser.feed(whole.slice(at, at + 97));
    for (;;) {
      try {
        const message = parser.next();
        if (message === undefined) break;
        seen.push(message.type);
      } catch (error) {
        seen.push((error as WireError).code);
      }
    }
    expect(parser.buffered).toBeLessThanOrEqual(65_535);
  }
  // A report without reports is malformed; what matters is that its unknown 65,519 bytes were skipped.
  expect(seen).toEqual(['malformed', 'heartbeat']);
});

test('what was read does not change when the receive buffer is used again', () => {
  const chunk = new Uint8Array(vector('lease'));
  const [message] = new RegistrationParser().push(chunk);
  const before = structuredClone(message);
  chunk.fill(0);
  expect(message).toEqual(before);
});

test.each([
  [{ type: 'drain-service', transaction: 0, service: 1 }, 'transaction 0'],
  [{ type: 'drain-service', transaction: 1, service: 0 }, '0x0020 (service-id)'],
  [{ type: 'drain-service', transaction: 1, service: 1.5 }, '1.5 is not within'],
  [
    { type: 'lease-request', transaction: 1, family: 4, shared: false, service: 'UPPER' },
    "'UPPER' is not a DNS name",
  ],
  [{ type: 'report', reports: [] }, '(report) is missing'],
] as [RegistrationMessage, string][])('what a peer would refuse is not written: %j', (message, says) => {
  expect(thrown(() => encodeRegistration(message)).message).toContain(says);
});

test('sentences are cut at a character and freed of control characters, never refused', () => {
  const sentence = `line\r\n\u001b[31m${'é'.repeat(300)}`;
  const bytes = encodeRegistration({ type: 'refused', transaction: 0, code: 'internal', sentence });
  const [read] = new RegistrationParser().push(bytes);
  expect(read).toMatchObject({ code: 'internal' });
  const text = (read as { sentence: string }).sentence;
  expect(text.startsWith('line    [31mé'.replace('    ', '   '))).toBe(true);
  expect(new TextEncoder().encode(text).length).toBeGreaterThan(508);
  expect(text.endsWith('é')).toBe(true);
});

test('an error code of a newer peer counts as internal', () => {
  const bytes = encodeRegistration({ type: 'refused', transaction: 7, code: 'limit', sentence: '' });
  bytes[17] = 200;
  expect(new RegistrationParser().push(bytes)).toEqual([
    { type: 'refused', transaction: 7, code: 'internal', sentence: '' },
  ]);
});
