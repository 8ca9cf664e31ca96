/**
 * The floor beneath the scale figures: a Node server that takes the same connections and gives the same bytes for the same requests, and
 * does nothing else: `node bench-floor.mjs PORT`. What it takes, no manager on Node can save.
 */
import { createServer } from 'node:net';
import type { Address } from '../../sdk/wire/address.ts';
import type { ManagerMessage } from '../../sdk/wire/messages.ts';
import type { ManagerId, ServerId } from '../../sdk/wire/model.ts';
import { encodeRegistration } from '../../sdk/wire/registration.ts';

const SERVICES = 3;
const manager = 'a'.repeat(64) as ManagerId;
const bytesOf = (...messages: ManagerMessage[]): Uint8Array =>
  Buffer.concat(messages.map(message => encodeRegistration(message)));
const services = Array.from({ length: SERVICES }, (_, at) => at + 1);

/** What each server is told in turn, a write each: it is registered, its lease, its services taken, its services up. */
const registered = bytesOf({
  type: 'registered',
  transaction: 1,
  version: 1,
  manager,
  name: 'scale',
  heartbeat: 60_000,
  software: 'bivouac 0.1.0',
});
const lease = bytesOf({
  type: 'lease',
  transaction: 2,
  lease: {
    vip: '10.128.0.1' as Address,
    server: 'b'.repeat(64) as ServerId,
    issuer: manager,
    epoch: 1,
    duration: 3600,
    shared: true,
    signature: new Uint8Array(64),
  },
});
const done = bytesOf(...services.map(service => ({ type: 'done', transaction: 2 + service }) as const));
const up = bytesOf(
  ...services.map(
    service =>
      ({
        type: 'service-state',
        service,
        state: 'up',
        score: 1000,
        reason: 'no check was asked: its server vouches for it',
      }) as const,
  ),
);

createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 15_000 }, socket => {
  let heard = 0;
  socket.on('data', () => {
    heard++;
    if (heard === 1) socket.write(registered);
    else if (heard === 2) socket.write(lease);
    else if (heard === 3) {
      socket.write(done);
      setImmediate(() => socket.write(up));
    }
  });
  socket.on('error', () => socket.destroy());
}).listen({ host: '127.0.0.1', port: Number(process.argv[2]), backlog: 1024 }, () => {
  process.stderr.write('ready\n');
});
