/**
 * A web server that says who it is: node web.mjs --name NAME [--port 80] [--echo-port 7]. `GET /` gives its name, `/healthz` is
 * 200 unless /run/unhealthy exists, `/slow?ms=N` answers late. On the echo port it sends each line (TCP) or datagram (UDP) back
 * with its name in front, for clients that watch one flow.
 */
import { createSocket } from 'node:dgram';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    name: { type: 'string', default: 'web' },
    port: { type: 'string', default: '80' },
    'echo-port': { type: 'string', default: '7' },
  },
});
const echoPort = Number(values['echo-port']);

createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const answer = (status: number, text: string): void => {
    response.writeHead(status, {
      'content-type': 'text/plain',
      'content-length': Buffer.byteLength(text) + 1,
      server: values.name,
    });
    response.end(`${text}\n`);
  };
  if (url.pathname === '/') answer(200, values.name);
  else if (url.pathname === '/healthz') answer(existsSync('/run/unhealthy') ? 503 : 200, 'health');
  else if (url.pathname === '/slow')
    setTimeout(() => answer(200, values.name), Number(url.searchParams.get('ms') ?? 1000));
  else answer(404, 'no such page');
}).listen(Number(values.port), () => console.log(`web ${values.name} on tcp/${values.port}`));

createTcpServer(socket => {
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  let pending = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    const lines = (pending + text).split('\n');
    pending = lines.pop() ?? '';
    socket.write(lines.map(line => `${values.name} ${line}\n`).join(''));
  });
}).listen(echoPort);

const datagrams = createSocket('udp4');
datagrams.on('message', (packet, from) =>
  datagrams.send(`${values.name} ${packet.toString('latin1')}`, from.port, from.address),
);
datagrams.bind(echoPort);
