/**
 * TCP and TLS 1.3 streams by Node.
 */
import type { X509Certificate } from 'node:crypto';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { parseAddress } from '../wire/address.ts';
import { isGoodButForTime, isOfTime } from './chain.ts';
import type { Identity, Net } from './environment.ts';

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
          // Node would drop a certificate for its dates alone; what it finds is looked at below.
          rejectUnauthorized: false,
          checkServerIdentity: () => undefined,
          ...(tls.alpn && { ALPNProtocols: [...tls.alpn] }),
        });
  socket.setNoDelay(true);
  let failure: string | undefined;
  /** Asked for once: Node 20 takes it out of the chain when it gives it to a client, and has none the next time. */
  let certificate: X509Certificate | undefined;
  socket.on(tls === undefined ? 'connect' : 'secureConnect', () => {
    const unmet = tls?.alpn !== undefined && (socket as TLSSocket).alpnProtocol === false;
    certificate = tls === undefined ? undefined : (socket as TLSSocket).getPeerX509Certificate();
    const wrong = tls?.verify === true ? faultOf(socket as TLSSocket, certificate, tls.identity) : undefined;
    if (wrong !== undefined) socket.destroy(new Error(`the certificate of ${address} ${wrong}`));
    else if (unmet) socket.destroy(new Error(`${address} speaks none of ${tls.alpn.join(', ')}`));
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
    get localAddress() {
      return parseAddress(socket.localAddress ?? '');
    },
    get peerCertificate() {
      return certificate?.raw;
    },
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
  };
};

/** Why a peer is not a manager of the mission, as the end of a sentence; undefined when it is. Its key was proved by the handshake. */
function faultOf(
  socket: TLSSocket,
  certificate: X509Certificate | undefined,
  identity: Identity | undefined,
): string | undefined {
  const ignored =
    identity !== undefined &&
    identity.validity !== 'enforce' &&
    isOfTime(socket.authorizationError) &&
    isGoodButForTime(certificate, identity.ca, 'server');
  if (!socket.authorized && !ignored) return `does not verify: ${String(socket.authorizationError)}`;
  const names = certificate?.subjectAltName ?? '';
  // Node quotes a name that holds a comma: one must never pass for two.
  if (!names.includes('"') && names.split(', ').includes(MANAGER_ROLE)) return undefined;
  const name = certificate?.subject.split('\n').find(line => line.startsWith('CN='));
  return `is not a manager's: ${name?.slice(3) ?? 'no name'}`;
}
