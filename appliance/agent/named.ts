/**
 * Finds what DHCP clients have noted of managers, on this host's disk.
 */
import type { ManagerAddress } from '../../sdk/server/events.ts';
import type { Files, Surroundings } from '../host/ports.ts';
import { readDhclientLeases, readHookNote, readNetworkdLease } from './dhcp-option.ts';
import type { Named } from './places.ts';

/** One file per interface, by our hook scripts. */
export const HOOK_NOTES = '/run/bivouac-agent/managers';
const NETWORKD = '/run/systemd/netif/leases';
const DHCLIENT = ['/var/lib/dhcp', '/var/lib/dhclient', '/var/lib/NetworkManager'];

/** Where a change may bring other managers. */
export const WATCHED: readonly string[] = [HOOK_NOTES, NETWORKD, ...DHCLIENT];

/** Bytes of a lease file that are read. */
const LARGEST = 1 << 20;

/** What is noted now, by interface; the hooks' word goes before the clients' own files. */
export function findNamed(files: Files, { interfaces }: Surroundings): Named {
  const named = new Map<string, ManagerAddress[]>();
  const read = (path: string): string => {
    try {
      return files.read(path)?.slice(-LARGEST) ?? '';
    } catch {
      return '';
    }
  };
  const note = (link: string, managers: readonly ManagerAddress[]): void => {
    if (managers.length > 0) named.set(link, [...(named.get(link) ?? []), ...managers]);
  };
  for (const { name, index } of interfaces) {
    note(name, readHookNote(read(`${HOOK_NOTES}/${name}`)));
    note(name, readNetworkdLease(read(`${NETWORKD}/${index}`)));
  }
  for (const directory of DHCLIENT)
    for (const file of list(files, directory).filter(one => /^dhclient.*\.leases?$/.test(one)))
      for (const [link, managers] of readDhclientLeases(read(`${directory}/${file}`))) note(link, managers);
  return named;
}

function list(files: Files, directory: string): readonly string[] {
  try {
    return files.list(directory);
  } catch {
    return [];
  }
}
