/** A session's life: registration, heartbeats, the ways it ends. */
import { expect, test } from 'vitest';
import type { SessionId } from '../../../appliance/registry/state.ts';
import { createSessions } from '../../../appliance/sessions/sessions.ts';
import { virtualWorld } from '../../support/virtual.ts';
import { bench, endings, identity, passed, RawServer, REGISTER, SERVER_ID, server } from './harness.ts';

test('a register reaches the registry with who sent it, and its answer the server', async () => {
  const b = await bench();
  const one = server(b);
  one.say(REGISTER);
  await b.world.clock.advance(10);
  expect(b.events).toEqual([
    {
      type: 'message',
      session: 's1',
      claims: { server: undefined, names: undefined, vips: undefined, ports: undefined },
      peer: '10.0.0.2',
      message: { ...REGISTER, certificates: [] },
    },
  ]);
  expect(one.of('registered')).toHaveLength(1);
  expect(b.sessions.size).toBe(1);
  expect(b.world.log.of('sessions-unauthenticated')).toMatchObject([{ level: 'warning' }]);
});

test('without a certificate, and without being told to go without, it does not listen', async () => {
  const world = virtualWorld();
  const { net } = world.network.host('m', '10.0.0.1');
  const sessions = createSessions({
    ...{ clock: world.clock, net, log: world.log, identify: () => SERVER_ID, emit() {} },
    config: { listen: [], tls: undefined, plain: false },
  });
  await expect(sessions.listen()).rejects.toThrow("set 'tls'");
});

test('both sides beat, and a session that beats lives', async () => {
  const b = await bench();
  const one = server(b);
  one.say(REGISTER);
  one.beat();
  await b.world.clock.advance(10_000);
  expect(endings(b)).toEqual([]);
  const beats = one.of('heartbeat');
  expect(beats.length).toBeGreaterThanOrEqual(94);
  expect(beats.length).toBeLessThanOrEqual(100);
  expect(beats.map(({ sequence }) => sequence)).toEqual(beats.map((_, index) => index + 1));
  expect(passed(b)).toEqual(['register']);
  expect(b.sessions.counters.heartbeats.heard).toBeGreaterThan(95);
});

test('no heartbeat is sent while other messages are', async () => {
  const b = await bench();
  const one = server(b);
  one.say(REGISTER);
  one.beat();
  await b.world.clock.advance(50);
  for (let round = 0; round < 20; round++) {
    b.sessions.send('s1' as SessionId, { type: 'done', transaction: 7 });
    await b.world.clock.advance(90);
  }
  expect(one.of('heartbeat')).toEqual([]);
});

test('a host that vanishes is given up after three silent intervals', async () => {
  const b = await bench();
  const one = server(b);
  one.say(REGISTER);
  await b.world.clock.advance(1);
  one.host.silent = true;
  await b.world.clock.advance(295);
  expect(endings(b)).toEqual([]);
  const took = await b.world.clock.runUntil(() => endings(b).length > 0, 1000);
  expect(endings(b)).toEqual(['heartbeat']);
  expect(295 + took).toBeLessThan(320);
  expect(b.sessions.size).toBe(0);
});

test('the interval is the one that `registered` said', async () => {
  const b = await bench({
    reply: message => (message.type === 'register' ? { ...REGISTERED_20, transaction: 1 } : undefined),
  });
  const one = server(b);
  one.say(REGISTER);
  await b.world.clock.advance(55);
  expect(endings(b)).toEqual([]);
  await b.world.clock.advance(20);
  expect(endings(b)).toEqual(['heartbeat']);
});

test.each([
  ['slower', 500],
  ['faster', 20],
])('a reload makes heartbeats %s, once the server has said that it goes by it', async (_, interval) => {
  const b = await bench();
  const one = server(b);
  one.say(REGISTER);
  await b.world.clock.advance(10);
  b.sessions.pace(wish => (wish === 0 ? interval : wish));
  one.beat();
  await b.world.clock.advance(110);
  expect(one.of('pace')).toEqual([{ type: 'pace', heartbeat: interval }]);
  // Until it says so it is held to the old one, and an answer of another interval is none.
  one.say({ type: 'pace', heartbeat: 1234 });
  one.fallSilent();
  await b.world.clock.advance(250);
  expect(endings(b)).toEqual([]);
  one.say({ type: 'pace', heartbeat: interval });
  const heard = one.of('heartbeat').length;
  await b.world.clock.advance(3 * interval - 10);
  expect(endings(b)).toEqual([]);
  expect([2, 3]).toContain(one.of('heartbeat').length - heard);
  await b.world.clock.advance(50);
  expect(endings(b)).toEqual(['heartbeat']);
  expect(passed(b)).toEqual(['register']);
});

