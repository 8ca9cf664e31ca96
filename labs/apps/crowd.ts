/**
 * Many clients at once that do not go away: node crowd.mjs --to ADDRESS[:80] [--count 100]. Each has a request open that is not answered
 * for long, and another one after that. Prints a line of JSON once all are connected, and ends by a signal.
 */
import { connect } from 'node:net';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { to: { type: 'string', default: '' }, count: { type: 'string', default: '100' } },
});
const [host = '', port = '80'] = values.to.split(':');
const count = Number(values.count);
let connected = 0;

function visit(first: boolean): void {
  const socket = connect({ host, port: Number(port) });
  socket.once('connect', () => {
    socket.write(`GET /slow?ms=60000 HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    if (first && ++connected === count) console.log(JSON.stringify({ event: 'connected', count }));
  });
  socket.on('error', () => {});
  socket.once('close', () => setTimeout(visit, 100, false));
  socket.resume();
}
for (let index = 0; index < count; index++) visit(true);
