/**
 * Accepting streams: over TCP, plain or with mutual TLS, and at a UNIX socket.
 */
import { lstatSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { peerCertificate } from './net-certificate.ts';
import { attach, remoteOf, streamOf } from './net-stream.ts';
import { requireTls } from './net-tls.ts';
import type { Listener, Net, Peer, TlsIdentity } from './ports.ts';

const BACKLOG = 1024;
const KEEPALIVE_MS = 15_000;

/** Net.listen of ports.ts. An IPv6 wildcard accepts IPv4 as well. */
export const listen: Net['listen'] = async (at, accept, onRefused) => {
  const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEPALIVE_MS });
  const open = (socket: Socket, certificate?: NonNullable<Peer['certificate']>) => {
    const remote = remoteOf(socket);
    if (remote === undefined) socket.destroy();
    else attach(socket, accept(streamOf(socket), { ...remote, ...(certificate && { certificate }) }));
  };
  let renew: ((identity: TlsIdentity) => void) | undefined;
  if (at.tls === undefined) server.on('connection', socket => open(socket));
  else {
    renew = requireTls(server, at.tls, at.alpn ?? [], onRefused, (socket, certificate) =>
      open(socket, peerCertificate(certificate)),
    );
  }
  const { address: host, port, backlog = BACKLOG } = at;
  const listener = await listening(server, () =>
    server.listen({ host, port, backlog, ipv6Only: host.includes(':') && host !== '::' }),
  );
  return renew === undefined ? listener : { ...listener, renew };
};

/** Net.listenLocal of ports.ts. The socket that a dead process left behind is replaced; that of a live one is not. */
export const listenLocal: Net['listenLocal'] = async (path, accept) => {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket()) {
    if (await answers(path)) {
      throw new Error(`another process listens at ${path}: stop it, or give another path`);
    }
    unlinkSync(path);
  }
  const server = createServer(socket => attach(socket, accept(streamOf(socket))));
  return listening(server, () => {
    // Bound within the call, so that there is no moment at which others could connect.
    const mask = process.umask(0o117);
    try {
      server.listen(path);
    } finally {
      process.umask(mask);
    }
  });
};

function listening(server: Server, start: () => void): Promise<Listener> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      // From here on errors are of single accepts (out of file descriptors, say); the listener lives on.
      server.on('error', () => {});
      const bound = server.address();
      const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
      resolve({ port, close: () => void server.close() });
    });
    start();
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const probe = connect(path);
    probe.once('connect', () => {
      resolve(true);
      probe.destroy();
    });
    probe.once('error', () => resolve(false));
  });
}
