/** Registration over real TLS on loopback: who is let in, who is not, and that the stuck hold up nobody. */
import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createClock } from '../../appliance/host/clock.ts';
import { createSigner, identify } from '../../appliance/host/keys.ts';
import { createNet } from '../../appliance/host/net.ts';
import type { TlsIdentity } from '../../appliance/host/ports.ts';
import type { Event } from '../../appliance/registry/events.ts';
import { createSessions, type Sessions } from '../../appliance/sessions/sessions.ts';
import { address } from '../../sdk/wire/address.ts';
import { type RegistrationMessage, WELL_KNOWN } from '../../sdk/wire/messages.ts';
import { encodeRegistration } from '../../sdk/wire/registration.ts';
import { RegistrationParser } from '../../sdk/wire/stream.ts';
import { recordingLog } from '../support/virtual.ts';
import { REGISTER, registered } from '../unit/sessions/harness.ts';
import { createMission, type Mission } from './mission.ts';

let mission: Mission;
let other: Mission;
let manager: TlsIdentity;
let server: TlsIdentity;
let sessions: Sessions;
let port: number;
let events: Event[] = [];
const log = recordingLog();

beforeAll(async () => {
  mission = await createMission('falcon');
  other = await createMission('owl');
  manager = await mission.issue('m1', 'manager');
  server = await mission.issue('mcu1', 'server');
  sessions = createSessions({
    ...{ clock: createClock(), net: createNet(), log, identify },
    config: {
      listen: [{ address: address('127.0.0.1'), port: 0 }],
      tls: manager,
      plain: false,
      limits: { perAddress: 1000 },
    },
    emit: event => {
      events.push(event);
      if (event.type === 'message' && event.message.type === 'register')
        sessions.send(event.session, registered(10_000, event.message.transaction));
    },
  });
  [port] = (await sessions.listen()) as [number];
});

afterAll(async () => {
  await sessions.stop();
  mission.remove();
  other.remove();
});

interface Outcome {
  readonly heard: readonly RegistrationMessage[];
  /** How the connection ended, if it did before a message came. */
  readonly ended: string | undefined;
}

/** Connects with a certificate, registers, and gives what happened first: a message, or the end. */
function attempt(identity: TlsIdentity | undefined, options: ConnectionOptions = {}): Promise<Outcome> {
  return new Promise(resolve => {
    const socket = open(identity, options);
    const parser = new RegistrationParser();
    let failure = 'closed';
    socket.on('error', error => {
      failure = error.message;
    });
    socket.on('close', () => resolve({ heard: [], ended: failure }));
    socket.on('data', (bytes: Buffer) => {
      const heard = parser.push(bytes);
      socket.destroy();
      resolve({ heard, ended: undefined });
    });
    socket.on('secureConnect', () => socket.write(encodeRegistration(REGISTER)));
  });
}

function open(identity: TlsIdentity | undefined, options: ConnectionOptions = {}): TLSSocket {
  return connectTls({
    ...{ host: '127.0.0.1', port, ca: (identity ?? server).ca, checkServerIdentity: () => undefined },
    ...(identity && { cert: identity.certificate, key: identity.key }),
    ALPNProtocols: [WELL_KNOWN.alpn],
    ...options,
  });
}

/** Does it, and finds that nobody was registered and that the manager logged such a reason. */
async function expectRefusal(act: () => Promise<Outcome>, reason: RegExp): Promise<void> {
  const before = log.of('session-refused').length;
  const { heard } = await act();
  expect(heard).toEqual([]);
  const reasons = () =>
    log
      .of('session-refused')
      .slice(before)
      .map(({ fields }) => fields['sentence']);
  await expect.poll(reasons).toContainEqual(expect.stringMatching(reason));
}

test('a server of the mission registers, and its claims are its certificate’s', async () => {
  events = [];
  const { heard } = await attempt(server);
  expect(heard).toMatchObject([{ type: 'registered' }]);
  expect(events[0]).toMatchObject({
    type: 'message',
    peer: '127.0.0.1',
    claims: { server: createSigner(server.key).id, names: ['*'], vips: ['*'], ports: ['*'] },
  });
});

test('no certificate, no session', async () => {
  await expectRefusal(() => attempt(undefined), /^no certificate was shown$/);
});

test('a certificate of another mission is refused', async () => {
  const stranger = await other.issue('mcu1', 'server');
  await expectRefusal(() => attempt({ ...stranger, ca: server.ca }), /^the certificate does not verify: /);
});

test('a server’s own certificate is no authority', async () => {
  const leaf = await mission.issueFrom('mcu1', 'mcu9', 'server');
  const chain = { ...leaf, certificate: leaf.certificate + server.certificate, ca: server.ca };
  await expectRefusal(() => attempt(chain), /^the certificate does not verify: /);
});

test('a certificate that has ended is taken, since clocks are not looked at; one that is forged as well is not', async () => {
  const expired = await mission.issue('old', 'server', '20010101000000Z');
  expect((await attempt(expired)).heard).toMatchObject([{ type: 'registered' }]);
  const forged = await other.issue('old', 'server', '20010101000000Z');
  await expectRefusal(() => attempt({ ...forged, ca: server.ca }), /^the certificate does not verify: /);
});

