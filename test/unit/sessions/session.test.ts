/** What one session does to its stream, seen from directly beneath it. */
import { expect, test } from 'vitest';
import type { Stream } from '../../../appliance/host/ports.ts';
import { SESSION_LIMITS } from '../../../appliance/sessions/limits.ts';
import { Session } from '../../../appliance/sessions/session.ts';
import { Wheel } from '../../../appliance/sessions/wheel.ts';
import type { ServerMessage } from '../../../sdk/wire/messages.ts';
import { encodeRegistration } from '../../../sdk/wire/registration.ts';
import { VirtualClock } from '../../support/virtual.ts';
import { REGISTER, registered } from './harness.ts';

const REPORT: ServerMessage = {
  type: 'report',
  reports: [{ service: 1, state: 'up', connections: 0, load: 0 }],
};

function rig(slice: number) {
  const clock = new VirtualClock();
  const calls: string[] = [];
  const stream: Stream = {
    write: () => true,
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
    queue: () => void calls.push('queue'),
    refused: code => void calls.push(`refused ${code}`),
    heartbeat() {},
    over: ({ code }) => void calls.push(`over ${code}`),
  });
  session.onData(encodeRegistration(REGISTER));
  return { clock, calls, session };
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
