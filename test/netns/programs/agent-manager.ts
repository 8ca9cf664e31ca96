/**
 * A manager that grants everything, for the agent's tests: prints each message that it hears as a line of JSON. Runs as a program
 * of its own (bundled by agent.test.ts).
 */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { type Address, address } from '../../../sdk/wire/address.ts';
import { decodeAnycast, encodeAnycast } from '../../../sdk/wire/anycast.ts';
import { type RegistrationMessage, type ServerMessage, WELL_KNOWN } from '../../../sdk/wire/messages.ts';
import type { ManagerId, ServerId } from '../../../sdk/wire/model.ts';
import { encodeRegistration } from '../../../sdk/wire/registration.ts';
import { RegistrationParser } from '../../../sdk/wire/stream.ts';

const argument = (name: string): string | undefined =>
  process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : undefined;
const manager = (argument('--id') ?? 'ab').repeat(32) as ManagerId;
/** ms; long, so that nothing is found out by silence: a busy machine is silent, too. */
const HEARTBEAT = 3000;
const print = (value: object): void =>
  console.log(JSON.stringify(value, (_key, field) => (field instanceof Uint8Array ? [...field] : field)));

createServer(socket => {
  const parser = new RegistrationParser();
  let server = '' as ServerId;
  const say = (message: RegistrationMessage): void => void socket.write(encodeRegistration(message));
  const beat = setInterval(() => say({ type: 'heartbeat', sequence: 0 }), HEARTBEAT);
  socket.on('close', () => clearInterval(beat)).on('error', () => {});
  socket.on('data', bytes => {
    for (const message of parser.push(bytes) as ServerMessage[]) {
      if (message.type !== 'heartbeat') print({ ...message, at: Date.now() });
      if (!('transaction' in message)) continue;
      const { transaction } = message;
      if (message.type === 'register') {
        server = message.server;
        say({
          type: 'registered',
          transaction,
          version: 1,
          manager,
          name: 'm',
          heartbeat: HEARTBEAT,
          software: '',
        });
      } else if (message.type === 'lease-request' || message.type === 'lease-renew') {
        const vip: Address = message.vip ?? address('10.99.0.1');
        const lease = {
          vip,
          server,
          issuer: manager,
          epoch: 1,
          duration: 60,
          shared: false,
          signature: new Uint8Array(0),
        };
        say({ type: 'lease', transaction, lease });
      } else {
        say({ type: 'done', transaction });
        if (message.type === 'register-service')
          say({ type: 'service-state', service: message.service.id, state: 'up', score: 1000, reason: '' });
      }
    }
  });
}).listen(9746, '0.0.0.0', () => console.log('listening'));

const invite = argument('--invite');
if (invite !== undefined) {
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  socket.on('message', (bytes, from) => {
    const message = decodeAnycast(bytes);
    if (message.type !== 'solicit') return;
    print(message);
    const { nonce } = message;
    const answer = {
      type: 'invite',
      nonce,
      manager,
      name: 'm',
      address: address(invite),
      port: 9746,
      tls: false,
    } as const;
    socket.send(encodeAnycast(answer), from.port, from.address);
  });
  socket.bind(9747, () => socket.addMembership(WELL_KNOWN.solicitGroup4, invite));
}
