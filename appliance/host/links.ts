/**
 * Interfaces and raw Ethernet on Linux: sysfs and os.networkInterfaces() to list them, libpcap (the cap addon) to open one.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { parseAddress, parseMac } from '../../sdk/wire/address.ts';
import type { Link, LinkSocket, Links } from './ports.ts';

const SYSFS = '/sys/class/net';
const IFF_UP = 1;

/** The longest frame that is looked at; longer ones (jumbo, or merged by the receiver) are cut off. */
const LARGEST_FRAME = 9216 + 18;

/**
 * The addon is loaded here, not when the program starts, so that commands that open no link run without libpcap.
 * Opening needs CAP_NET_RAW.
 *
 * Of the kernel-side ring: libpcap cuts it into slots of the greatest frame, and while an interface has segmentation or receive
 * offload on that is 64 KiB, so a ring of 4 MiB holds 60 frames however short they are. It is all in the process's RSS.
 */
export async function linuxLinks(): Promise<Links> {
  const { default: cap } = await import('cap');
  return {
    list: listLinks,
    open(name, filter, ring, onFrame): LinkSocket {
      const capture = new cap.Cap();
      const buffer = new Uint8Array(LARGEST_FRAME);
      const views: Uint8Array[] = [];
      let open = true;
      try {
        const type = capture.open(name, filter, ring, buffer);
        if (type !== 'ETHERNET') {
          capture.close();
          throw new Error(`its link type is ${type}, and only Ethernet is understood`);
        }
      } catch (error) {
        throw new Error(`interface ${name} cannot be opened for raw frames: ${(error as Error).message}`);
      }
      capture.on('packet', length => {
        // The same buffer each time, so a view for each length lasts: no garbage at 100,000 frames a second.
        views[length] ??= buffer.subarray(0, length);
        if (open) onFrame(views[length]);
      });
      return {
        send(frame) {
          if (open) capture.send(frame);
        },
        close() {
          if (!open) return;
          open = false;
          capture.close();
        },
      };
    },
  };
}

/** All Ethernet-like interfaces of this network namespace, by name. Loopback has the MAC of zeros. */
export function listLinks(): readonly Link[] {
  const assigned = new Map<string, Link['addresses'][number][]>();
  for (const [label, entries] of Object.entries(networkInterfaces())) {
    const name = label.split(':')[0]!; // An IPv4 address with a label is listed under 'eth0:label'.
    const list = assigned.get(name) ?? [];
    assigned.set(name, list);
    for (const entry of entries ?? []) {
      const address = parseAddress(entry.address);
      const length = Number(entry.cidr?.split('/')[1]);
      if (address !== undefined && Number.isInteger(length)) list.push({ address, length });
    }
  }
  const links: Link[] = [];
  for (const name of readdirSync(SYSFS).sort()) {
    const mac = parseMac(attribute(name, 'address'));
    const index = Number(attribute(name, 'ifindex'));
    if (mac === undefined || !(index > 0)) continue; // Gone since it was listed, or no Ethernet.
    const state = attribute(name, 'operstate');
    links.push({
      name,
      index,
      mac,
      up: (Number(attribute(name, 'flags')) & IFF_UP) !== 0 && (state === 'up' || state === 'unknown'),
      mtu: Number(attribute(name, 'mtu')),
      addresses: assigned.get(name) ?? [],
    });
  }
  return links;
}

function attribute(name: string, file: string): string {
  try {
    return readFileSync(`${SYSFS}/${name}/${file}`, 'utf8').trim();
  } catch {
    return '';
  }
}
