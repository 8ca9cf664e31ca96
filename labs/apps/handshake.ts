/**
 * What TCP and TLS 1.3 with a certificate on each side take, and nothing else: node handshake.mjs --pki DIR --name NAME and either
 * --listen PORT, or --to ADDRESS:PORT [--count 20] [--interval 100]. The server writes one byte once it has verified its client; the
 * client prints a line of JSON for each connection: the time from its start to that byte.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, createServer } from 'node:tls';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    pki: { type: 'string', default: '/etc/bivouac/pki' },
    name: { type: 'string', default: '' },
    listen: { type: 'string' },
    to: { type: 'string' },
    count: { type: 'string', default: '20' },
    interval: { type: 'string', default: '100' },
  },
});
const read = (file: string): Buffer => readFileSync(join(values.pki, file));
const identity = {
  ca: read('ca.pem'),
  cert: read(`${values.name}.pem`),
  key: read(`${values.name}.key`),
  minVersion: 'TLSv1.3',
} as const;

function serve(port: number): void {
  const server = createServer(
    { ...identity, requestCert: true, rejectUnauthorized: true, noDelay: true },
    socket => {
      socket.on('error', () => socket.destroy());
      socket.write('.');
    },
  );
  server.listen(port, () => console.log(JSON.stringify({ event: 'listening' })));
}

function shake(host: string, port: number): Promise<number> {
  const begun = performance.now();
  // Names are not what the lab's certificates are about.
  const socket = connect({ ...identity, host, port, checkServerIdentity: () => undefined });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('data', () => {
      resolve(performance.now() - begun);
      socket.destroy();
    });
  });
}

if (values.listen !== undefined) serve(Number(values.listen));
else {
  const [host = '', port = ''] = (values.to ?? '').split(':');
  for (let count = Number(values.count); count > 0; count--) {
    console.log(JSON.stringify({ event: 'done', ms: await shake(host, Number(port)) }));
    await new Promise(resolve => setTimeout(resolve, Number(values.interval)));
  }
}
