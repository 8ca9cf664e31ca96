/**
 * A client that sends every few milliseconds, whatever became of what it sent before: `node bench-client.mjs JSON`. It says which server
 * answers, and when another one does: the time from the last answer of the one to the first of the other.
 *
 *     start       begins anew: a new flow, with nothing remembered
 *     who         says which server answered last
 *     stop        sends no more
 */
import { createSocket, type Socket } from 'node:dgram';
import { connect } from 'node:net';
import { now } from '../clock.ts';
import { obey, say } from './commands.ts';

export interface ClientOptions {
  readonly address: string;
  readonly port: number;
  /** `tcp`: a new connection each time. `udp`: all from one port. */
  readonly via: 'tcp' | 'udp';
  /** ms. */
  readonly interval: number;
}

const { address, port, via, interval } = JSON.parse(process.argv[2] ?? '{}') as ClientOptions;
/** What cannot be answered any more is given up, ms. */
const PATIENCE = 5000;

let timer: NodeJS.Timeout | undefined;
let socket: Socket | undefined;
let last: { readonly server: string; readonly at: number } | undefined;
let round = 0;
let failed = 0;

function heard(server: string): void {
  const at = now();
  if (last === undefined) say('answered');
  else if (last.server !== server)
    say('switched', { from: last.server, to: server, gap: at - last.at, failed });
  last = { server, at };
}

function request(): void {
  const mine = round;
  const connection = connect({ host: address, port, noDelay: true });
  connection.setTimeout(PATIENCE, () => connection.destroy());
  connection.on('connect', () => connection.write('?\n'));
  connection.on('data', text => {
    if (mine === round) heard(text.toString().trim());
  });
  connection.on('error', () => {
    if (mine === round) failed++;
  });
}

function start(): void {
  clearInterval(timer);
  socket?.close();
  round++;
  last = undefined;
  failed = 0;
  if (via === 'udp') {
    const flow = createSocket('udp4');
    socket = flow;
    flow.on('message', text => heard(text.toString().trim()));
    // A port that is refused is no answer.
    flow.on('error', () => {});
    timer = setInterval(() => flow.send('?', port, address), interval);
  } else timer = setInterval(request, interval);
}

obey({
  start,
  who: () => say('served', { server: last?.server }),
  stop() {
    clearInterval(timer);
    say('stopped');
  },
});
