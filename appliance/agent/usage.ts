/**
 * How busy this host is, out of the kernel's own text (proc(5)): established connections of a service, and load.
 */
import { type Address, addressBytes, familyOf } from '../../sdk/wire/address.ts';
import type { PortRange } from '../../sdk/wire/model.ts';

/** Sockets that count as a service's: on these local ports, and on this local address; without one, on any that is no other place's. */
export interface Place {
  readonly ports: readonly PortRange[];
  readonly address: Address | undefined;
}

const ESTABLISHED = '01';

/**
 * Established TCP connections at each place, from the texts of /proc/net/tcp and tcp6. One pass over the text and no objects for
 * lines that do not count: hosts with 100,000 connections are read as well.
 */
export function countConnections(tcp4: string, tcp6: string, places: readonly Place[]): number[] {
  const counts = places.map(() => 0);
  const wanted = places.map(({ ports, address }) => ({
    ports,
    four: address && familyOf(address) === 4 ? hexOf(address) : undefined,
    six: address && (familyOf(address) === 6 ? hexOf(address) : `0000000000000000FFFF0000${hexOf(address)}`),
    any: address === undefined,
  }));
  const taken = new Set(wanted.flatMap(({ four, six }) => [four, six]));
  const count = (text: string, digits: number, family: 'four' | 'six'): void => {
    for (let at = text.indexOf('\n') + 1; at > 0 && at < text.length; at = text.indexOf('\n', at) + 1) {
      // `  sl: LOCAL:PORT REMOTE:PORT ST …`, the columns of fixed width behind the first colon.
      const local = text.indexOf(': ', at) + 2;
      if (local < 2) return;
      const state = local + (digits + 5) * 2 + 2;
      if (text.slice(state, state + 2) !== ESTABLISHED) continue;
      const port = Number.parseInt(text.slice(local + digits + 1, local + digits + 5), 16);
      for (const [index, place] of wanted.entries()) {
        if (!place.ports.some(range => port >= range.first && port <= range.last)) continue;
        const address = text.slice(local, local + digits);
        if (place.any ? !taken.has(address) : place[family] === address) counts[index]!++;
      }
    }
  };
  count(tcp4, 8, 'four');
  count(tcp6, 32, 'six');
  return counts;
}

/** Load of the last minute per processor, 0…1000, from /proc/loadavg and /sys/devices/system/cpu/online. */
export function loadOf(loadavg: string, online: string): number {
  const load = Number.parseFloat(loadavg);
  if (!Number.isFinite(load)) return 0;
  return Math.min(1000, Math.max(0, Math.round((load * 1000) / processors(online))));
}

/** `0-3,6` → 5; at least 1. */
function processors(online: string): number {
  let count = 0;
  for (const part of online.trim().split(',')) {
    const [first = Number.NaN, last = first] = part.split('-').map(Number);
    if (last >= first) count += last - first + 1;
  }
  return Math.max(1, count);
}

/** The kernel prints each 32-bit word in the host's order (little-endian on every platform of ours). */
function hexOf(address: Address): string {
  const bytes = addressBytes(address);
  let text = '';
  for (let word = 0; word < bytes.length; word += 4)
    for (let index = 3; index >= 0; index--) text += bytes[word + index]!.toString(16).padStart(2, '0');
  return text.toUpperCase();
}