test('a server that wished for its own interval keeps it, and one that does not know of it keeps the old', async () => {
  const b = await bench();
  const [own, old] = [server(b, 2), server(b, 3)];
  own.say({ ...REGISTER, heartbeat: 100 } as typeof REGISTER);
  old.say(REGISTER);
  for (const one of [own, old]) one.beat();
  await b.world.clock.advance(10);
  b.sessions.pace(wish => wish || 5000);
  await b.world.clock.advance(3000);
  expect(own.of('pace')).toEqual([]);
  expect(old.of('pace')).toHaveLength(1);
  // It is beaten to as before.
  expect(old.of('heartbeat').length).toBeGreaterThan(25);
  expect(endings(b)).toEqual([]);
});

test('a server process that dies is noticed at once', async () => {
  for (const how of ['fin', 'reset'] as const) {
    const b = await bench();
    const one = server(b);
    one.say(REGISTER);
    await b.world.clock.advance(50);
    one.host.kill(how);
    await b.world.clock.advance(1);
    expect(endings(b)).toEqual(['closed']);
  }
});

test('what arrived while this process stood still is read before silence is judged', async () => {
  const b = await bench();
  const one = server(b);
  one.say(REGISTER);
  await b.world.clock.advance(10);
  // After three intervals, and after the timer that finds so, as if both had waited for this process to run again.
  b.world.clock.after('late', 297, () => one.say({ type: 'heartbeat', sequence: 1 }));
  await b.world.clock.advance(350);
  expect(endings(b)).toEqual([]);
});

test('a connection that never registers is told, and closed after its time', async () => {
  const b = await bench();
  const idle = server(b);
  await b.world.clock.advance(9_990);
  expect(idle.closed).toBeUndefined();
  await b.world.clock.advance(50);
  expect(idle.refusals).toEqual(['out-of-order']);
  expect(idle.closed).toBe('closed');
  expect(b.events, 'the registry never heard of it').toEqual([]);
  expect(b.sessions.counters.ended.get('register-timeout')).toBe(1);
});

test('a half-open connection whose register was refused does not live on', async () => {
  const b = await bench({
    reply: ({ type }) =>
      type === 'register' ? { type: 'refused', transaction: 1, code: 'limit', sentence: 'full' } : undefined,
  });
  const one = server(b);
  one.say(REGISTER);
  one.beat();
  await b.world.clock.advance(10_010);
  expect(endings(b)).toEqual(['register-timeout']);
  expect(b.sessions.counters.refused.get('limit')).toBe(1);
});

test('with TLS the claims are the certificate’s', async () => {
  const b = await bench({ tls: identity('MANAGER') });
  b.world.network.certificates.set('SERVER', {
    publicKey: new Uint8Array(32).fill(0x5e),
    uris: ['urn:bivouac:role:server', 'urn:bivouac:name:*.mcu.mission', 'urn:bivouac:vip:10.255.0.0/24'],
    subject: 'CN=mcu1',
    serial: '01',
  });
  const one = server(b, 2, identity('SERVER'));
  one.say(REGISTER);
  await b.world.clock.advance(10);
  expect(b.events[0]).toMatchObject({
    claims: { server: SERVER_ID, names: ['*.mcu.mission'], vips: ['10.255.0.0/24'], ports: [] },
  });
});

test('a certificate without the role of a server is refused, with the mend', async () => {
  const b = await bench({ tls: identity('MANAGER') });
  b.world.network.certificates.set('CLIENT', {
    ...{ publicKey: new Uint8Array(32), subject: 'CN=phone', serial: '02' },
    uris: ['urn:bivouac:role:client'],
  });
  const one = server(b, 2, identity('CLIENT'));
  one.say(REGISTER);
  await b.world.clock.advance(10);
  expect(one.of('refused')[0]).toMatchObject({
    code: 'not-permitted',
    sentence:
      "the certificate of CN=phone has not the role 'server': issue one with 'bivouac pki issue --role server'",
  });
  expect(one.closed).toBe('closed');
  expect(b.events).toEqual([]);
});

