/**
 * One link on which DHCP is listened to: opened when it is there and up, again later if it goes. Also what this station itself sends is
 * seen: the answers of a DHCP server or relay on the appliance.
 */
import type { Link, LinkSocket, Links, Log } from '../host/ports.ts';

export const DHCP_FILTER = 'ip and udp and (port 67 or port 68)';

/** Kernel-side buffer, bytes; it counts into the daemon's memory. Room for hundreds of frames of 576 bytes, as DHCP's mostly are. */
const RING = 1 << 18;

export class Tap {
  readonly name: string;
  private readonly links: Links;
  private readonly log: Log;
  private readonly onFrame: (frame: Uint8Array) => void;
  private socket: LinkSocket | undefined;
  private index = 0;
  private complained = '';

  constructor(name: string, links: Links, log: Log, onFrame: (frame: Uint8Array) => void) {
    this.name = name;
    this.links = links;
    this.log = log;
    this.onFrame = onFrame;
  }

  get open(): boolean {
    return this.socket !== undefined;
  }

  /** The interface as it is now; undefined if there is none of this name. Call it every second or so. */
  update(link: Link | undefined): void {
    if (this.socket !== undefined && (link?.up !== true || link.index !== this.index)) this.close();
    if (link?.up !== true || this.socket !== undefined) return;
    try {
      this.socket = this.links.open(this.name, DHCP_FILTER, RING, this.onFrame);
      this.index = link.index;
      this.complained = '';
    } catch (error) {
      const sentence = (error as Error).message;
      if (sentence !== this.complained) this.log('warning', 'dhcp-not-seen', { link: this.name, sentence });
      this.complained = sentence;
    }
  }

  /** Whether there was a link to send it on. */
  send(frame: Uint8Array): boolean {
    this.socket?.send(frame);
    return this.socket !== undefined;
  }

  close(): void {
    this.socket?.close();
    this.socket = undefined;
  }
}
