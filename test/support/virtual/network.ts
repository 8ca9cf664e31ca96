/**
 * Hosts that talk in virtual time: streams as TCP gives them, datagrams as UDP does, raw packets.
 */
import type {
  Clock,
  Net,
  Peer,
  Random,
  RawSockets,
  Stream,
  StreamHandlers,
} from '../../../appliance/host/ports.ts';
import { type Address, address } from '../../../sdk/wire/address.ts';
import { type BoundDatagram, deliver, openDatagram } from './datagrams.ts';
import type { Endpoint } from './endpoint.ts';
import { LAN, type PathQuality, transit } from './path.ts';
import { openRaw, type RawInbox, receiveRaw } from './raw.ts';
import { connectLocal, connectStream, type ListenEntry, openListener } from './tcp.ts';

export interface NetworkOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Between any two hosts that have no path of their own. */
  readonly quality?: Partial<PathQuality>;
}

/** The whole network. Every host reaches every other, unless it is told otherwise. */
export class VirtualNetwork {
  readonly clock: Clock;
  readonly random: Random;
  readonly hosts = new Map<Address, VirtualHost>();
  /** What the peer of a TLS stream is said to have shown: by the PEM text of the certificate. */
  readonly certificates = new Map<string, NonNullable<Peer['certificate']>>();
  private readonly quality: PathQuality;
  private readonly paths = new Map<string, PathQuality>();

  constructor({ clock, random, quality }: NetworkOptions) {
    this.clock = clock;
    this.random = random;
    this.quality = { ...LAN, ...quality };
  }

  /** A new host. An address may be added to it later, or taken over from another host (`adopt`). */
  host(name: string, ...addresses: string[]): VirtualHost {
    const host = new VirtualHost(this, name);
    for (const text of addresses) host.adopt(text);
    return host;
  }

  /** Sets how packets go between two hosts, in both directions. */
  path(a: VirtualHost, b: VirtualHost, quality: Partial<PathQuality>): void {
    for (const key of [`${a.name}>${b.name}`, `${b.name}>${a.name}`])
      this.paths.set(key, { ...this.quality, ...this.paths.get(key), ...quality });
  }

  /** Cuts, or mends, both directions between two hosts. */
  partition(a: VirtualHost, b: VirtualHost, cut: boolean): void {
    this.path(a, b, { loss: cut ? 1 : this.quality.loss });
  }

  qualityOf(from: VirtualHost, to: VirtualHost): PathQuality {
    return from === to
      ? { latency: 0, jitter: 0, loss: 0, duplication: 0 }
      : (this.paths.get(`${from.name}>${to.name}`) ?? this.quality);
  }

  /** Carries one packet: `arrive` is called when (and as often as) it gets there and somebody is there to hear it, else `lost`. */
  carry(
    from: VirtualHost,
    to: VirtualHost | undefined,
    arrive: (at: VirtualHost) => void,
    lost: () => void = () => {},
  ): void {
    const delays = to === undefined || from.silent ? [] : transit(this.qualityOf(from, to), this.random);
    if (to === undefined || delays.length === 0) {
      lost();
      return;
    }
    for (const [index, delay] of delays.entries()) {
      this.clock.after(`packet ${from.name}>${to.name}`, delay, () => {
        if (!to.silent) arrive(to);
        else if (index === 0) lost();
      });
    }
  }
}

/** One host: its addresses, what is bound on it, and what a test can do to it. */
export class VirtualHost {
  readonly name: string;
  readonly network: VirtualNetwork;
  readonly addresses: Address[] = [];
  /** The ports that the code under test is given. */
  readonly net: Net;
  readonly raw: RawSockets;
  /** True while nothing gets in or out: the cable is cut, or the power. */
  silent = false;
  /** Whether its kernel answers pings. */
  answersPing = true;
  /** Ports whose connection attempts are dropped without an answer. */
  readonly dropped = new Set<number>();
  readonly listeners = new Map<number, ListenEntry>();
  readonly local = new Map<string, (stream: Stream) => StreamHandlers>();
  readonly datagrams = new Set<BoundDatagram>();
  readonly inboxes = new Set<RawInbox>();
  readonly endpoints = new Set<Endpoint>();
  private ephemeral = 32_768;

  constructor(network: VirtualNetwork, name: string) {
    this.network = network;
    this.name = name;
    this.net = {
      connect: (to, handlers) => connectStream(this, to, handlers),
      listen: (at, accept, onRefused) => openListener(this, at, accept, onRefused),
      listenLocal: (path, accept) => {
        this.local.set(path, accept);
        return Promise.resolve({ port: 0, close: () => void this.local.delete(path) });
      },
      datagram: (at, onDatagram, onError) => openDatagram(this, at, onDatagram, onError),
    };
    this.raw = {
      open: (family, protocol, header, onPacket) => openRaw(this, family, protocol, header, onPacket),
    };
  }

  /** Gives it an address, which leaves the host that had it. */
  adopt(text: string): Address {
    const taken = address(text);
    const before = this.network.hosts.get(taken);
    before?.addresses.splice(before.addresses.indexOf(taken), 1);
    this.network.hosts.set(taken, this);
    this.addresses.push(taken);
    return taken;
  }

  /** Its process is killed: its sockets go, and its kernel closes its streams. `how`: 'reset' when data was left unread. */
  kill(how: 'fin' | 'reset' = 'fin'): void {
    this.forget(how);
  }

  /** It restarts without a word: its streams are half open, and get a reset once the peer sends something. */
  reboot(): void {
    this.forget('silently');
  }

  private forget(how: 'fin' | 'reset' | 'silently'): void {
    this.listeners.clear();
    this.local.clear();
    this.datagrams.clear();
    this.inboxes.clear();
    for (const endpoint of [...this.endpoints]) endpoint.abandon(how);
  }

  /** A connection to one of its UNIX sockets, from a program on it. */
  connectLocal(path: string, handlers: StreamHandlers): Stream {
    const accept = this.local.get(path);
    if (accept === undefined) throw new Error(`connect ENOENT ${path}`);
    return connectLocal(this, accept, handlers);
  }

  /** Hands a packet to what is bound on it. */
  hear(packet: {
    readonly to: Address;
    readonly port: number;
    readonly from: Address;
    readonly fromPort: number;
    readonly bytes: Uint8Array;
  }): void {
    deliver(this, packet);
  }

  hearRaw(protocol: number, packet: Uint8Array, from: Address, to: Address): void {
    receiveRaw(this, protocol, packet, from, to);
  }

  /** A port that nothing is bound to. */
  nextPort(): number {
    this.ephemeral = this.ephemeral >= 60_999 ? 32_768 : this.ephemeral + 1;
    return this.ephemeral;
  }

  /** The address that it speaks from to `to`. */
  sourceFor(to: Address): Address {
    const family = to.includes(':');
    const own =
      this.addresses.find(one => one === to) ?? this.addresses.find(one => one.includes(':') === family);
    if (own === undefined) throw new Error(`${this.name} has no address to reach ${to} from`);
    return own;
  }
}
