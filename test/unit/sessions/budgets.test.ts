/** What a session may take, and that none takes it from another. */
import { expect, test } from 'vitest';
import type { SessionId } from '../../../appliance/registry/state.ts';
import { address } from '../../../sdk/wire/address.ts';
import type { ServerMessage } from '../../../sdk/wire/messages.ts';
import { encodeRegistration } from '../../../sdk/wire/registration.ts';
import { bench, endings, passed, REGISTER, registered, SERVER_ID, server } from './harness.ts';

const report = (service: number): ServerMessage => ({
  type: 'report',
  reports: [{ service, state: 'up', connections: 1, load: 1 }],
});
const request = (transaction: number): ServerMessage => ({ type: 'drain-service', transaction, service: 1 });

test('a flood of messages ends the session of its sender alone', async () => {
  const b = await bench({ limits: { messages: { perSecond: 100, burst: 200 } } });
  const [flood, good] = [server(b, 2), server(b, 3)];
  for (const one of [flood, good]) one.say(REGISTER);
  good.beat();
  await b.world.clock.advance(10);
  flood.say(...Array.from({ length: 300 }, (_, index) => report(index + 1)));
  await b.world.clock.advance(500);
  expect(flood.of('refused')).toMatchObject([
    { code: 'limit', sentence: 'more than 100 messages a second: send fewer' },
  ]);
  expect(endings(b)).toEqual(['limit']);
  expect(passed(b).filter(type => type === 'report').length).toBeLessThanOrEqual(200);
  expect(good.closed).toBeUndefined();
});

test('each lease that is presented counts, for it is a signature to verify', async () => {
  const b = await bench({ limits: { messages: { perSecond: 1, burst: 50 } } });
  const one = server(b);
  const lease = {
    ...{ vip: address('10.255.0.1'), server: SERVER_ID, issuer: SERVER_ID as never, epoch: 1 },
    ...{ duration: 60, shared: false, signature: new Uint8Array(64) },
  };
  const register = { ...REGISTER, leases: new Array(20).fill(lease) } as ServerMessage;
  one.say(register, register, register);
  await b.world.clock.advance(10);
  expect(passed(b)).toEqual(['register', 'register']);
  expect(endings(b)).toEqual(['limit']);
});

test('a steady stream within the rate goes on for ever', async () => {
  const b = await bench({ limits: { messages: { perSecond: 100, burst: 20 } } });
  const one = server(b);
  one.say(REGISTER);
  for (let round = 0; round < 100; round++) {
    one.say(...Array.from({ length: 9 }, (_, index) => report(index + 1)));
    await b.world.clock.advance(100);
  }
  expect(endings(b)).toEqual([]);
  expect(passed(b)).toHaveLength(901);
});

test('a flood of bytes ends the session', async () => {
  const b = await bench({ limits: { bytes: { perSecond: 1000, burst: 5000 } } });
  const one = server(b);
  one.say(REGISTER);
  await b.world.clock.advance(10);
  const reports = Array.from(
    { length: 400 },
    (_, index) => ({ service: index + 1, state: 'up', connections: 0, load: 0 }) as const,
  );
  one.say({ type: 'report', reports });
  await b.world.clock.advance(10);
  expect(one.refusals).toEqual(['limit']);
  expect(endings(b)).toEqual(['limit']);
});

test('a burst is handled in slices, and others are heard in between', async () => {
  const b = await bench({ limits: { slice: 8 } });
  const [busy, other] = [server(b, 2), server(b, 3)];
  for (const one of [busy, other]) one.say(REGISTER);
  await b.world.clock.advance(10);
  busy.stream.write(Buffer.concat(Array.from({ length: 200 }, () => encodeRegistration(report(1)))));
  other.say(report(2));
  await b.world.clock.advance(50);
  const services = b.events.flatMap(event =>
    event.type === 'message' && event.message.type === 'report' ? [event.message.reports[0]!.service] : [],
  );
  expect(services).toHaveLength(201);
  expect(services.indexOf(2), 'after one slice of the burst').toBe(8);
});

test.each([
  ['up', 2],
  ['down', 6],
] as const)(
  'of many long reports that come at once, of what is %s, %d are handled before all else',
  async (state, few) => {
    const order: string[] = [];
    const b = await bench({
      limits: { reports: 4 },
      reply(message) {
        if (message.type === 'register') return registered(100);
        if (order.push(message.type) === 1) b.world.clock.after('other', 0, () => void order.push('other'));
        return undefined;
      },
    });
    const all = Array.from({ length: 6 }, (_, index) => server(b, 2 + index));
    for (const one of all) one.say(REGISTER);
    await b.world.clock.advance(10);
    const reports = [1, 2, 3].map(id => ({ service: id, state, connections: 0, load: 0 }) as const);
    for (const one of all) one.say({ type: 'report', reports });
    await b.world.clock.advance(10);
    expect(order.filter(what => what === 'report')).toHaveLength(6);
    expect(order.indexOf('other'), order.join(' ')).toBe(few);
  },
);

