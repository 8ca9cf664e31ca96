/** A manager that stood still (a suspended machine, a long collection of garbage) does not take its own silence for the servers'. */
import { Worker } from 'node:worker_threads';
import { afterEach, expect, test } from 'vitest';
import { createClock } from '../../appliance/host/clock.ts';
import { identify } from '../../appliance/host/keys.ts';
import { createNet } from '../../appliance/host/net.ts';
import { createSessions, type Sessions } from '../../appliance/sessions/sessions.ts';
import { address } from '../../sdk/wire/address.ts';
import { encodeRegistration } from '../../sdk/wire/registration.ts';
import { recordingLog } from '../support/virtual.ts';
import { REGISTER, registered } from '../unit/sessions/harness.ts';

/** A server in a thread of its own, which beats while this one stands still. */
const SERVER = `
const { workerData } = require('node:worker_threads');
const socket = require('node:net').connect(workerData.port, '127.0.0.1', () => {
  socket.write(workerData.register);
  setInterval(() => socket.write(workerData.heartbeat), 100);
});
socket.on('data', () => {}).on('error', () => {});
`;

const workers: Worker[] = [];
afterEach(() => Promise.all(workers.splice(0).map(worker => worker.terminate())));

async function withServers(count: number): Promise<{ sessions: Sessions; port: number }> {
  const sessions: Sessions = createSessions({
    ...{ clock: createClock(), net: createNet(), log: recordingLog(), identify },
    config: { listen: [{ address: address('127.0.0.1'), port: 0 }], tls: undefined, plain: true },
    emit: event => {
      if (event.type === 'message' && event.message.type === 'register')
        sessions.send(event.session, registered(500, event.message.transaction));
    },
  });
  const [port = 0] = await sessions.listen();
  const heartbeat = encodeRegistration({ type: 'heartbeat', sequence: 1 });
  const workerData = { port, heartbeat, register: encodeRegistration(REGISTER) };
  for (let index = 0; index < count; index++) workers.push(new Worker(SERVER, { eval: true, workerData }));
  await expect.poll(() => sessions.counters.heartbeats.heard).toBeGreaterThan(count * 5);
  return { sessions, port };
}

test('sessions outlive a stop of ten heartbeats', async () => {
  const { sessions } = await withServers(3);
  const heard = sessions.counters.heartbeats.heard;
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5000);
  await expect.poll(() => sessions.counters.heartbeats.heard).toBeGreaterThan(heard + 40);
  expect(sessions.size).toBe(3);
  expect([...sessions.counters.ended]).toEqual([]);
  await sessions.stop();
});

test('and yet a server that fell silent meanwhile is found out', async () => {
  const { sessions, port } = await withServers(1);
  const stopped = new Int32Array(new SharedArrayBuffer(4));
  // The worker's thread is stopped in the middle of its loop: its sockets stay open, and silent.
  workers.push(
    new Worker(
      `const { workerData } = require('node:worker_threads');
       const socket = require('node:net').connect(workerData.port, '127.0.0.1', () => {
         socket.write(workerData.register);
         setTimeout(() => Atomics.wait(workerData.stopped, 0, 0, 60_000), 50);
       });`,
      {
        eval: true,
        workerData: { stopped, port, register: encodeRegistration(REGISTER) },
      },
    ),
  );
  await expect.poll(() => sessions.counters.ended.get('heartbeat')).toBe(1);
  expect(sessions.size).toBe(1);
  Atomics.store(stopped, 0, 1);
  Atomics.notify(stopped, 0);
  await sessions.stop();
});
