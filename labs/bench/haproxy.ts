/** haproxy in the appliance's place, watched through its statistics socket. */
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Namespace, Network } from '../../test/support/netns.ts';
import { poll } from '../scenario/poll.ts';
import { addressOf, SERVERS, type ServerName, VIP } from './cell.ts';

export interface Haproxy {
  /** Waits until it has this server as up. */
  untilUp(name: ServerName): Promise<void>;
}

/**
 * `balance source` keeps a client at its server, as our source hash does. A check's time limit is its interval where none is set, so
 * that a silent server is found by the second one; a shorter interval or a single failure would take busy servers for dead ones.
 * `redispatch`: a connection that is refused is tried at the next server at once, which only a proxy can do, and which is no default.
 */
export async function startHaproxy(
  network: Network,
  namespace: Namespace,
  directory: string,
  redispatch: boolean,
): Promise<Haproxy> {
  mkdirSync(directory, { recursive: true });
  const socket = join(directory, 'stats');
  const file = join(directory, 'haproxy.cfg');
  writeFileSync(
    file,
    `global
  maxconn 2000
  stats socket ${socket}
defaults
  mode tcp
  timeout connect 1s
  timeout client 30s
  timeout server 30s
${redispatch ? '  option redispatch 1\n  retries 3\n' : ''}listen bench
  bind ${VIP}:80
  balance source
  hash-type consistent
  default-server inter 100ms fall 2 rise 2 on-marked-down shutdown-sessions
${SERVERS.map(name => `  server ${name} ${addressOf(name)}:80 check\n`).join('')}`,
  );
  namespace.ip(`addr replace ${VIP}/32 dev lo`);
  const child = spawn('ip', ['netns', 'exec', namespace.name, 'haproxy', '-db', '-f', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  network.adopt(child);
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-2000);
  });
  return {
    untilUp: async name =>
      void (await poll(`haproxy has ${name} up`, async () => {
        if (child.exitCode !== null) throw new Error(said);
        return (await stats(socket)).some(([, server, ...rest]) => server === name && rest[15] === 'UP');
      })),
  };
}

/** Rows of `show stat`: proxy, server, …, with the status in the 18th column. */
function stats(path: string): Promise<string[][]> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(path);
    socket.on('connect', () => socket.write('show stat\n'));
    socket.on('data', more => {
      text += more.toString();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(text.split('\n').map(line => line.split(','))));
  });
}