test('requests without an answer are bounded: one more is refused, the session goes on', async () => {
  const b = await bench({
    limits: { outstanding: 4 },
    reply: message => (message.type === 'register' ? registered(100) : undefined),
  });
  const one = server(b);
  one.say(REGISTER, ...[2, 3, 4, 5, 6, 7].map(request));
  one.beat();
  await b.world.clock.advance(10);
  expect(one.of('refused').map(({ transaction, code }) => [transaction, code])).toEqual([
    [6, 'limit'],
    [7, 'limit'],
  ]);
  b.sessions.send('s1' as SessionId, { type: 'done', transaction: 2 });
  one.say(request(8));
  await b.world.clock.advance(10);
  expect(one.of('refused')).toHaveLength(2);
  expect(one.closed).toBeUndefined();
});

test('a server that reads nothing is cut when too much waits for it', async () => {
  const b = await bench({ limits: { pendingBytes: 20_000 } });
  const one = server(b);
  one.say(REGISTER);
  one.beat();
  await b.world.clock.advance(10);
  one.stream.pause();
  const reason = 'x'.repeat(500);
  for (let count = 0; count < 400; count++) {
    b.sessions.send('s1' as SessionId, { type: 'service-state', service: 1, state: 'up', score: 1, reason });
    await b.world.clock.advance(1);
  }
  expect(endings(b)).toEqual(['slow-reader']);
  expect(b.sessions.size).toBe(0);
});

test('a message that drips for ever is no sign of life for ever', async () => {
  const b = await bench({ limits: { messageWithin: 2000 } });
  const one = server(b);
  one.say(REGISTER);
  await b.world.clock.advance(10);
  const bytes = encodeRegistration(REGISTER);
  for (let at = 0; at < 60 && one.closed === undefined; at++) {
    one.stream.write(bytes.subarray(at, at + 1));
    await b.world.clock.advance(50);
  }
  expect(endings(b)).toEqual(['message-timeout']);
  expect(one.refusals).toEqual(['limit']);
});

test('an unending stream of whole messages is never taken for a dripping one', async () => {
  const b = await bench({ limits: { messageWithin: 500 } });
  const one = server(b);
  one.say(REGISTER);
  const bytes = encodeRegistration(report(1));
  const half = bytes.length >> 1;
  one.stream.write(bytes.subarray(0, half));
  for (let round = 0; round < 40; round++) {
    await b.world.clock.advance(50);
    one.stream.write(Uint8Array.of(...bytes.subarray(half), ...bytes.subarray(0, half)));
  }
  expect(endings(b)).toEqual([]);
});

test('sessions are bounded, in all and from one address; who is over is told', async () => {
  const b = await bench({ limits: { sessions: 3, perAddress: 2 } });
  const three = [server(b, 2), server(b, 2), server(b, 2)];
  await b.world.clock.advance(10);
  expect(three.map(({ refusals }) => refusals)).toEqual([[], [], ['limit']]);
  expect(three[2]!.of('refused')[0]!.sentence).toContain('2 sessions from 10.0.0.2');
  const fourth = server(b, 3);
  const fifth = server(b, 4);
  await b.world.clock.advance(10);
  expect(fourth.refusals).toEqual([]);
  expect(fifth.of('refused')[0]!.sentence).toContain('this manager has 3 sessions');
  three[0]!.stream.end();
  await b.world.clock.advance(10);
  const sixth = server(b, 4);
  await b.world.clock.advance(10);
  expect(sixth.refusals, 'a place that was given up is free again').toEqual([]);
});

test('a flood of connections beyond the limit is dropped without a word, and leaves nothing behind', async () => {
  const b = await bench({ limits: { perAddress: 2 } });
  const many = Array.from({ length: 100 }, () => server(b, 2));
  await b.world.clock.advance(5);
  expect(many.filter(({ refusals }) => refusals.length > 0).length).toBeLessThanOrEqual(16);
  expect(b.sessions.size).toBe(2);
  await b.world.clock.advance(11_000);
  expect(many.every(({ closed }) => closed !== undefined)).toBe(true);
  expect(b.world.clock.pending).toEqual([]);
});

test('500 stuck sessions do not delay a good one by a moment', async () => {
  const alone = await registrationTime(0);
  expect(await registrationTime(500)).toBe(alone);
});

/** Virtual ms from the connection to `registered`, with so many connections that are stuck in every way there is. */
async function registrationTime(stuck: number): Promise<number> {
  const b = await bench();
  const part = encodeRegistration(REGISTER).subarray(0, 20);
  for (let index = 0; index < stuck; index++) {
    const one = server(b, 100 + index);
    if (index % 3 === 0) one.stream.write(part);
    if (index % 3 === 1) {
      one.say(REGISTER);
      one.stream.pause();
    }
  }
  await b.world.clock.advance(20);
  const good = server(b, 2);
  good.say(REGISTER);
  return b.world.clock.runUntil(() => good.of('registered').length > 0, 1000);
}
