/**
 * TCP and TLS 1.3 streams by Node.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Net } from './environment.ts';

/** What a manager's certificate says of itself; a server's certificate of the same authority must not pass for one. */
const MANAGER_ROLE = 'URI:urn:bivouac:role:manager';

/**
 * Net.connect of environment.ts. Mission certificates are bound to roles, not to host names: with `verify` the peer must show one
 * of the authority that names it a manager.
 */
export const connect: Net['connect'] = ({ address, port, tls }, handlers) => {
  const to = { host: address, port };
  const socket: Socket =
    tls === undefined
      ? connectTcp(to)
      : connectTls({
          ...to,
          ...(tls.identity && {
            ca: tls.identity.ca,
            cert: tls.identity.certificate,
            key: tls.identity.key,
          }),
          minVersion: 'TLSv1.3',
          rejectUnauthorized: tls.verify,
          checkServerIdentity: (_host, peer) =>
            !tls.verify || (peer.subjectaltname ?? '').split(', ').includes(MANAGER_ROLE)
              ? undefined
              : new Error(
                  `the certificate of ${address} is not a manager's: ${peer.subject?.CN ?? 'no name'}`,
                ),
          ...(tls.alpn && { ALPNProtocols: [...tls.alpn] }),
        });
  socket.setNoDelay(true);
  let failure: string | undefined;
  socket.on(tls === undefined ? 'connect' : 'secureConnect', () => {
    const unmet = tls?.alpn !== undefined && (socket as TLSSocket).alpnProtocol === false;
    if (unmet) socket.destroy(new Error(`${address} speaks none of ${tls.alpn.join(', ')}`));
    else handlers.onOpen?.();
  });
  socket.on('data', bytes => handlers.onData(bytes));
  socket.on('error', error => {
    failure = error.message || (error as NodeJS.ErrnoException).code || 'failed';
  });
  socket.on('close', () => handlers.onClose(failure));
  return {
    write: bytes => !socket.writable || socket.write(bytes),
    get pending() {
      return socket.writableLength;
    },
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
  };
};
