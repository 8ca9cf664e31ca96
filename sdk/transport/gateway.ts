/**
 * Default routers, out of the kernel's own text (Linux: proc(5), /proc/net/route and /proc/net/ipv6_route).
 */
import { type Address, addressFromBytes } from '../wire/address.ts';

const RTF_UP = 0x1;
const RTF_GATEWAY = 0x2;

interface Found {
  readonly gateway: Address;
  readonly metric: number;
}

/** IPv4 and IPv6 routers of the default routes, each family's lowest metric first, IPv4 before IPv6. */
export function defaultGateways(route4: string, route6: string): Address[] {
  const sorted = (found: (Found | undefined)[]): Address[] =>
    found
      .filter(entry => entry !== undefined)
      .sort((a, b) => a.metric - b.metric)
      .map(entry => entry.gateway);
  const all = [...sorted(route4.split('\n').map(read4)), ...sorted(route6.split('\n').map(read6))];
  return [...new Set(all)];
}

/** `Iface Destination Gateway Flags RefCnt Use Metric Mask …`, numbers in hex in the host's (little-endian) order. */
function read4(line: string): Found | undefined {
  const [, destination, gateway, flags, , , metric, mask] = line.trim().split(/\s+/);
  if (destination !== '00000000' || mask !== '00000000' || !isGateway(flags)) return undefined;
  const bytes = hex(gateway ?? '').reverse();
  const address = addressFromBytes(bytes);
  return address && { gateway: address, metric: Number(metric) };
}

/** `destination length source length gateway metric refcnt use flags iface`, all hex. Link-local routers need a zone: passed over. */
function read6(line: string): Found | undefined {
  const [destination, length, , , gateway, metric, , , flags] = line.trim().split(/\s+/);
  if (destination !== '0'.repeat(32) || length !== '00' || !isGateway(flags)) return undefined;
  const address = addressFromBytes(hex(gateway ?? ''));
  if (address === undefined || address.startsWith('fe80:')) return undefined;
  return { gateway: address, metric: Number.parseInt(metric ?? '0', 16) };
}

const isGateway = (flags: string | undefined): boolean => {
  const bits = Number.parseInt(flags ?? '0', 16);
  return (bits & RTF_UP) !== 0 && (bits & RTF_GATEWAY) !== 0;
};

const hex = (text: string): Uint8Array =>
  Uint8Array.from(text.match(/../g) ?? [], pair => Number.parseInt(pair, 16));
