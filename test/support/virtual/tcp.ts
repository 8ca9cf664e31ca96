/**
 * Setting up TCP streams in virtual time: listening, connecting, refusing, and what stands for TLS.
 */
import type { Listener, Net, Stream, StreamHandlers } from '../../../appliance/host/ports.ts';
import { Endpoint } from './endpoint.ts';
import type { VirtualHost } from './network.ts';

export interface ListenEntry {
  readonly at: Parameters<Net['listen']>[0];
  readonly accept: Parameters<Net['listen']>[1];
  readonly onRefused: Parameters<Net['listen']>[2];
}

type Destination = Parameters<Net['connect']>[0];

/** SYNs go out again after 1, 2, 4… s, six times (tcp_syn_retries). */
const SYN_RETRIES = 6;

/** Net.listen of a virtual host. The address is not looked at: one listener a port. */
export function openListener(
  host: VirtualHost,
  ...[at, accept, onRefused]: Parameters<Net['listen']>
): Promise<Listener> {
  const port = at.port === 0 ? host.nextPort() : at.port;
  if (host.listeners.has(port))
    return Promise.reject(new Error(`listen EADDRINUSE: address already in use ${at.address}:${port}`));
  const entry: ListenEntry = { at, accept, onRefused };
  host.listeners.set(port, entry);
  return Promise.resolve({
    port,
    close: () => {
      if (host.listeners.get(port) === entry) host.listeners.delete(port);
    },
  });
}

/** Net.connect of a virtual host. */
export function connectStream(host: VirtualHost, to: Destination, handlers: StreamHandlers): Stream {
  const { network } = host;
  const from = to.from ?? host.sourceFor(to.address);
  const client = new Endpoint(host, handlers, { address: from, port: to.fromPort ?? host.nextPort() }, to);
  const where = `${to.address}:${to.port}`;
  const synchronize = (attempt: number): void => {
    if (!client.connecting) return;
    const again = (): void => {
      network.clock.after('syn-retry', 1_000 * 2 ** attempt, () =>
        attempt < SYN_RETRIES ? synchronize(attempt + 1) : client.fail(`connect ETIMEDOUT ${where}`),
      );
    };
    const arrive = (there: VirtualHost): void => {
      const entry = there.listeners.get(to.port);
      if (there.dropped.has(to.port)) again();
      else if (entry === undefined)
        network.carry(there, host, () => client.fail(`connect ECONNREFUSED ${where}`), again);
      else network.carry(there, host, () => establish(client, there, entry, to), again);
    };
    network.carry(host, network.hosts.get(to.address), arrive, again);
  };
  synchronize(0);
  return client;
}

/** Connects a program to a UNIX socket of its own host. */
export function connectLocal(
  host: VirtualHost,
  accept: (stream: Stream) => StreamHandlers,
  handlers: StreamHandlers,
): Stream {
  const nowhere = { address: host.addresses[0]!, port: 0 };
  const client = new Endpoint(host, handlers, nowhere, nowhere);
  const server = new Endpoint(host, undefined, nowhere, nowhere);
  client.join(server);
  client.open();
  server.adopt(accept(server));
  return client;
}

/** The SYN-ACK is back: the client is connected, the server accepts when the ACK (and the TLS handshake) gets there. */
function establish(client: Endpoint, there: VirtualHost, entry: ListenEntry, to: Destination): void {
  if (!client.connecting || client.peer !== undefined) return;
  const { network } = there;
  const refusal = refuseTls(entry, to);
  const roundTrip = 2 * network.qualityOf(there, client.host).latency;
  const server = new Endpoint(there, undefined, to, client.local);
  client.join(server);
  const certificate = entry.at.tls && network.certificates.get(to.tls?.identity?.certificate ?? '');
  const accept = (): void => {
    if (!server.connecting) return;
    if (refusal === undefined) {
      server.adopt(entry.accept(server, { ...client.local, ...(certificate && { certificate }) }));
      return;
    }
    entry.onRefused(client.local.address, refusal);
    server.abandon('reset');
  };
  const handshake = to.tls === undefined && entry.at.tls === undefined ? 0 : roundTrip;
  network.clock.after('handshake', handshake, () => {
    if (refusal === undefined) client.open();
    const acknowledge = (): void =>
      network.carry(client.host, there, accept, () => network.clock.after('ack-retry', 200, acknowledge));
    acknowledge();
  });
}

/** Why a TLS handshake fails, as far as this network plays it. */
function refuseTls({ at }: ListenEntry, { tls }: Destination): string | undefined {
  if (at.tls === undefined) return tls === undefined ? undefined : 'wrong version number';
  if (tls === undefined) return 'wrong version number';
  if (tls.identity === undefined) return 'no certificate was shown';
  if (tls.identity.ca !== at.tls.ca) return 'the certificate does not verify: SELF_SIGNED_CERT_IN_CHAIN';
  const common = tls.alpn?.some(name => at.alpn?.includes(name));
  return tls.alpn !== undefined && at.alpn !== undefined && !common ? 'no application protocol' : undefined;
}
