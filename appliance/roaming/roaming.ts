/**
 * Roaming as the appliance sees it: DHCP on its access links in, hints out. This file puts the room's parts together; each of them is a
 * file of its own.
 */
import type { Address } from '../../sdk/wire/address.ts';
import { macFromBytes } from '../../sdk/wire/address.ts';
import type { ServerId } from '../../sdk/wire/model.ts';
import type { Clock, Link, Links, Log, Millis, Timer } from '../host/ports.ts';
import type { Reason } from '../registry/state.ts';
import { type DhcpFault, type DhcpMessage, type DhcpType, decodeDhcp } from './dhcp-message.ts';
import { type Hint, hintsOf, hintsOfPeer, type Known } from './hints.ts';
import { Invitations } from './invitations.ts';
import { type Host, hex, identifiersOf, LeaseView } from './lease-view.ts';
import { Tap } from './tap.ts';
import { udpFrame, udpPayload } from './udp-frame.ts';

/** How often the interfaces are looked at, and leases that are over forgotten. */
const LOOK: Millis = 1000;
/** A server's health is hastened no more often. */
const HASTEN_PAUSE: Millis = 1000;
const MOST_HASTENED = 1024;
/** Hosts of which it is remembered, for people, what was done about them. */
const MOST_HINTED = 2048;

/** An unasked invitation, ready to go. */
export interface Invitation {
  readonly message: Uint8Array;
  /** This manager's address towards the server. */
  readonly from: Address;
  /** UDP port, at both ends. */
  readonly port: number;
  /** By way of the kernel, which asks for the server's hardware address first. */
  send(): void;
}

export interface RoamingOptions {
  readonly clock: Clock;
  readonly links: Links;
  readonly log: Log;
  /** The access links. */
  readonly access: readonly string[];
  readonly known: Known;
  /** The invitation for an address that was seen on a link; undefined when this manager has no address there. */
  readonly invitation: (to: Address, link: string) => Invitation | undefined;
  /** Checks all services of a server as soon as possible. */
  readonly hasten: (server: ServerId, reason: Reason) => void;
  /** By what the host of a server that is registered here is known: for peers. Only when it is not what is known already. */
  readonly seen: (server: ServerId, hosts: readonly Uint8Array[]) => void;
}

/** What was done about a host last, for people. */
export interface HostSight extends Host {
  readonly knownAs: ServerId | undefined;
  readonly hint: string;
}

export interface RoamingCounters {
  /** By message type, or by what was wrong with it. */
  readonly messages: Record<DhcpType | DhcpFault | 'no-udp', number>;
  readonly hints: Record<
    | 'invited'
    | 'invitation-under-way'
    | 'invitation-too-many'
    | 'no-address'
    | 'hastened'
    | 'hasten-too-often'
    | 'datagrams',
    number
  >;
}

export interface Roaming {
  readonly counters: RoamingCounters;
  /** Who was seen, the least recently heard first, and what was done about it. */
  hosts(): readonly HostSight[];
  /** Another manager tells that it has a server of these identifiers. */
  seenElsewhere(identifiers: readonly Uint8Array[], peer: string): void;
  close(): void;
}

export const createRoaming = (options: RoamingOptions): Roaming => new Room(options);

class Room implements Roaming {
  readonly counters = newCounters();
  private readonly options: RoamingOptions;
  private readonly view = new LeaseView();
  private readonly invitations: Invitations;
  private readonly taps: readonly Tap[];
  private present = new Map<string, Link>();
  private readonly hastened = new Map<ServerId, Millis>();
  /** The latest hint of each host, by its key. */
  private readonly hinted = new Map<string, Hint>();
  private timer: Timer | undefined;

  constructor(options: RoamingOptions) {
    const { access, links, log, clock } = options;
    this.options = options;
    this.invitations = new Invitations(clock);
    this.taps = access.map(name => new Tap(name, links, log, frame => this.receive(frame, name)));
    this.look();
  }

  hosts(): readonly HostSight[] {
    return this.view.list(this.options.clock.now()).map(host => {
      const hint = this.hinted.get(host.key);
      return {
        ...host,
        knownAs: hint?.server ?? this.options.known.serverOf(identifiersOf(host)),
        hint: hint === undefined ? '' : `${hint.kind}: ${hint.reason.sentence}`,
      };
    });
  }

  seenElsewhere(identifiers: readonly Uint8Array[], peer: string): void {
    for (const hint of hintsOfPeer(identifiers, peer, this.options.known)) this.follow(hint);
  }

  close(): void {
    this.timer?.cancel();
    this.invitations.close();
    for (const tap of this.taps) tap.close();
  }

