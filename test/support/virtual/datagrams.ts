/**
 * UDP in virtual time.
 */
import type { DatagramSocket, Net } from '../../../appliance/host/ports.ts';
import { type Address, familyOf } from '../../../sdk/wire/address.ts';
import type { VirtualHost } from './network.ts';

export interface BoundDatagram {
  readonly address: Address;
  readonly port: number;
  readonly groups: readonly Address[];
  readonly hear: (bytes: Uint8Array, address: Address, port: number) => void;
}

/** What a UDP datagram over IPv4 can carry. */
const LARGEST = 65_507;

const isWildcard = (address: Address): boolean => address === '0.0.0.0' || address === '::';
/** Bound to all addresses of its own family: IPv6 sockets are IPv6 only, as the real ones are opened. */
const takesAll = (one: BoundDatagram, address: Address): boolean =>
  isWildcard(one.address) && familyOf(one.address) === familyOf(address);
const isMulticast = (address: Address): boolean => /^(22[4-9]|23\d)\.|^ff/.test(address);

/** Net.datagram of a virtual host. */
export function openDatagram(
  host: VirtualHost,
  at: Parameters<Net['datagram']>[0],
  onDatagram: Parameters<Net['datagram']>[1],
  onError: Parameters<Net['datagram']>[2],
): Promise<DatagramSocket> {
  const port = at.port === 0 ? host.nextPort() : at.port;
  const taken = [...host.datagrams].some(
    one =>
      one.port === port && (one.address === at.address || takesAll(one, at.address)) && at.reuse !== true,
  );
  if (taken) return Promise.reject(new Error(`bind EADDRINUSE ${at.address}:${port}`));
  const bound: BoundDatagram = { address: at.address, port, groups: at.groups ?? [], hear: onDatagram };
  host.datagrams.add(bound);
  return Promise.resolve({
    port,
    send(bytes, toPort, to) {
      if (!host.datagrams.has(bound)) return;
      if (bytes.length > LARGEST) {
        onError(`to ${to} port ${toPort}: send EMSGSIZE`);
        return;
      }
      const { network } = host;
      const copy = bytes.slice();
      const from = isWildcard(at.address)
        ? host.sourceFor(isMulticast(to) ? (host.addresses[0] ?? to) : to)
        : at.address;
      const targets = isMulticast(to) ? new Set(network.hosts.values()) : [network.hosts.get(to)];
      for (const target of targets) {
        network.carry(host, target, there =>
          there.hear({ to, port: toPort, from, fromPort: port, bytes: copy }),
        );
      }
    },
    close: () => void host.datagrams.delete(bound),
  });
}

/** Hands a datagram that arrived to the sockets that it is for: of a unicast one, the most particular alone. */
export function deliver(host: VirtualHost, packet: Parameters<VirtualHost['hear']>[0]): void {
  const onPort = [...host.datagrams].filter(one => one.port === packet.port);
  const heard = isMulticast(packet.to)
    ? onPort.filter(one => one.groups.includes(packet.to))
    : [onPort.find(one => one.address === packet.to) ?? onPort.find(one => takesAll(one, packet.to))];
  for (const one of heard) one?.hear(packet.bytes.slice(), packet.from, packet.fromPort);
}
