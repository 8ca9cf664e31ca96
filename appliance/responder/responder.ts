/**
 * The responder: anycast ARP on the access links and over UDP, ordinary ARP for the VIPs, invitations for agents that look
 * for a manager. This file puts its parts together; each of them is a file of its own.
 */
import type { Address, Mac } from '../../sdk/wire/address.ts';
import type { ManagerId } from '../../sdk/wire/model.ts';
import { MESSAGE } from '../../sdk/wire/numbers.ts';
import type { WantedArp, WantedDirectory } from '../desired/wanted.ts';
import type { Clock, Link, Links, Log, Millis, Net, Random, Signer, Timer } from '../host/ports.ts';
import { Table } from '../registry/table.ts';
import { AccessLink } from './access-link.ts';
import { Answers, type Elsewhere } from './answers.ts';
import type { ArpConflict, StandingConflict } from './arp-defender.ts';
import { ArpKeeper } from './arp-keeper.ts';
import { Cookies } from './cookies.ts';
import { newCounters, type ResponderCounters } from './counters.ts';
import { stationOf } from './frame.ts';
import { LinkCarrier } from './link-carrier.ts';
import { Solicitor } from './solicitor.ts';
import { SourceLimits } from './source-limits.ts';
import { UdpCarrier } from './udp-carrier.ts';
import { UdpSockets } from './udp-sockets.ts';

/** How often the interfaces are looked at. */
const LOOK: Millis = 1000;

export interface ResponderConfig {
  readonly manager: ManagerId;
  /** The manager's name, at most 63 bytes. */
  readonly name: string;
  /** Interfaces on which servers and clients are. */
  readonly access: readonly string[];
  /** UDP port of queries and solicitations. */
  readonly port: number;
  /** For how long an answer holds, ms. */
  readonly validity: number;
  /** Queries a second from one source without a cookie, or from one station on a link. */
  readonly rate: number;
  /** Kernel-side buffer of each access link, bytes. */
  readonly ring: number;
  /** What invitations say; without an address, that of the link on which the agent is. */
  readonly registration: {
    readonly address: Address | undefined;
    readonly port: number;
    readonly tls: boolean;
  };
}

export interface ResponderOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly net: Net;
  readonly links: Links;
  /** Signs answers, for those who want it. */
  readonly signer: Signer | undefined;
  readonly config: ResponderConfig;
  readonly log: Log;
  /** A station that claims a VIP is an alarm; the sentence says so to people. */
  /** Datagrams at the port that are of another protocol part (polls); true: it took them. */
  readonly onOther?: (bytes: Uint8Array, source: Address, send: (bytes: Uint8Array) => void) => boolean;
  /** Whom else to ask over UDP, for what this manager has not. */
  readonly elsewhere?: Elsewhere;
  readonly onConflict?: (conflict: ArpConflict, sentence: string) => void;
}

/** An invitation that is ready to go. */
export interface UnaskedInvitation {
  readonly message: Uint8Array;
  /** Where it is to come from. */
  readonly from: Address;
  /** UDP, at both ends. */
  readonly port: number;
  /** By way of the kernel; nothing happens as long as `from` has no socket yet. */
  send(): void;
}

export interface Responder {
  /** What is answered from now on. Before the first call nothing is answered. */
  setDirectory(directory: WantedDirectory): void;
  /** The VIPs to announce and to answer for; call it once the data plane is ready for them. */
  setArp(wanted: WantedArp): void;
  /** The manager has another key, and so another identity: its signer signs with that key already. */
  setManager(manager: ManagerId): void;
  readonly counters: ResponderCounters;
  /**
   * An unasked invitation for a server at `to`, which was seen on the interface `link`; undefined when this manager has no address
   * there.
   */
  invitation(to: Address, link: string): UnaskedInvitation | undefined;
  /** VIPs that another station claims now, on all links together. */
  conflicts(): readonly StandingConflict[];
  close(): void;
}

