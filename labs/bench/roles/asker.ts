/**
 * A client that asks a DNS server for a name's addresses all the time, and says when the answer is another: `node bench-asker.mjs JSON`.
 */
import { createSocket } from 'node:dgram';
import { setPriority } from 'node:os';
import { now } from '../clock.ts';
import { addressesOf, queryOf } from '../gslb/questions.ts';
import { say } from './commands.ts';

export interface AskerOptions {
  readonly server: string;
  readonly name: string;
  /** ms between two queries. */
  readonly interval: number;
}

/** An answer that is another than the one before. */
export interface Answered {
  /** When it came, ms. */
  readonly at: number;
  readonly addresses: readonly string[];
}

const { server, name, interval } = JSON.parse(process.argv[2] ?? '{}') as AskerOptions;
// It says when something came: it must not wait for its turn behind what it watches.
setPriority(-15);
const socket = createSocket('udp4');
let id = 0;
let newest = -1;
let last: string | undefined;
socket.on('message', bytes => {
  // One that was overtaken says nothing of now.
  const number = bytes.readUInt16BE(0);
  if (((number - newest) & 0xffff) > 0x7fff) return;
  newest = number;
  const addresses = addressesOf(bytes);
  if (last === `${addresses}`) return;
  last = `${addresses}`;
  say('answered', { at: now(), addresses } satisfies Answered);
});
socket.on('error', () => {});
setInterval(() => {
  id = (id + 1) & 0xffff;
  socket.send(queryOf(id, name), 53, server);
}, interval);
// It ends with who started it.
process.stdin.on('end', () => process.exit(0)).resume();
