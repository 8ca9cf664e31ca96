/**
 * The cell's DHCP as dnsmasq's configuration. Pure.
 */
import { type Address, type Prefix, parsePrefix, prefixHolds } from '../../sdk/wire/address.ts';
import type { DhcpCell } from '../config/config.ts';
import type { Link } from '../host/ports.ts';

/** DHCP option that names managers (docs/protocol.md, DHCP). */
export const MANAGERS_OPTION = 224;

/** What the configuration leaves to the interface. */
export interface ServedCell {
  readonly cell: DhcpCell;
  /** This appliance's address there. */
  readonly own: Address;
  readonly netmask: string;
}

/** The cell on its interface as that is now, or why it cannot be served. */
export function serve(cell: DhcpCell, links: readonly Link[]): ServedCell | string {
  const link = links.find(({ name }) => name === cell.interface);
  if (link === undefined) return `DHCP on ${cell.interface}: there is no such interface`;
  const { first, last } = cell.range;
  for (const { address, length } of link.addresses) {
    const subnet = parsePrefix(`${address}/${length}`);
    if (subnet === undefined || !holds(subnet, first) || !holds(subnet, last)) continue;
    if (number(first) <= number(address) && number(address) <= number(last))
      return `DHCP on ${cell.interface}: ${first}-${last} holds the interface's own address ${address}`;
    return { cell, own: address, netmask: netmask(length) };
  }
  return `DHCP on ${cell.interface}: no address of it is in a subnet that holds ${first}-${last}`;
}

export interface RenderOptions {
  /** Where servers register: an address other than that on the interface, and the port. */
  readonly registration: { readonly address: Address | undefined; readonly port: number };
  /** For the leases and the pid. */
  readonly directory: string;
}

/** A whole dnsmasq.conf. The order of `served` does not matter to dnsmasq. */
export function renderDnsmasq(
  served: readonly ServedCell[],
  { registration, directory }: RenderOptions,
): string {
  const lines = [
    '# Written by Bivouac; what is changed here is lost.',
    'port=0', // No DNS.
    'bind-dynamic',
    'dhcp-authoritative', // A client from another cell is refused its old address at once (NAK), not left to time out.
    'dhcp-rapid-commit',
    'no-ping', // It would look for up to 3 s whether an address is free; clients decline those that are not.
    'quiet-dhcp',
    'log-facility=-',
    `dhcp-leasefile=${directory}/dnsmasq.leases`,
    `pid-file=${directory}/dnsmasq.pid`,
  ];
  for (const { cell, own, netmask: mask } of served) {
    const { interface: name, range, lease, router = own, dns, domain } = cell;
    const { address = own, port } = registration;
    const option = (number: number, value: string): string =>
      `dhcp-option=tag:${name},${number}${value === '' ? '' : `,${value}`}`;
    lines.push(
      `interface=${name}`,
      `dhcp-range=set:${name},${range.first},${range.last},${mask},${lease}`,
      option(3, router === false ? '' : router),
      option(6, dns.join(',')),
      ...(domain === undefined ? [] : [option(15, domain)]),
      // Forced: most clients do not ask for it. In quotes: text.
      `dhcp-option-force=tag:${name},${MANAGERS_OPTION},"${endpoint(address, port)}"`,
    );
  }
  return `${lines.join('\n')}\n`;
}

const endpoint = (address: Address, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

const holds = (subnet: Prefix, address: Address): boolean => prefixHolds(subnet, address);

const number = (address: Address): number =>
  address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);

const netmask = (length: number): string =>
  [0, 8, 16, 24].map(bits => 256 - 2 ** (8 - Math.min(8, Math.max(0, length - bits)))).join('.');