  private look(): void {
    const { links, clock } = this.options;
    this.present = new Map(links.list().map(link => [link.name, link]));
    for (const tap of this.taps) tap.update(this.present.get(tap.name));
    this.view.expire(clock.now());
    this.noteHosts(clock.now());
    this.timer = clock.after('roaming-look', LOOK, () => this.look());
  }

  /** Servers register after their hosts were seen, and hosts are seen after their servers have registered: so it is looked at again and again. */
  private noteHosts(now: Millis): void {
    const { known, seen } = this.options;
    // An address is whose lease was granted last: two that both claim it would be told of again and again.
    const holders = new Map<Address, Host>();
    for (const host of this.view.list(now))
      if (host.state === 'bound' && host.address !== undefined) holders.set(host.address, host);
    for (const [address, host] of holders) {
      const server = known.serverAt(address);
      if (server === undefined || !known.isRegistered(server, address)) continue;
      const identifiers = identifiersOf(host);
      const before = new Set(known.hostsOf(server).map(hex));
      if (!identifiers.every(identifier => before.has(hex(identifier)))) seen(server, identifiers);
    }
  }

  private receive(frame: Uint8Array, link: string): void {
    const payload = udpPayload(frame);
    const message = payload === undefined ? 'no-udp' : decodeDhcp(payload);
    this.counters.messages[typeof message === 'string' ? message : message.type]++;
    if (typeof message !== 'string') this.observe(message, link);
  }

  private observe(message: DhcpMessage, link: string): void {
    const { clock, known } = this.options;
    const sighting = this.view.observe(message, link, clock.now());
    if (sighting === undefined) return;
    for (const hint of hintsOf(sighting, known)) {
      if (this.hinted.size >= MOST_HINTED) this.hinted.clear();
      this.hinted.set(sighting.host.key, hint);
      this.follow(hint);
    }
  }

  private follow(hint: Hint): void {
    if (hint.kind === 'invite') this.invite(hint);
    else this.hasten(hint);
  }

  private hasten({ server, reason }: Extract<Hint, { kind: 'hasten' }>): void {
    const now = this.options.clock.now();
    const last = this.hastened.get(server);
    if (last !== undefined && now - last < HASTEN_PAUSE) {
      this.counters.hints['hasten-too-often']++;
      return;
    }
    if (this.hastened.size >= MOST_HASTENED) this.hastened.clear();
    this.hastened.set(server, now);
    this.counters.hints.hastened++;
    this.options.hasten(server, reason);
  }

  private invite({ server, host, address, reason }: Extract<Hint, { kind: 'invite' }>): void {
    const { known, log } = this.options;
    const { hints } = this.counters;
    const send = (): void => {
      const invitation = this.options.invitation(address, host.link);
      if (invitation === undefined) {
        hints['no-address']++;
        return;
      }
      hints.datagrams++;
      if (!this.sendOnLink(host, address, invitation)) invitation.send();
    };
    const rank = host.state === 'bound' ? 1 : 0;
    const begun = this.invitations.begin({ server, address, rank }, send, () =>
      known.isRegistered(server, address),
    );
    if (begun === 'under-way' || begun === 'too-many') {
      hints[`invitation-${begun}`]++;
      return;
    }
    hints.invited++;
    log('info', 'server-invited', {
      server,
      address,
      link: host.link,
      reason: reason.code,
      sentence: reason.sentence,
    });
  }

  /**
   * To the host's hardware address, which DHCP has just shown: the kernel would ask for it by ARP before the host has its address, and
   * then again a whole second later. False for one behind a relay.
   */
  private sendOnLink(host: Host, to: Address, { message, from, port }: Invitation): boolean {
    const link = this.present.get(host.link);
    const isEthernet = host.hardware.length === 7 && host.hardware[0] === 1;
    if (link === undefined || host.relay !== undefined || !isEthernet) return false;
    const frame = udpFrame({
      from: { mac: link.mac, address: from, port },
      to: { mac: macFromBytes(host.hardware, 1), address: to, port },
      payload: message,
    });
    return this.taps.find(tap => tap.name === host.link)?.send(frame) ?? false;
  }
}

const newCounters = (): RoamingCounters => ({
  messages: {
    ...{ discover: 0, offer: 0, request: 0, decline: 0, ack: 0, nak: 0, release: 0, inform: 0 },
    ...{ short: 0, long: 0, op: 0, hardware: 0, cookie: 0, options: 0, bootp: 0, type: 0, 'no-udp': 0 },
  },
  hints: {
    ...{ invited: 0, 'invitation-under-way': 0, 'invitation-too-many': 0, 'no-address': 0 },
    ...{ hastened: 0, 'hasten-too-often': 0, datagrams: 0 },
  },
});