test('a revoked certificate is refused, and the session that its holder has ends; the others go on', async () => {
  const b = await bench({ tls: identity('MANAGER') });
  for (const [name, serial] of [
    ['LOST', '0A1B'],
    ['GOOD', '0C'],
  ] as const)
    b.world.network.certificates.set(name, {
      ...{ publicKey: new Uint8Array(32), subject: `CN=${name}`, serial },
      uris: ['urn:bivouac:role:server'],
    });
  const [lost, good] = [server(b, 2, identity('LOST')), server(b, 3, identity('GOOD'))];
  for (const one of [lost, good]) {
    one.say(REGISTER);
    one.beat();
  }
  await b.world.clock.advance(10);
  b.sessions.revoke(new Set(['A1B']));
  await b.world.clock.advance(10);
  const refusal = {
    code: 'not-permitted',
    sentence: expect.stringContaining('CN=LOST (serial number 0A1B) was revoked'),
  };
  expect(lost.of('refused')).toMatchObject([refusal]);
  expect(lost.closed).toBe('closed');
  expect(endings(b)).toEqual(['not-permitted']);
  expect(good.closed).toBeUndefined();

  const again = server(b, 2, identity('LOST'));
  await b.world.clock.advance(10);
  expect(again.of('refused')).toMatchObject([refusal]);
  expect(b.sessions.counters.refused.get('not-permitted')).toBe(2);
  b.sessions.revoke(new Set());
  const pardoned = server(b, 2, identity('LOST'));
  await b.world.clock.advance(10);
  expect(pardoned.of('refused')).toEqual([]);
});

test('a failed handshake is counted and logged with its address', async () => {
  const b = await bench({ tls: identity('MANAGER') });
  const one = server(b);
  one.say(REGISTER);
  await b.world.clock.advance(10);
  expect(b.sessions.counters.refused.get('tls')).toBe(1);
  expect(b.world.log.of('session-refused')).toMatchObject([{ fields: { code: 'tls', peer: '10.0.0.2' } }]);
});

test('a session that the registry ends is told why, and reported', async () => {
  const b = await bench();
  const one = server(b);
  one.say(REGISTER);
  await b.world.clock.advance(10);
  b.sessions.end('s1' as SessionId, { code: 'superseded', sentence: 'the server registered anew' });
  await b.world.clock.advance(10);
  expect(one.of('refused')).toMatchObject([
    { transaction: 0, code: 'conflict', sentence: 'the server registered anew' },
  ]);
  expect(one.closed).toBe('closed');
  expect(endings(b)).toEqual(['superseded']);
  b.sessions.send('s1' as SessionId, { type: 'done', transaction: 1 });
  expect(b.sessions.size).toBe(0);
});

test('stopping tells the servers, sends what is pending, takes nobody new, and counts nobody as lost', async () => {
  const b = await bench();
  const one = server(b);
  one.say(REGISTER);
  await b.world.clock.advance(10);
  b.sessions.send('s1' as SessionId, { type: 'done', transaction: 5 });
  await b.world.clock.runToEnd(b.sessions.stop());
  expect(one.of('done')).toHaveLength(1);
  expect(one.refusals).toEqual(['shutting-down']);
  expect(one.closed).toBe('closed');
  expect(endings(b)).toEqual([]);
  const late = new RawServer(b.world, one.host);
  await b.world.clock.advance(10);
  expect(late.closed).toContain('ECONNREFUSED');
});

test('stopping does not wait for ever for a server that does not read', async () => {
  const b = await bench();
  const one = server(b);
  one.say(REGISTER);
  await b.world.clock.advance(10);
  one.host.silent = true;
  const begun = b.world.clock.now();
  await b.world.clock.runToEnd(b.sessions.stop());
  expect(b.world.clock.now() - begun).toBeLessThanOrEqual(3000);
});

test('a fault of the manager’s own refuses one request, and takes nobody’s session but its sender’s', async () => {
  const b = await bench({
    reply: message => {
      if (message.type === 'deregister') throw new Error('bug');
      return message.type === 'register' ? { ...REGISTERED_20, heartbeat: 100, transaction: 1 } : undefined;
    },
  });
  const [bad, good] = [server(b, 2), server(b, 3)];
  for (const one of [bad, good]) {
    one.say(REGISTER);
    one.beat();
  }
  await b.world.clock.advance(10);
  bad.say({ type: 'deregister', transaction: 9 });
  await b.world.clock.advance(1000);
  expect(bad.of('refused')).toMatchObject([{ transaction: 9, code: 'internal' }]);
  expect(good.closed).toBeUndefined();
  expect(b.world.log.of('session-message-failed')).toHaveLength(1);
});

const REGISTERED_20 = {
  type: 'registered',
  ...{ version: 1, manager: SERVER_ID as never, name: 'm1', heartbeat: 20, software: 'test' },
} as const;