test('a certificate of another role is refused, and told how to get the right one', async () => {
  const client = await mission.issue('phone', 'client');
  const { heard } = await attempt(client);
  expect(heard).toMatchObject([{ type: 'refused', code: 'not-permitted', transaction: 0 }]);
});

test('a server’s certificate does not pass for a manager’s', async () => {
  // As a client sees it: the certificate is not for TLS servers, whatever its roles.
  const net = createNet();
  const errors: (string | undefined)[] = [];
  const impostor = await net.listen(
    { address: address('127.0.0.1'), port: 0, tls: server },
    () => ({ onData() {}, onClose() {} }),
    () => {},
  );
  net.connect(
    { address: address('127.0.0.1'), port: impostor.port, tls: { identity: server, verify: true } },
    { onData() {}, onClose: error => void errors.push(error) },
  );
  await expect.poll(() => errors).toEqual(['unsuitable certificate purpose']);
  impostor.close();
});

test('TLS 1.2 is refused', async () => {
  await expectRefusal(() => attempt(server, { maxVersion: 'TLSv1.2' }), /^unsupported protocol$/);
});

test('another application protocol is refused', async () => {
  await expectRefusal(() => attempt(server, { ALPNProtocols: ['h2'] }), /^no application protocol$/);
});

test('plain TCP is refused', async () => {
  const registerPlainly = () =>
    new Promise<Outcome>(resolve => {
      const socket = connectTcp(port, '127.0.0.1', () => socket.write(encodeRegistration(REGISTER)));
      socket.on('error', () => {});
      socket.on('data', () => {});
      socket.on('close', () => resolve({ heard: [], ended: 'closed' }));
    });
  await expectRefusal(registerPlainly, /^wrong version number$/);
});

test('a manager’s certificate and key that do not belong together are told in words', async () => {
  const net = createNet();
  const tls = { ...manager, key: server.key };
  const none = () => ({ onData() {}, onClose() {} });
  await expect(net.listen({ address: address('127.0.0.1'), port: 0, tls }, none, () => {})).rejects.toThrow(
    "the TLS certificate, its key or the authority's certificate is of no use: key values mismatch",
  );
});

test.each(['destroy', 'resetAndDestroy'] as const)(
  'a server that dies (%s) is noticed, and not by its silence',
  async how => {
    const raw = connectTcp(port, '127.0.0.1');
    raw.on('error', () => {});
    const socket = open(server, { socket: raw });
    socket.on('error', () => {});
    socket.on('secureConnect', () => socket.write(encodeRegistration(REGISTER)));
    await new Promise<void>(resolve => void socket.once('data', () => resolve()));
    const session = events.flatMap(event => (event.type === 'message' ? [event.session] : [])).at(-1);
    const reasons = () =>
      events.flatMap(event =>
        event.type === 'session-ended' && event.session === session ? [event.reason.code] : [],
      );
    expect(reasons()).toEqual([]);
    // Beneath TLS, as the kernel does for a killed process: no close_notify.
    raw[how]();
    await expect.poll(reasons, { interval: 1, timeout: 20_000 }).toEqual(['closed']);
  },
);

test('no session is resumed: each connection shows its certificate', async () => {
  const tickets: Buffer[] = [];
  const first = open(server);
  first.on('session', ticket => void tickets.push(ticket));
  first.on('data', () => {});
  first.on('secureConnect', () => first.write(encodeRegistration(REGISTER)));
  await expect.poll(() => tickets.length).toBeGreaterThan(0);
  first.destroy();
  const second = open(server, { session: tickets[0]! });
  await new Promise<void>(resolve => void second.on('secureConnect', resolve));
  expect(second.isSessionReused()).toBe(false);
  second.destroy();
});

test('200 stuck connections, at every stage, do not hold up a good one', async () => {
  const stuck: Socket[] = [];
  let closed = 0;
  const keep = (socket: Socket): void => {
    stuck.push(socket);
    socket.on('error', () => {});
    socket.on('close', () => closed++);
  };
  const half = encodeRegistration(REGISTER).subarray(0, 30);
  for (let index = 0; index < 50; index++) {
    keep(connectTcp(port, '127.0.0.1'));
    const hello = connectTcp(port, '127.0.0.1', () => hello.write(Uint8Array.of(0x16, 3, 1, 2, 0)));
    keep(hello);
    keep(open(server));
    const partial = open(server);
    partial.on('secureConnect', () => partial.write(half));
    keep(partial);
  }
  await expect.poll(() => sessions.size).toBeGreaterThanOrEqual(100);
  const { heard } = await attempt(server);
  expect(heard).toMatchObject([{ type: 'registered' }]);
  expect(closed, 'all of them were still there').toBe(0);
  for (const socket of stuck) socket.destroy();
  await expect.poll(() => sessions.size).toBe(0);
});
