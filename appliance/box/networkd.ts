/**
 * The box's ports as files of systemd-networkd (systemd.network(5)). Pure.
 */
import type { BoxLink } from '../config/config.ts';
import type { Ports } from './nics.ts';
import { BRIDGE } from './ports-named.ts';

export interface NetworkFile {
  /** In /run/systemd/network. */
  readonly name: string;
  readonly text: string;
}

/** As the box has them all when it does not know yet which is which: each asks for an address. */
export const PROBING = '80-bivouac-probe.network';

/** The files for these ports. `links`: their addresses, by the kernel's names (the bridge's for several access ports). */
export function renderNetwork(
  { wan, lan }: Ports,
  links: Readonly<Record<string, BoxLink>>,
): readonly NetworkFile[] {
  const files: NetworkFile[] = [];
  const bridged = lan.length > 1;
  if (bridged) {
    // No spanning tree: it would keep a port silent for half a minute.
    files.push({
      name: `10-${BRIDGE}.netdev`,
      text: `[NetDev]\nName=${BRIDGE}\nKind=bridge\n\n[Bridge]\nSTP=no\nForwardDelaySec=0\nMulticastSnooping=no\n`,
    });
    for (const port of lan)
      files.push({
        name: `20-${port}.network`,
        text: `[Match]\nName=${port}\n\n[Network]\nBridge=${BRIDGE}\n`,
      });
  }
  const names = new Set([
    ...(wan === undefined ? [] : [wan]),
    ...(bridged ? [BRIDGE] : lan),
    ...Object.keys(links).filter(name => !(bridged && lan.includes(name))),
  ]);
  for (const name of names) files.push({ name: `30-${name}.network`, text: renderLink(name, links[name]) });
  return files;
}

function renderLink(name: string, link: BoxLink = { dhcp: false, addresses: [] }): string {
  const { dhcp, addresses, gateway } = link;
  return [
    '[Match]',
    `Name=${name}`,
    '',
    '[Link]',
    'RequiredForOnline=no',
    '',
    '[Network]',
    `DHCP=${dhcp ? 'ipv4' : 'no'}`,
    // A port without a cable keeps its addresses: servers may come at any time.
    'ConfigureWithoutCarrier=yes',
    'IgnoreCarrierLoss=3s',
    `IPv6AcceptRA=${dhcp ? 'yes' : 'no'}`,
    ...addresses.map(address => `Address=${address}`),
    ...(gateway === undefined ? [] : [`Gateway=${gateway}`]),
    '',
    ...(dhcp
      ? ['[DHCPv4]', 'ClientIdentifier=mac', 'UseHostname=no', 'UseNTP=no', 'RouteMetric=1024', '']
      : []),
  ].join('\n');
}
