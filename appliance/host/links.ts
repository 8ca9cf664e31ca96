/**
 * Interfaces and raw Ethernet on Linux: sysfs and os.networkInterfaces() to list them, libpcap (the cap addon) to open one.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { parseAddress, parseMac } from '../../sdk/wire/address.ts';
import type { Link, LinkSocket, Links } from './ports.ts';

const SYSFS = '/sys/class/net';
const IFF_UP = 1;

/** The longest frame that is looked at; longer ones (jumbo, or merged by the receiver) are cut off. */
const LARGEST_FRAME = 9216 + 18;

/** How often an open interface is looked at, ms. */
const LOOK = 1000;

/** After so many silent looks an interface is opened anew, in case that it went down and came back between two looks. */
const SILENT_LOOKS = 300;

/** libpcap's handle of an interface stays in libuv's list after it was closed, so its object must never be collected. */
const closed: object[] = [];

/**
 * The addon is loaded here, not when the program starts, so that commands that open no link run without libpcap.
 * Opening needs CAP_NET_RAW; it throws when the interface is not there, not up or not Ethernet.
 *
 * An interface that goes down and comes back, or is made anew under its old name, is opened again within a second;
 * `onProblem` hears of it. In between nothing is received, and what is sent is lost.
 *
 * A filter must not say `inbound` or `outbound`: libpcap looks at the first frame itself, cannot tell, and drops it.
 *
 * Of the kernel-side ring: libpcap cuts it into slots of the greatest frame, and while an interface has segmentation or receive
 * offload on that is 64 KiB, so a ring of 4 MiB holds 60 frames however short they are. It is all in the process's RSS.
 *
 * libpcap hands frames over at once only in immediate mode, for which the addon needs the file `libpcap.so` (in Debian a part of
 * libpcap-dev, or a symbolic link to libpcap.so.0.8): without it a frame waits for up to a second.
 */
export async function linuxLinks(onProblem: (sentence: string) => void = () => {}): Promise<Links> {
  const { default: cap } = await import('cap');
  if (!immediate())
    onProblem(
      'there is no libpcap.so: frames may wait for a second; link it to libpcap.so.0.8, or install libpcap-dev',
    );
  type Capture = InstanceType<typeof cap.Cap>;
  return {
    list: listLinks,
    open(name, filter, ring, onFrame): LinkSocket {
      let heard = false;
      let capture: Capture | undefined = capturing();
      let stamp = stampOf(name);
      let silent = 0;
      const timer = setInterval(look, LOOK);
      timer.unref();

      function capturing(): Capture {
        const fresh = new cap.Cap();
        closed.push(fresh);
        const buffer = new Uint8Array(LARGEST_FRAME);
        let view = buffer;
        const type = fresh.open(name, filter, ring, buffer);
        if (type !== 'ETHERNET') {
          fresh.close();
          throw new Error(`interface ${name} cannot be opened: its link type is ${type}, not Ethernet`);
        }
        fresh.on('packet', length => {
          heard = true;
          // The same buffer each time, so a view lasts while the length is the same: no garbage at 100,000 frames a second.
          if (view.length !== length) view = buffer.subarray(0, length);
          if (fresh === capture) onFrame(view);
        });
        return fresh;
      }

      function look(): void {
        silent = heard ? 0 : silent + 1;
        heard = false;
        const now = stampOf(name);
        if (capture !== undefined && now === stamp && silent < SILENT_LOOKS) return;
        silent = 0;
        if (now !== stamp) onProblem(`interface ${name} went down or was made anew: opening it again`);
        stamp = now;
        shut();
        try {
          capture = capturing();
        } catch (error) {
          onProblem(`interface ${name} cannot be opened, trying again: ${(error as Error).message}`);
        }
      }

      function shut(): void {
        capture?.removeAllListeners();
        capture?.close();
        capture = undefined;
      }

      return {
        send(frame) {
          try {
            capture?.send(frame);
          } catch (error) {
            onProblem(`a frame could not be sent on ${name}: ${(error as Error).message}`);
          }
        },
        close() {
          clearInterval(timer);
          shut();
        },
      };
    },
  };
}

/** Whether the addon found libpcap by the one name under which it asks it for immediate mode. */
function immediate(): boolean {
  const triplet = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  const places = ['/usr/lib', '/lib', '/usr/local/lib', `/usr/lib/${triplet}`, `/lib/${triplet}`];
  const named = (process.env['LD_LIBRARY_PATH'] ?? '').split(':').filter(place => place !== '');
  return [...named, ...places].some(place => existsSync(`${place}/libpcap.so`));
}

/** Changes whenever an interface went down, came up, or was replaced by another of its name. */
const stampOf = (name: string): string =>
  `${attribute(name, 'ifindex')} ${attribute(name, 'carrier_changes')} ${Number(attribute(name, 'flags')) & IFF_UP}`;

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
