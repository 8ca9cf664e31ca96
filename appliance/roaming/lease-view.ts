/**
 * Which host has which lease, as far as DHCP on the access links shows it: bounded, and everything in it expires. A hint, never a proof.
 */
import type { Address } from '../../sdk/wire/address.ts';
import type { Millis } from '../host/ports.ts';
import type { DhcpMessage } from './dhcp-message.ts';

/** Hosts with a lease, and hosts that only ask for one; beyond it those go that were heard least recently. */
export const MOST_HOSTS = 4096;
export const MOST_ASKING = 1024;

/** How long one that asks is remembered. */
const ASKING: Millis = 60_000;
/** What counts as the length of a lease that does not say it, and the longest that is believed. */
const UNSAID = 3600;
const LONGEST = 86_400;
/** Identifiers longer than this are not told to peers (docs/protocol.md, Notices). */
const LONGEST_IDENTIFIER = 32;

/** `asking`: it was seen to ask, not yet to be answered. */
export type HostState = 'asking' | 'bound' | 'released' | 'declined' | 'refused';

/** One host on an access link, or behind a relay there. */
export interface Host {
  /** In hex: its client identifier if it said one, else its hardware address. */
  readonly key: string;
  /** htype and chaddr. */
  readonly hardware: Uint8Array;
  readonly client: Uint8Array | undefined;
  readonly name: string;
  /** What it has, or (`asking`) wants. */
  readonly address: Address | undefined;
  readonly state: HostState;
  readonly server: Address | undefined;
  readonly relay: Address | undefined;
  readonly link: string;
  readonly since: Millis;
  readonly expires: Millis;
}

/** What a message changed. */
export type Sighting =
  /** It was granted an address; `before`: it had another. */
  | { readonly kind: 'bound'; readonly host: Host; readonly address: Address; readonly before?: Address }
  /** It asked for an address that it was offered or had before: the answer may pass out of sight, on a switch. */
  | { readonly kind: 'expected'; readonly host: Host; readonly address: Address; readonly before?: Address }
  /** It has this address no more. */
  | {
      readonly kind: 'left';
      readonly host: Host;
      readonly address: Address | undefined;
      readonly why: 'released' | 'declined' | 'refused';
    };

export class LeaseView {
  private readonly hosts = new Map<string, Host>();
  private readonly askers = new Map<string, Host>();
  private readonly byHardware = new Map<string, string>();

  /** All that is known now, the least recently heard first. */
  list(now: Millis): readonly Host[] {
    this.expire(now);
    return [...this.askers.values(), ...this.hosts.values()];
  }

  /** Takes note of a message that was seen on `link`. */
  observe(message: DhcpMessage, link: string, now: Millis): Sighting | undefined {
    const before = this.find(message);
    switch (message.type) {
      case 'request':
        return message.fromServer ? undefined : this.asked(message, link, now, before);
      case 'ack':
        return message.fromServer ? this.granted(message, link, now, before) : undefined;
      case 'nak':
        return message.fromServer ? this.left(message, link, now, before, 'refused') : undefined;
      case 'release':
        return message.fromServer ? undefined : this.left(message, link, now, before, 'released');
      case 'decline':
        return message.fromServer ? undefined : this.left(message, link, now, before, 'declined');
      case 'discover':
        if (!message.fromServer && before === undefined)
          this.remember(this.hostOf(message, link, now, undefined, 'asking', message.requested, ASKING));
        return undefined;
      default:
        return undefined;
    }
  }

  /** Forgets whose time is over. */
  expire(now: Millis): void {
    for (const table of [this.askers, this.hosts])
      for (const host of table.values()) if (host.expires <= now) this.forget(host);
  }

  private asked(
    message: DhcpMessage,
    link: string,
    now: Millis,
    before: Host | undefined,
  ): Sighting | undefined {
    const address = message.requested ?? message.current;
    if (address === undefined) return undefined;
    const had = before?.state === 'bound' ? before.address : undefined;
    const host = this.hostOf(message, link, now, before, 'asking', address, ASKING);
    // One that renews its lease keeps it whatever comes of that.
    if (had !== address) this.remember(had === undefined ? host : { ...before!, link });
    return { kind: 'expected', host, address, ...(had !== undefined && had !== address && { before: had }) };
  }

  private granted(
    message: DhcpMessage,
    link: string,
    now: Millis,
    before: Host | undefined,
  ): Sighting | undefined {
    const address = message.given;
    if (address === undefined) return undefined; // An answer to INFORM grants nothing.
    const lease = Math.min(message.lease ?? UNSAID, LONGEST) * 1000;
    const host = this.hostOf(message, link, now, before, 'bound', address, lease);
    this.remember(host);
    const had = before?.state === 'bound' ? before.address : undefined;
    return { kind: 'bound', host, address, ...(had !== undefined && had !== address && { before: had }) };
  }

  private left(
    message: DhcpMessage,
    link: string,
    now: Millis,
    before: Host | undefined,
    why: 'released' | 'declined' | 'refused',
  ): Sighting {
    const address = message.current ?? message.requested ?? before?.address;
    const host = this.hostOf(message, link, now, before, why, address, ASKING);
    this.remember(host);
    return { kind: 'left', host, address, why };
  }

  private find(message: DhcpMessage): Host | undefined {
    const named = message.client && this.get(hex(message.client));
    if (named !== undefined) return named;
    const key = this.byHardware.get(hex(message.hardware));
    const host = key === undefined ? undefined : this.get(key);
    // A server need not repeat the identifier (RFC 2131 §4.3.1, before RFC 6842); two identifiers are two hosts.
    return host?.client === undefined || message.client === undefined ? host : undefined;
  }

  private get(key: string): Host | undefined {
    return this.hosts.get(key) ?? this.askers.get(key);
  }

  private hostOf(
    message: DhcpMessage,
    link: string,
    now: Millis,
    before: Host | undefined,
    state: HostState,
    address: Address | undefined,
    lasts: Millis,
  ): Host {
    const client = message.client ?? before?.client;
    const same = before?.state === state && before.address === address;
    return {
      key: hex(client ?? message.hardware),
      hardware: message.hardware,
      client,
      name: message.name || before?.name || '',
      address,
      state,
      server: message.server ?? before?.server,
      relay: message.relay,
      link,
      since: same ? before.since : now,
      expires: now + lasts,
    };
  }

  private remember(host: Host): void {
    const before = this.get(host.key);
    if (before !== undefined) this.forget(before);
    const nameless = this.get(this.byHardware.get(hex(host.hardware)) ?? '');
    if (nameless !== undefined && nameless.client === undefined) this.forget(nameless);
    const [table, most] = host.state === 'asking' ? [this.askers, MOST_ASKING] : [this.hosts, MOST_HOSTS];
    if (table.size >= most) this.forget(table.values().next().value!);
    table.set(host.key, host);
    this.byHardware.set(hex(host.hardware), host.key);
  }

  private forget({ key, hardware }: Host): void {
    this.hosts.delete(key);
    this.askers.delete(key);
    if (this.byHardware.get(hex(hardware)) === key) this.byHardware.delete(hex(hardware));
  }
}

/** By what a host is known again elsewhere: its hardware address, and its client identifier if it is not too long. */
export const identifiersOf = ({
  hardware,
  client,
}: Pick<Host, 'hardware' | 'client'>): readonly Uint8Array[] =>
  [hardware, client].filter(
    (bytes): bytes is Uint8Array =>
      bytes !== undefined && bytes.length > 1 && bytes.length <= LONGEST_IDENTIFIER,
  );

/** Two lower-case digits a byte. */
export const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');
