/** Bytes that break the protocol. */
import { expect, test } from 'vitest';
import { encodeRegistration } from '../../../sdk/wire/registration.ts';
import { bench, endings, passed, REGISTER, registered, server } from './harness.ts';

const bytes = encodeRegistration(REGISTER);
const changed = (at: number, ...values: number[]): Uint8Array => {
  const copy = bytes.slice();
  copy.set(values, at);
  return copy;
};

test('another version is refused as such, and the session ends', async () => {
  const b = await bench();
  const one = server(b);
  one.stream.write(changed(2, 9));
  await b.world.clock.advance(10);
  expect(one.of('refused')).toMatchObject([{ code: 'version', transaction: 1 }]);
  expect(one.of('refused')[0]!.sentence).toContain('version 9 is not spoken here');
  expect(one.closed).toBe('closed');
  expect(b.events).toEqual([]);
  expect(b.sessions.counters.refused.get('version')).toBe(1);
  expect(b.world.log.of('session-refused')).toMatchObject([
    { fields: { code: 'version', peer: '10.0.0.2' } },
  ]);
});

test('another protocol is refused as malformed', async () => {
  const b = await bench();
  const one = server(b);
  one.stream.write(new TextEncoder().encode('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
  await b.world.clock.advance(10);
  expect(one.refusals).toEqual(['malformed']);
  expect(one.closed).toBe('closed');
});

test('a request with elements that are out of order is refused; the session goes on', async () => {
  const b = await bench();
  const one = server(b);
  one.say(REGISTER);
  one.beat();
  await b.world.clock.advance(10);
  // A mandatory element that nobody knows, in a request that is otherwise in order.
  const lease = encodeRegistration({ type: 'drain-service', transaction: 77, service: 5 });
  lease[12] = 0xff;
  one.stream.write(lease);
  one.say({ type: 'drain-service', transaction: 78, service: 5 });
  await b.world.clock.advance(10);
  expect(one.of('refused')).toMatchObject([{ transaction: 77, code: 'unknown-mandatory' }]);
  expect(passed(b)).toEqual(['register', 'drain-service']);
  expect(one.closed).toBeUndefined();
});

test('who makes mistake after mistake is closed', async () => {
  const b = await bench({ limits: { mistakes: 4 } });
  const one = server(b);
  one.say(REGISTER);
  await b.world.clock.advance(10);
  const lease = encodeRegistration({ type: 'drain-service', transaction: 77, service: 5 });
  lease[12] = 0xff;
  for (let count = 0; count < 6; count++) one.stream.write(lease);
  await b.world.clock.advance(10);
  expect(one.refusals).toHaveLength(4);
  expect(endings(b)).toEqual(['unknown-mandatory']);
});

test('nothing is heard of a server before its register', async () => {
  const b = await bench();
  const one = server(b);
  one.say({ type: 'drain-service', transaction: 5, service: 1 }, REGISTER);
  await b.world.clock.advance(10);
  expect(one.of('refused')).toMatchObject([{ transaction: 5, code: 'out-of-order' }]);
  expect(one.closed).toBe('closed');
  expect(b.events).toEqual([]);
});

test('a message of a manager is not for a server to send', async () => {
  const b = await bench();
  const one = server(b);
  one.say(REGISTER, registered(100));
  await b.world.clock.advance(10);
  expect(one.refusals).toEqual(['out-of-order']);
  expect(endings(b)).toEqual(['out-of-order']);
});

test('who goes on sending after the end is cut', async () => {
  const b = await bench();
  const one = server(b);
  one.stream.write(changed(2, 9));
  await b.world.clock.advance(2);
  for (let count = 0; count < 10; count++) one.stream.write(new Uint8Array(60_000));
  await b.world.clock.advance(50);
  expect(one.closed).toBeDefined();
  expect(passed(b)).toEqual([]);
});
