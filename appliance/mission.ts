/**
 * This manager among the others of its mission: whom it trusts, what it tells them and hears of them.
 */
import type { Address } from '../sdk/wire/address.ts';
import { hasCarrier } from './config/carriers.ts';
import type { Config } from './config/config.ts';
import type { WantedNotices } from './desired/wanted.ts';
import type {
  Clock,
  Links,
  Log,
  Net,
  OpenVty,
  Random,
  Signer,
  Store,
  TlsIdentity,
  Verify,
} from './host/ports.ts';
import type { Heard } from './notices/heard.ts';
import { createNotices } from './notices/notices.ts';
import type { Notices, PeerStatus } from './notices/options.ts';
import { type Inspect, type Trust, type TrustOptions, trustOf } from './pki/trust.ts';
import { nextBoot } from './store/boot.ts';

/** What the operating system does for it. */
export interface MissionHost {
  readonly clock: Clock;
  readonly random: Random;
  readonly net: Net;
  readonly openVty: OpenVty;
  readonly links: Links;
  readonly log: Log;
  readonly store: Store;
  readonly verify: Verify;
  readonly identify: TrustOptions['identify'];
  /** Reads certificates in DER, and says whether the authority (PEM) issued them. Throws when the authority cannot be read. */
  readonly inspectorOf: (authority: string) => Inspect;
  /** The DER of the first certificate in a PEM text. */
  readonly derOf: (pem: string) => Uint8Array;
}

/** What members are known by, of the files that the configuration names. */
export interface Credentials {
  readonly tls: TlsIdentity | undefined;
  readonly revoked: ReadonlySet<string>;
}

export interface Mission {
  /** Who is of the mission; undefined where anybody may register (plain). */
  readonly trust: Trust | undefined;
  /** DER of this manager's certificate; undefined without one. */
  readonly certificate: Uint8Array | undefined;
  /** Begins to hear and to tell, where the configuration says that there are others. Rejects when the port is taken. */
  open(): Promise<void>;
  announce(wanted: WantedNotices): void;
  /** Goes on with other certificates, or another list of those that were revoked. Throws, changing nothing, for what is of no use. */
  renew(credentials: Credentials, signer: Signer): Promise<void>;
  peers(): readonly PeerStatus[];
  counters(): Readonly<Record<string, number>>;
  /** `leave`: tells the others that all that it carried is gone. */
  close(leave: boolean): void;
}

export function createMission(options: {
  readonly host: MissionHost;
  readonly config: Config;
  readonly credentials: Credentials;
  readonly signer: Signer;
  readonly emit: (event: Heard) => void;
  /** What is wrong with how the others are told, in sentences. */
  readonly onProblems?: (sentences: readonly string[]) => void;
}): Mission {
  const { host, config, emit } = options;
  const { clock, log } = host;
  const settings = config.notices;
  const wished = hasCarrier(settings);
  let { credentials, signer } = options;
  let trust = trustIn(host, credentials);
  let notices: Notices | undefined;
  const addresses = ownAddresses(config, clock, host.links);
  let wanted: WantedNotices | undefined;

  const open = async (): Promise<void> => {
    const { tls } = credentials;
    if (!wished) return;
    if (tls === undefined || trust === undefined) {
      const sentence = 'notices need certificates: without `tls` nobody is told, and nobody is heard';
      log('warning', 'notices-off', { sentence });
      return;
    }
    notices = await createNotices({
      ...host,
      signer,
      certificate: host.derOf(tls.certificate),
      boot: nextBoot(host.store),
      trust,
      config: { ...settings, ospf: settings.ospf && { ...settings.ospf, sockets: config.routing.sockets } },
      self: () => ({
        name: config.name,
        addresses: addresses(),
        anycastPort: config.anycast.port,
        port: config.listen[0]!.port,
        tls: true,
      }),
      emit,
      onProblems: options.onProblems,
    });
    if (wanted !== undefined) notices.announce(wanted);
  };

  return {
    get trust() {
      return trust;
    },
    get certificate() {
      return credentials.tls && host.derOf(credentials.tls.certificate);
    },
    open,
    announce(next) {
      if (next === wanted) return;
      wanted = next;
      notices?.announce(next);
    },
    async renew(next, nextSigner) {
      const another = trustIn(host, next);
      const reissued = next.tls?.certificate !== credentials.tls?.certificate;
      const rekeyed = nextSigner.id !== signer.id;
      credentials = next;
      signer = nextSigner;
      trust = another;
      if (notices === undefined) return;
      if (!reissued && !rekeyed) {
        if (trust !== undefined) notices.setTrust(trust);
        return;
      }
      // Under another key it is another manager: what the one of before had is gone.
      notices.close(rekeyed);
      notices = undefined;
      await open();
    },
    peers: () => notices?.status() ?? [],
    counters: () => notices?.counters() ?? {},
    close(leave) {
      notices?.close(leave);
      notices = undefined;
    },
  };

  function trustIn({ inspectorOf, identify }: MissionHost, { tls, revoked }: Credentials): Trust | undefined {
    if (tls === undefined) return undefined;
    const { validity = 'ignore' } = tls;
    const today = (): Date => new Date(clock.wall());
    return trustOf({ inspect: inspectorOf(tls.ca), identify, revoked, validity, today });
  }
}

/** Interfaces are looked at no more often, ms. */
const LOOK = 1000;

/** Gives where others reach this manager; none = where its messages come from. */
function ownAddresses({ notices, listen, access, routing }: Config, clock: Clock, links: Links) {
  const given =
    notices.addresses.length > 0
      ? notices.addresses
      : listen.map(({ address }) => address).filter(address => address !== '0.0.0.0' && address !== '::');
  const names = [...new Set([...notices.interfaces, ...routing.interfaces, ...access])];
  let known: readonly Address[] = given;
  let lookedAt = Number.NEGATIVE_INFINITY;
  return (): readonly Address[] => {
    if (given.length > 0 || clock.now() - lookedAt < LOOK) return known;
    lookedAt = clock.now();
    const present = new Map(links.list().map(link => [link.name, link]));
    known = names
      .flatMap(name => present.get(name)?.addresses ?? [])
      .map(({ address }) => address)
      .filter(address => !isLinkLocal(address))
      .slice(0, MOST_ADDRESSES);
    return known;
  };
}

/** In a notice (docs/protocol.md, Notices). */
const MOST_ADDRESSES = 8;

const isLinkLocal = (address: Address): boolean => /^(fe[89ab]|169\.254\.)/.test(address);
