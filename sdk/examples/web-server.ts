/**
 * A web server that registers itself, reports how busy it is, and drains before it goes.
 *
 *     node web-server.js PORT [manager]
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { register } from '@bivouac/sdk';

const port = Number(process.argv[2] ?? 8080);
const manager = process.argv[3];
const server = createServer((_request, response) => response.end('hello\n')).listen(port);
await once(server, 'listening');

const registration = await register({
  services: [{ name: 'www.example.org', protocol: 'http', ports: 80, targetPort: port }],
  ...(manager !== undefined && { manager }),
});
console.log(`up as ${registration.name}`);
registration.on('lost', ({ reason }) => console.log(`manager lost (${reason}), looking for it`));

setInterval(() => {
  server.getConnections((_error, connections) => {
    registration.report({ service: 1, state: 'up', connections, load: 0 });
  });
}, 1000).unref();

process.once('SIGTERM', async () => {
  await registration.drain();
  server.close();
  await once(server, 'close');
  await registration.stop();
});
