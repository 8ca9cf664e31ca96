/**
 * What clients at several places would be answered, as it changes: node lookups.mjs --server ADDRESS --name NAME --clients A,B,… [--interval
 * 100]. It asks for each of the clients in turn, by EDNS Client Subnet, every interval (ms), and prints a line of JSON when an answer is
 * another than before: the client, its addresses (empty: no such name, or none), and the moment by the wall clock.
 */
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { parseArgs } from 'node:util';
import { readStubReply, stubQuery } from './stub.ts';

const { values } = parseArgs({
  options: {
    server: { type: 'string', default: '127.0.0.1' },
    name: { type: 'string', default: '' },
    clients: { type: 'string', default: '' },
    interval: { type: 'string', default: '100' },
  },
});
const clients = values.clients.split(',');
const last = new Map<string, string>();
/** Question → who is asked for. What is not answered is asked again anyway. */
const open = new Map<number, string>();
const MOST_OPEN = 1000;
let cookie: Uint8Array = randomBytes(8);
let next = Math.floor(Math.random() * 0x10000);

const socket = createSocket('udp4');
// While nobody listens there, nothing is known.
socket.on('error', () => {});
socket.on('message', bytes => {
  const { id, whole, addresses, cookie: given } = readStubReply(bytes);
  cookie = given ?? cookie;
  const client = open.get(id);
  if (client === undefined || !whole) return;
  open.delete(id);
  const text = addresses.join(',');
  if (last.get(client) === text) return;
  last.set(client, text);
  console.log(JSON.stringify({ client, addresses, at: performance.timeOrigin + performance.now() }));
});
socket.connect(53, values.server, () =>
  setInterval(() => {
    if (open.size > MOST_OPEN) open.clear();
    for (const client of clients) {
      next = (next + 1) & 0xffff;
      open.set(next, client);
      socket.send(stubQuery(next, values.name, client, cookie));
    }
  }, Number(values.interval)),
);
