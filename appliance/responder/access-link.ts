/**
 * One access link: opened when it is there and up, its frames handed to anycast ARP and to ordinary ARP, opened again later if it goes.
 */
import type { Mac } from '../../sdk/wire/address.ts';
import { ARP_OPERATION } from '../../sdk/wire/arp.ts';
import type { Link, LinkSocket, Links, Log } from '../host/ports.ts';
import type { ArpKeeper } from './arp-keeper.ts';
import { operationOf, type Station, sameStation } from './frame.ts';
import type { LinkCarrier } from './link-carrier.ts';

/**
 * Requests, replies and anycast queries only, and not what this station sends itself: the rest never leaves the kernel. (The word
 * `inbound` would say the latter, but libpcap cannot evaluate it for the first frame, and drops that.)
 */
export const linkFilter = (own: Mac): string =>
  `arp and (arp[6:2] = 1 or arp[6:2] = 2 or arp[6:2] = 24) and not ether src ${own}`;

export interface AccessLinkOptions {
  readonly name: string;
  readonly links: Links;
  /** Kernel-side buffer, bytes. */
  readonly ring: number;
  readonly log: Log;
  /** Makes the two that live on the link, once its station is known. */
  readonly make: (
    station: Station,
    send: (frame: Uint8Array) => void,
  ) => { readonly carrier: LinkCarrier; readonly keeper: ArpKeeper };
}

export class AccessLink {
  readonly name: string;
  private readonly options: AccessLinkOptions;
  private socket: LinkSocket | undefined;
  private station: Station | undefined;
  private index = 0;
  private parts: ReturnType<AccessLinkOptions['make']> | undefined;
  private complained = '';

  constructor(options: AccessLinkOptions) {
    this.name = options.name;
    this.options = options;
  }

  /** Whether frames come in now. */
  get open(): boolean {
    return this.socket !== undefined;
  }

  get carrier(): LinkCarrier | undefined {
    return this.parts?.carrier;
  }

  get keeper(): ArpKeeper | undefined {
    return this.parts?.keeper;
  }

  /** The interface as it is now; undefined if there is none of this name. Call it every second or so. */
  update(link: Link | undefined, station: Station | undefined): void {
    if (link === undefined || station === undefined || !link.up) {
      if (this.socket !== undefined) this.shut();
      this.complain(link === undefined ? 'there is no such interface' : 'it is down');
      return;
    }
    const before = this.station;
    if (this.socket !== undefined && (link.index !== this.index || before?.mac !== station.mac)) this.shut();
    this.station = station;
    this.index = link.index;
    this.parts ??= this.options.make(station, frame => this.socket?.send(frame));
    const opened = this.socket === undefined && this.tryOpen(station.mac);
    if (!opened && before !== undefined && sameStation(before, station)) return;
    this.parts.carrier.setStation(station);
    if (opened) this.parts.keeper.setStation(station);
  }

  close(): void {
    this.parts?.keeper.close();
    this.socket?.close();
    this.socket = undefined;
  }

  private tryOpen(own: Mac): boolean {
    const { links, ring, log } = this.options;
    try {
      this.socket = links.open(this.name, linkFilter(own), ring, frame => this.receive(frame));
    } catch (error) {
      this.complain((error as Error).message);
      return false;
    }
    this.complained = '';
    log('info', 'access-link-open', { link: this.name, ring });
    return true;
  }

  private shut(): void {
    this.socket?.close();
    this.socket = undefined;
    this.options.log('warning', 'access-link-lost', { link: this.name });
  }

  private receive(frame: Uint8Array): void {
    const operation = operationOf(frame);
    if (operation === ARP_OPERATION.query) this.parts?.carrier.receive(frame);
    else if (operation === ARP_OPERATION.request) this.parts?.keeper.receive(frame, 'request');
    else if (operation === ARP_OPERATION.reply) this.parts?.keeper.receive(frame, 'reply');
  }

  /** Once for each reason: this is tried again all the time. */
  private complain(sentence: string): void {
    if (sentence === this.complained) return;
    this.complained = sentence;
    this.options.log('warning', 'access-link-closed', { link: this.name, sentence });
  }
}
