/**
 * What a box does that nobody has told anything: its WAN gets an address by DHCP, servers and clients on its other ports get theirs
 * from it and may register, and where a neighbour speaks OSPF its VIPs are advertised. Pure.
 */
import type { Mac, Prefix } from '../../sdk/wire/address.ts';
import { address, macBytes, prefixHolds } from '../../sdk/wire/address.ts';
import type { Ports } from './nics.ts';
import type { Hello } from './ospf-hello.ts';

export interface Found {
  /** Of the box's first port, from which its name and numbers are made. */
  readonly mac: Mac;
  readonly ports: Ports;
  /** Where the WAN is, so that the box's own network is another. */
  readonly taken: readonly Prefix[];
  /** A neighbour on the WAN that speaks OSPF as the box can. */
  readonly hello?: Hello;
}

/** The text of its bivouac.json. The same box gives the same text as long as it finds the same. */
export function defaultConfiguration({ mac, ports, taken, hello }: Found): string {
  const number = numberOf(mac);
  const single = ports.lan.length === 1 && ports.lan[0] === ports.wan;
  const cell = cellOf(number, taken);
  const whole = {
    name: `bivouac-${mac.replaceAll(':', '').slice(6)}`,
    // No certificates: whoever is on an access port may register. The console says so.
    plain: true,
    ...(ports.lan.length > 0 && { access: ['lan'] }),
    pools: [`10.255.${number}.0/24`],
    ...(!single &&
      ports.lan.length > 0 && { dhcp: [{ interface: 'lan', range: `${cell}.100-${cell}.199` }] }),
    routing:
      hello === undefined
        ? { driver: 'none' }
        : {
            interfaces: ['wan'],
            area: hello.area,
            ...(hello.hello !== 10 && { hello: hello.hello }),
            ...(hello.broadcast && { network: 'broadcast' }),
          },
    box: {
      links: {
        ...(ports.wan !== undefined && { wan: { dhcp: true } }),
        ...(!single && ports.lan.length > 0 && { lan: { addresses: [`${cell}.1/24`] } }),
      },
    },
  };
  return `${JSON.stringify(whole, undefined, 2)}\n`;
}

/** 1 to 254, from a hardware address: the last three bytes, which its maker counts up. */
function numberOf(mac: Mac): number {
  const bytes = macBytes(mac);
  return ((bytes[3]! * 65536 + bytes[4]! * 256 + bytes[5]!) % 254) + 1;
}

/** The first three numbers of the cell's own network: 10.254.number, or the next that the WAN is not in. */
function cellOf(number: number, taken: readonly Prefix[]): string {
  for (let tried = 0; tried < 254; tried++) {
    const cell = `10.254.${((number - 1 + tried) % 254) + 1}`;
    if (!taken.some(prefix => prefixHolds(prefix, address(`${cell}.1`)))) return cell;
  }
  return `192.168.${number}`;
}
