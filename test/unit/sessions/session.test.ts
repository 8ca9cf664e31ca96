/** What one session does to its stream, seen from directly beneath it. */
import { expect, test } from 'vitest';
import type { Stream } from '../../../appliance/host/ports.ts';
import { SESSION_LIMITS } from '../../../appliance/sessions/limits.ts';
import { Session } from '../../../appliance/sessions/session.ts';
import { Wheel } from '../../../appliance/sessions/wheel.ts';
import type { ServerMessage } from '../../../sdk/wire/messages.ts';
import { encodeRegistration } from '../../../sdk/wire/registration.ts';
import { RegistrationParser } from '../../../sdk/wire/stream.ts';
import { VirtualClock } from '../../support/virtual.ts';
import { REGISTER, registered } from './harness.ts';

const REPORT: ServerMessage = {
  type: 'report',
  reports: [{ service: 1, state: 'up', connections: 0, load: 0 }],
};

function rig(slice: number) {
  const clock = new VirtualClock();
  const calls: string[] = [];
  const written: Uint8Array[] = [];
  const stream: Stream = {
    write: bytes => written.push(bytes) > 0,
    pending: 0,
    pause: () => void calls.push('pause'),
    resume: () => void calls.push('resume'),
    end: () => void calls.push('end'),
    destroy: () => void calls.push('destroy'),
  };
  const session: Session = new Session(stream, {
    limits: { ...SESSION_LIMITS, slice },
    wheel: new Wheel(clock),
    now: () => clock.now(),
    pass: message => {
      if (message.type === 'register') session.send(registered(100));
      else calls.push(message.type);
    },
    passServices: messages => void calls.push(`services ${messages.length}`),
    queue: () => void calls.push('queue'),
    reported: () => {},
    turnIsOver: false,
    refused: code => void calls.push(`refused ${code}`),
    heartbeat() {},
    unsent: () => void calls.push('unsent'),
    over: ({ code }) => void calls.push(`over ${code}`),
  });
  session.onData(encodeRegistration(REGISTER));
  calls.length = 0;
  return { clock, calls, session, written };
}

const reports = (count: number): Uint8Array =>
  Buffer.concat(new Array<Uint8Array>(count).fill(encodeRegistration(REPORT)));

test('while a burst waits for its turn the stream is not read, and after it, it is', () => {
  const { calls, session } = rig(2);
  session.onData(reports(5));
  expect(calls).toEqual(['report', 'report', 'pause', 'queue']);
  calls.length = 0;
  session.work();
  expect(calls).toEqual(['report', 'report', 'pause', 'queue']);
  calls.length = 0;
  session.work();
  expect(calls).toEqual(['report', 'resume']);
});

test('what comes while a burst waits comes after it', () => {
  const { calls, session } = rig(2);
  session.onData(reports(3));
  calls.length = 0;
  session.onData(encodeRegistration({ type: 'drain-service', transaction: 3, service: 1 }));
  expect(calls).toEqual([]);
  session.work();
  expect(calls.slice(0, 2)).toEqual(['report', 'drain-service']);
});

test('a session whose messages wait for us is not silent', () => {
  const { clock, calls, session } = rig(2);
  session.onData(reports(3));
  clock.advanceSync(1000);
  expect(calls).not.toContain('over heartbeat');
  session.work();
  clock.advanceSync(1000);
  expect(calls).toContain('over heartbeat');
});

test('what comes after the end is dropped, and soon the stream too', () => {
  const { calls, session } = rig(10);
  session.dismiss('limit', { code: 'x', sentence: 'enough' });
  expect(calls).toEqual(['resume', 'end', 'over x']);
  for (let count = 0; count < 4; count++) session.onData(new Uint8Array(64 * 1024));
  expect(calls).not.toContain('destroy');
  session.onData(new Uint8Array(1));
  expect(calls).toContain('destroy');
  session.onClose();
  expect(calls.filter(call => call.startsWith('over'))).toEqual(['over x']);
});

test('what is said in one turn goes out as one piece, and once', () => {
  const { calls, session, written } = rig(2);
  session.flush();
  expect(written).toEqual([encodeRegistration(registered(100))]);
  written.length = 0;
  session.send({ type: 'done', transaction: 2 });
  session.send({ type: 'done', transaction: 3 });
  expect([calls, written]).toEqual([['unsent'], []]);
  session.flush();
  session.flush();
  expect(written.map(bytes => new RegistrationParser().push(bytes))).toEqual([
    [
      { type: 'done', transaction: 2 },
      { type: 'done', transaction: 3 },
    ],
  ]);
});

test('what was said before the end goes out before it', () => {
  const { calls, session, written } = rig(2);
  session.send({ type: 'done', transaction: 2 });
  calls.length = 0;
  session.dismiss('conflict', { code: 'superseded', sentence: 'a newer session replaced it' });
  expect(calls).toEqual(['resume', 'end', 'over superseded']);
  const heard = written.flatMap(bytes => new RegistrationParser().push(bytes));
  expect(heard.map(message => message.type)).toEqual(['registered', 'done', 'refused']);
});

test('what a server leaves unread counts before it is sent', () => {
  const { calls, session } = rig(2);
  session.flush();
  const sentence = 'x'.repeat(200);
  for (let left = 2000; left > 0; left--)
    session.send({ type: 'service-state', service: 1, state: 'up', score: 1, reason: sentence });
  expect(calls).toEqual(['unsent', 'destroy', 'over slow-reader']);
});