/** Opens the UDP sockets and the links (those that aren't there yet are opened when they come). Rejects if the port is taken. */
export async function createResponder(options: ResponderOptions): Promise<Responder> {
  const { clock, random, net, links, signer, config, log, onConflict } = options;
  const { manager, name, access, port, validity, rate, ring, registration } = config;
  const counters = newCounters();
  const onFull = (): void => {
    counters.table['sources-full']++;
    log('warning', 'sources-full', { sentence: 'too many sources ask at once; new ones share one budget' });
  };

  let vips: WantedArp['vips'] = Table.empty();
  let present = new Map<string, Link>();
  let local = new Set<Address>();
  let macs = new Set<Mac>();
  const isVip = (candidate: Address): boolean => vips.has(candidate);
  const accessLinks = (): readonly Link[] =>
    access.map(wanted => present.get(wanted)).filter(link => link !== undefined);

  const answers = new Answers({ clock, manager, signer, validity, elsewhere: options.elsewhere });
  const cookies = new Cookies(clock, random);
  const udp = new UdpCarrier({ clock, answers, cookies, rate, counters, onFull });
  const solicitor = new Solicitor({
    clock,
    random,
    counters,
    manager,
    name,
    registration,
    links: accessLinks,
    isVip,
    onFull,
  });
  const conflict = (alarm: ArpConflict): void => {
    const { state, vip, mac, link } = alarm;
    onConflict?.(
      alarm,
      state === 'began'
        ? `${mac} on ${link} says that it has ${vip}; if it is a server in direct mode, it must not answer ARP for it (arp_ignore=1, arp_announce=2)`
        : `no other station has claimed ${vip} for 30 s; it was announced again (${mac} on ${link} had)`,
    );
  };
  const opened = access.map(
    wanted =>
      new AccessLink({
        name: wanted,
        links,
        ring,
        log,
        make: (station, send) => {
          const limits = new SourceLimits<number>(clock, rate, onFull);
          const keeper = new ArpKeeper(
            {
              clock,
              limits,
              counters,
              send,
              kernelAnswers: vip => local.has(vip),
              isOwn: mac => macs.has(mac),
              onConflict: conflict,
            },
            station,
            vips.keys(),
          );
          return { carrier: new LinkCarrier({ answers, limits, counters, send }, station), keeper };
        },
      }),
  );

  function look(): void {
    const all = links.list();
    present = new Map(all.map(link => [link.name, link]));
    local = new Set(all.flatMap(link => link.addresses.map(entry => entry.address)));
    macs = new Set(all.map(link => link.mac));
    sockets.update(all, isVip);
    for (const link of opened) {
      const now = present.get(link.name);
      link.update(now, now && stationOf(now, isVip));
      link.keeper?.look();
    }
  }

  function again(): void {
    timer = clock.after('responder-look', LOOK, () => {
      look();
      again();
    });
  }

  const sockets = await UdpSockets.open({ net, port, access, log }, (bytes, source, zone, send) => {
    if (options.onOther?.(bytes, source, send)) return;
    if (bytes[3] === MESSAGE.solicit) solicitor.receive(bytes, source, zone, send);
    else udp.receive(bytes, source, send);
  });
  let timer: Timer | undefined;
  look();
  again();

  const forget = (): void => {
    udp.forget();
    for (const link of opened) link.carrier?.forget();
  };

  return {
    counters,
    setDirectory(directory) {
      answers.setDirectory(directory);
      forget();
    },
    setManager(id) {
      answers.setManager(id);
      solicitor.setManager(id);
      forget();
    },
    setArp({ vips: wanted }) {
      const taken: Address[] = [];
      const given: Address[] = [];
      for (const { key, after } of wanted.changesSince(vips)) (after ? taken : given).push(key);
      vips = wanted;
      for (const link of opened) link.keeper?.change(taken, given);
    },
    invitation(to, link) {
      const unasked = solicitor.unasked(to, link);
      return unasked && { ...unasked, port, send: () => sockets.send(unasked.message, unasked.from, to) };
    },
    conflicts: () => opened.flatMap(link => link.keeper?.conflicts() ?? []),
    close() {
      timer?.cancel();
      solicitor.close();
      for (const link of opened) link.close();
      sockets.close();
    },
  };
}
