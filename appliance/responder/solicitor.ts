/**
 * Solicitations (docs/protocol.md, Finding a manager): an agent multicasts, and is invited, by unicast and a moment later, to the address
 * that this manager has on the agent's own link. The moment is random so that the managers of one link do not all speak at once.
 */
import { type Address, parsePrefix, prefixHolds } from '../../sdk/wire/address.ts';
import { decodeAnycast, encodeAnycast } from '../../sdk/wire/anycast.ts';
import { WireError } from '../../sdk/wire/errors.ts';
import { VERSION } from '../../sdk/wire/messages.ts';
import type { ManagerId } from '../../sdk/wire/model.ts';
import type { Clock, Link, Millis, Random, Timer } from '../host/ports.ts';
import type { ResponderCounters } from './counters.ts';
import { SourceLimits } from './source-limits.ts';

/** An invitation leaves within this. */
export const INVITE_JITTER: Millis = 50;

/** Solicitations of one source a second, and invitations that wait at once. */
const RATE = 2;
const MOST_WAITING = 256;

export interface SolicitorOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly counters: ResponderCounters;
  readonly manager: ManagerId;
  /** The manager's name, at most 63 bytes. */
  readonly name: string;
  /** Where it takes registrations; an address of it, or undefined for its address on the asker's link. */
  readonly registration: {
    readonly address: Address | undefined;
    readonly port: number;
    readonly tls: boolean;
  };
  /** The access links as they are now. */
  readonly links: () => readonly Link[];
  readonly isVip: (address: Address) => boolean;
  readonly onFull: () => void;
}

export class Solicitor {
  private readonly options: SolicitorOptions;
  private readonly limits: SourceLimits<Address>;
  private readonly waiting = new Set<Timer>();
  private manager: ManagerId;

  constructor(options: SolicitorOptions) {
    this.options = options;
    this.manager = options.manager;
    this.limits = new SourceLimits(options.clock, RATE, options.onFull);
  }

  /** From now on invitations are to this manager. */
  setManager(manager: ManagerId): void {
    this.manager = manager;
  }

  /** One solicitation; `zone` is the interface of a link-local source. Never throws for what it holds. */
  receive(
    bytes: Uint8Array,
    source: Address,
    zone: string | undefined,
    send: (bytes: Uint8Array) => void,
  ): void {
    const { clock, random, counters } = this.options;
    if (!this.limits.allow(source) || this.waiting.size >= MOST_WAITING) {
      counters.solicit['rate-limited']++;
      return;
    }
    const outcome = this.invitation(bytes, source, zone);
    if (typeof outcome === 'string') {
      counters.solicit[outcome]++;
      return;
    }
    const timer = clock.after('invite', random.uniform() * INVITE_JITTER, () => {
      this.waiting.delete(timer);
      counters.solicit.invited++;
      send(outcome);
    });
    this.waiting.add(timer);
  }

  /** An invitation that nobody asked for (nonce zero), to a server at `to` whose DHCP was seen on `link`. */
  unasked(to: Address, link: string): { readonly message: Uint8Array; readonly from: Address } | undefined {
    const from = this.addressTowards(to, undefined) ?? this.addressOn(link);
    return from && { from, message: this.invite(new Uint8Array(8), from) };
  }

  close(): void {
    for (const timer of this.waiting) timer.cancel();
    this.waiting.clear();
  }

  private invitation(
    bytes: Uint8Array,
    source: Address,
    zone: string | undefined,
  ): Uint8Array | 'malformed' | 'version' | 'foreign' {
    try {
      const message = decodeAnycast(bytes);
      if (message.type !== 'solicit') return 'malformed';
      const [oldest, newest] = message.versions;
      if (oldest > VERSION.newest || newest < VERSION.oldest) return 'version';
      const own = this.addressTowards(source, zone);
      if (own === undefined) return 'foreign';
      const invite = this.invite(message.nonce, own);
      // Its address is not proven, so it gets no more bytes than it sent (docs/protocol.md has it pad).
      return invite.length <= bytes.length ? invite : 'malformed';
    } catch (error) {
      if (error instanceof WireError) return 'malformed';
      throw error;
    }
  }

  private invite(nonce: Uint8Array, own: Address): Uint8Array {
    const { manager } = this;
    const { name, registration } = this.options;
    const { address = own, port, tls } = registration;
    return encodeAnycast({ type: 'invite', nonce, manager, name, address, port, tls });
  }

  /** The manager's first IPv4 address on an access link: towards whoever is behind a relay there. */
  private addressOn(name: string): Address | undefined {
    const { links, isVip } = this.options;
    const link = links().find(candidate => candidate.name === name);
    return link?.addresses.find(({ address }) => !address.includes(':') && !isVip(address))?.address;
  }

  /** The manager's address on the link on which `source` is: in the same prefix, or, for a link-local source, any of its family. */
  private addressTowards(source: Address, zone: string | undefined): Address | undefined {
    const { links, isVip } = this.options;
    for (const link of links()) {
      for (const { address, length } of link.addresses) {
        if (isVip(address) || isLinkLocal(address)) continue;
        const prefix = parsePrefix(`${address}/${length}`);
        const near =
          zone === undefined
            ? prefix !== undefined && prefixHolds(prefix, source)
            : link.name === zone && address.includes(':');
        if (near) return address;
      }
    }
    return undefined;
  }
}

const isLinkLocal = (address: Address): boolean => /^fe[89ab]/.test(address);
