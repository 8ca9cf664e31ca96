/**
 * Connecting streams: TCP and TLS.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';
import { attach, streamOf } from './net-stream.ts';
import type { Net, TlsIdentity } from './ports.ts';

type TlsOptions = NonNullable<Parameters<Net['connect']>[0]['tls']>;

/** Net.connect of ports.ts. Bounding its time is the caller's. */
export const connect: Net['connect'] = ({ address, port, from, fromPort, tls }, handlers) => {
  const to = {
    ...{ host: address, port },
    ...(from === undefined ? {} : { localAddress: from }),
    ...(fromPort === undefined ? {} : { localPort: fromPort }),
  };
  const socket: Socket = tls === undefined ? connectTcp(to) : connectTls({ ...to, ...tlsOptions(tls) });
  socket.setNoDelay(true);
  attach(socket, handlers, tls === undefined ? 'connect' : 'secureConnect');
  return streamOf(socket);
};

/** With `verify` and no server name the authority alone is looked at: mission certificates are not bound to host names. */
function tlsOptions({ identity, serverName, verify, alpn }: TlsOptions) {
  return {
    secureContext: contextOf(identity),
    rejectUnauthorized: verify,
    ...(verify ? { minVersion: 'TLSv1.3' as const } : {}),
    ...(serverName === undefined ? { checkServerIdentity: () => undefined } : { servername: serverName }),
    ...(alpn === undefined ? {} : { ALPNProtocols: [...alpn] }),
  };
}

// Making a context costs about a millisecond (certificates are parsed), which 1,000 checks a second cannot afford.
const contexts = new WeakMap<TlsIdentity, SecureContext>();
let anonymous: SecureContext | undefined;

function contextOf(identity: TlsIdentity | undefined): SecureContext {
  if (identity === undefined) {
    anonymous ??= createSecureContext();
    return anonymous;
  }
  const known = contexts.get(identity);
  if (known !== undefined) return known;
  const { ca, certificate, key } = identity;
  const made = createSecureContext({ ca, cert: certificate, key });
  contexts.set(identity, made);
  return made;
}
