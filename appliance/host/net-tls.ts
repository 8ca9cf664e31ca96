/**
 * Mutual TLS 1.3 in front of a TCP server: who shows a certificate of the mission's authority is handed on, all others end
 * with a reason. Handshakes are bounded in time and number, so that half-open ones never keep a good one out.
 */
import { constants, type X509Certificate } from 'node:crypto';
import type { Server, Socket } from 'node:net';
import { createServer, type SecureContextOptions, type TLSSocket, type Server as TlsServer } from 'node:tls';
import { isGoodButForTime, isOfTime } from '../../sdk/transport/chain.ts';
import { oneSentence, remoteOf } from './net-stream.ts';
import type { TlsIdentity } from './ports.ts';

/** How long a TLS handshake may take. */
const HANDSHAKE_MS = 5000;
/** Handshakes under way at once, in all and from one address; a connection beyond is dropped, and its agent tries again. */
const HANDSHAKES = 4096;
const HANDSHAKES_PER_ADDRESS = 256;

/** Does the handshake of each of `server`'s connections; `onSecure` gets those that passed. Gives what changes the identity. */
export function requireTls(
  server: Server,
  identity: TlsIdentity,
  alpn: readonly string[],
  onRefused: (address: string, reason: string) => void,
  onSecure: (socket: TLSSocket, certificate: X509Certificate) => void,
): (identity: TlsIdentity) => void {
  const underWay = new HandshakesUnderWay();
  const tls = createTlsServer(identity, alpn);
  let current = identity;
  tls.on('secureConnection', socket => {
    const remote = remoteOf(socket);
    if (remote !== undefined) underWay.remove(remote);
    const certificate = socket.getPeerX509Certificate();
    if (certificate !== undefined && isVerified(socket, certificate, current)) {
      onSecure(socket, certificate);
      return;
    }
    // Node's typing says that authorizationError is an Error; it is OpenSSL's name of the failure.
    const why = `the certificate does not verify: ${String(socket.authorizationError)}`;
    onRefused(remote?.address ?? 'unknown', certificate === undefined ? 'no certificate was shown' : why);
    socket.destroy();
  });
  tls.on('tlsClientError', (error, socket) => {
    onRefused(addressUnder(socket), oneSentence(error));
    socket.destroy();
  });
  server.on('connection', raw => {
    const remote = remoteOf(raw);
    if (remote === undefined || !underWay.add(remote)) {
      onRefused(remote?.address ?? 'unknown', 'too many TLS handshakes are under way');
      raw.destroy();
      return;
    }
    raw.once('close', () => underWay.remove(remote));
    tls.emit('connection', raw);
  });
  return renewed => {
    withReason(() => tls.setSecureContext(contextOf(renewed)));
    current = renewed;
  };
}

/** OpenSSL has verified it, or would have but for its dates. Its key was proved either way: TLS goes on to the end without. */
const isVerified = (
  socket: TLSSocket,
  certificate: X509Certificate,
  { ca, validity }: TlsIdentity,
): boolean =>
  socket.authorized ||
  (validity !== 'enforce' &&
    isOfTime(socket.authorizationError) &&
    isGoodButForTime(certificate, ca, 'client'));

function createTlsServer(identity: TlsIdentity, alpn: readonly string[]): TlsServer {
  return withReason(() =>
    createServer({
      ...contextOf(identity),
      requestCert: true,
      // Node drops an unverified peer without saying why, so `authorized` is looked at instead.
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_MS,
      ...(alpn.length > 0 ? { ALPNProtocols: [...alpn] } : {}),
    }),
  );
}

const contextOf = ({ ca, certificate, key }: TlsIdentity): SecureContextOptions => ({
  ca,
  cert: certificate,
  key,
  minVersion: 'TLSv1.3',
  // No resumption: without self-contained tickets node would ask 'resumeSession', and nobody listens. So each connection is
  // a full handshake, and shows its certificate anew.
  secureOptions: constants.SSL_OP_NO_TICKET,
});

/** OpenSSL's complaint about an identity, in words. */
function withReason<T>(use: () => T): T {
  try {
    return use();
  } catch (error) {
    const why = oneSentence(error as Error);
    throw new Error(`the TLS certificate, its key or the authority's certificate is of no use: ${why}`, {
      cause: error,
    });
  }
}

/** A TLS socket that failed has forgotten its address; node keeps the TCP socket, which has not, under `_parent`. */
function addressUnder(socket: TLSSocket): string {
  const raw: unknown = Reflect.get(socket, '_parent');
  return remoteOf((raw ?? socket) as Socket)?.address ?? 'unknown';
}

interface Remote {
  readonly address: string;
  readonly port: number;
}

class HandshakesUnderWay {
  private readonly ports = new Map<string, Set<number>>();
  private total = 0;

  /** False when there are too many already. */
  add({ address, port }: Remote): boolean {
    const here = this.ports.get(address) ?? new Set();
    if (this.total >= HANDSHAKES || here.size >= HANDSHAKES_PER_ADDRESS) return false;
    this.ports.set(address, here);
    here.add(port);
    this.total++;
    return true;
  }

  /** Also for one that is not, or no more, under way. */
  remove({ address, port }: Remote): void {
    const here = this.ports.get(address);
    if (here?.delete(port) !== true) return;
    this.total--;
    if (here.size === 0) this.ports.delete(address);
  }
}
