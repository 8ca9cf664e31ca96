/**
 * The sockets of anycast ARP over UDP. An answer must come from the address that the query went to (docs/protocol.md §7.3), and the
 * kernel picks the source of a socket that is bound to no address by the way out; so each of the host's own addresses has its socket.
 * What the data plane redirects from a VIP comes to one of these, and leaves as from the VIP again. On a link between routers that
 * may well be a link-local address: OSPFv3 needs no other.
 */
import { type Address, address, familyOf } from '../../sdk/wire/address.ts';
import { WELL_KNOWN } from '../../sdk/wire/messages.ts';
import type { DatagramSocket, Link, Log, Net } from '../host/ports.ts';

/** Socket buffer, bytes; the kernel's limit (net.core.rmem_max) holds. */
const RECEIVE_BUFFER = 4 << 20;

/** Addresses with a socket of their own. */
const MOST_ADDRESSES = 64;

const FAMILIES = [
  { any: address('0.0.0.0'), group: WELL_KNOWN.solicitGroup4 },
  { any: address('::'), group: WELL_KNOWN.solicitGroup6 },
];

/** One datagram, and the way back to its source from the address that it came to. */
export type OnDatagram = (
  bytes: Uint8Array,
  source: Address,
  zone: string | undefined,
  send: (bytes: Uint8Array) => void,
) => void;

export class UdpSockets {
  private readonly net: Net;
  private readonly port: number;
  private readonly log: Log;
  private readonly onDatagram: OnDatagram;
  /** By address, a link-local one with its interface (`fe80::1%eth1`). Undefined while one is being opened. */
  private readonly sockets = new Map<string, DatagramSocket | undefined>();
  private closed = false;

  private constructor(net: Net, port: number, log: Log, onDatagram: OnDatagram) {
    this.net = net;
    this.port = port;
    this.log = log;
    this.onDatagram = onDatagram;
  }

  /** Opens one for each family, for all addresses, that also hears solicitations on `access`. Rejects if the port is taken. */
  static async open(
    { net, port, access, log }: { net: Net; port: number; access: readonly string[]; log: Log },
    onDatagram: OnDatagram,
  ): Promise<UdpSockets> {
    const sockets = new UdpSockets(net, port, log, onDatagram);
    try {
      for (const { any } of FAMILIES) {
        // Sockets that share a port must say so (SO_REUSEADDR), and then would also share it with a stranger: first see that there is none.
        const probe = await net.datagram({ address: any, port }, ignore, ignore);
        probe.close();
      }
      for (const { any, group } of FAMILIES) await sockets.bind(any, { groups: [group], interfaces: access });
    } catch (error) {
      sockets.close();
      throw new Error(`UDP port ${port} for anycast ARP cannot be opened: ${(error as Error).message}`);
    }
    return sockets;
  }

  /** Opens sockets for addresses that have come, and closes those of addresses that went. Call it every second or so. */
  update(links: readonly Link[], isVip: (address: Address) => boolean): void {
    const own = new Map<string, { readonly at: Address; readonly zone?: string }>();
    for (const link of links) {
      for (const { address: at } of link.addresses) {
        if (own.size >= MOST_ADDRESSES || isVip(at) || /^(127\.|::1$)/.test(at)) continue;
        if (/^fe[89ab]/.test(at)) own.set(`${at}%${link.name}`, { at, zone: link.name });
        else own.set(at, { at });
      }
    }
    for (const [bound, socket] of this.sockets) {
      if (own.has(bound) || socket === undefined || FAMILIES.some(({ any }) => any === bound)) continue;
      socket.close();
      this.sockets.delete(bound);
    }
    for (const [key, { at, zone }] of own) {
      if (this.sockets.has(key)) continue;
      this.sockets.set(key, undefined);
      this.bind(at, zone === undefined ? {} : { zone }).catch(error => {
        // An IPv6 address that is still tentative, most likely: it is tried again.
        this.sockets.delete(key);
        this.log('debug', 'responder-bind', { address: key, sentence: (error as Error).message });
      });
    }
  }

  /** Sends one datagram to this port of `to`, from one of the host's own addresses. */
  send(bytes: Uint8Array, from: Address, to: Address): void {
    this.sockets.get(from)?.send(bytes, this.port, to);
  }

  close(): void {
    this.closed = true;
    for (const socket of this.sockets.values()) socket?.close();
    this.sockets.clear();
  }

  private async bind(
    at: Address,
    more: {
      readonly zone?: string;
      readonly groups?: readonly Address[];
      readonly interfaces?: readonly string[];
    } = {},
  ): Promise<void> {
    let socket: DatagramSocket | undefined;
    socket = await this.net.datagram(
      { address: at, port: this.port, reuse: true, receiveBuffer: RECEIVE_BUFFER, ...more },
      (bytes, source, port, zone) =>
        this.onDatagram(bytes, source, zone, answer => socket?.send(answer, port, source)),
      error => this.log('debug', 'responder-datagram', { sentence: error, family: familyOf(at) }),
    );
    if (this.closed) socket.close();
    else this.sockets.set(more.zone === undefined ? at : `${at}%${more.zone}`, socket);
  }
}

const ignore = (): void => {};
