/**
 * A server that registers itself by the SDK, and whose checks pass when it is told so: `node bench-server.mjs JSON`.
 *
 *     pass N | fail N        what the check at /N of its port gets from now on
 *     report STATE N…        what it says of all services of these registrations
 *     cut N                  the Nth registration's connection ends, as the kernel ends it when a process dies
 *     stop N                 deregisters the Nth
 */
import { createSocket } from 'node:dgram';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import {
  nodeEnvironment,
  type RegisterOptions,
  Registration,
  type ReportedState,
} from '../../../sdk/index.ts';
import type { Environment, Stream } from '../../../sdk/transport/environment.ts';
import { now } from '../clock.ts';
import { obey, say } from './commands.ts';

export interface ServerOptions {
  /** What it answers with. */
  readonly name: string;
  /** TCP and UDP port on which every request is answered with the name. */
  readonly answer?: number;
  /** TCP port on which all bytes come back. */
  readonly echo?: number;
  /** TCP port of the checks. */
  readonly health?: number;
  /** Its registrations, each a server of its own to the manager. */
  readonly registrations?: readonly Pick<
    RegisterOptions,
    'name' | 'services' | 'manager' | 'heartbeat' | 'tls'
  >[];
}

const options = JSON.parse(process.argv[2] ?? '{}') as ServerOptions;
const passing = new Set<string>();

function answerRequests(port: number): void {
  const answer = `${options.name}\n`;
  createServer(socket => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => socket.end(answer));
  }).listen(port, '0.0.0.0', 4096);
  const socket = createSocket('udp4');
  socket.on('message', (_bytes, from) => socket.send(answer, from.port, from.address));
  socket.bind(port);
}

function echoBytes(port: number): void {
  createServer(socket => {
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  }).listen(port, '0.0.0.0', 4096);
}

/** The moment when the first answer that passes leaves is what the figures count from. */
function answerChecks(port: number): void {
  const told = new Set<string>();
  createHttpServer((request, response) => {
    const which = request.url!.slice(1);
    const passes = passing.has(which);
    if (!passes) told.delete(which);
    response.writeHead(passes ? 200 : 503, { 'content-length': 0, connection: 'close' });
    const at = now();
    response.end();
    if (!passes || told.has(which)) return;
    told.add(which);
    say('passed', { check: which, at });
  }).listen(port);
}

/** Node's network, and the connections that were opened through it. */
function severable(): { readonly environment: Environment; readonly sever: () => void } {
  const environment = nodeEnvironment();
  const open = new Set<Stream>();
  return {
    environment: {
      ...environment,
      net: {
        connect(to, handlers) {
          const stream = environment.net.connect(to, handlers);
          open.add(stream);
          return stream;
        },
        datagram: (at, onDatagram, onError) => environment.net.datagram(at, onDatagram, onError),
      },
    },
    sever() {
      for (const stream of open) stream.destroy();
      open.clear();
    },
  };
}

const registrations = (options.registrations ?? []).map((wish, index) => {
  const { environment, sever } = severable();
  const registration = new Registration({ ...wish, environment });
  const up = new Set<number>();
  let saying = false;
  registration.on('service', ({ id, state }) => {
    if (state === 'up') up.add(id);
    else up.delete(id);
    // A thousand services that are told of at once are one line.
    if (saying) return;
    saying = true;
    setImmediate(() => {
      saying = false;
      say('up', { registration: index, count: up.size });
    });
  });
  registration.on('state', ({ state }) => say('state', { registration: index, state }));
  registration.on('refused', refusal => say('refused', { registration: index, ...refusal }));
  registration.start();
  return { registration, sever, count: wish.services.length };
});

if (options.answer !== undefined) answerRequests(options.answer);
if (options.echo !== undefined) echoBytes(options.echo);
if (options.health !== undefined) answerChecks(options.health);

obey({
  pass: which => void passing.add(which!),
  fail: which => void passing.delete(which!),
  report(state, ...which) {
    const at = now();
    for (const index of which) {
      const { registration, count } = registrations[Number(index)]!;
      const reports = Array.from({ length: count }, (_, service) => ({
        service: service + 1,
        state: state as ReportedState,
        connections: 0,
        load: 0,
      }));
      registration.report(...reports);
    }
    say('reported', { at });
  },
  cut(which) {
    const at = now();
    registrations[Number(which)]!.sever();
    say('cut', { at });
  },
  stop(which) {
    void registrations[Number(which)]!.registration.stop().then(() => say('stopped'));
  },
});
// Every socket is open before the first of these lines; a listener that cannot have its port ends the process.
setImmediate(() => say('listening'));
