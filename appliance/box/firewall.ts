/**
 * The firewall of an appliance that was started from an image: what its configuration makes it serve is let in, and nothing else. A
 * table of its own, that touches neither what is forwarded nor the data plane's table: flows that the data plane took by DNAT are never
 * input, and those that it hands to this host (redirects) carry its mark. Pure.
 *
 * The whole table is one transaction, so that there is no moment without one.
 */
import { type Address, familyOf, type Prefix } from '../../sdk/wire/address.ts';
import type { Config } from '../config/config.ts';
import { poolPrefixes } from '../config/pools.ts';

export const FIREWALL = 'inet bivouac_firewall';

/** docs/operations.md, What it shares the router with. */
const OURS = 'ct mark and 0xe0000000 == 0xa0000000';

/** The table's text for `nft -f`. `config` is undefined as long as there is none: then only what a host needs is let in. */
export function renderFirewall(config: Config | undefined): string {
  const rules = config === undefined ? [] : served(config);
  return `add table ${FIREWALL}
delete table ${FIREWALL}
table ${FIREWALL} {
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept comment "answers"
		iif lo accept
		meta l4proto { 1, 58 } accept comment "ping, neighbours, path MTU"
		meta l4proto 2 accept comment "multicast groups"
		udp sport 67 udp dport 68 accept comment "DHCP of its own"
		ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept comment "DHCPv6 of its own"
${rules.map(rule => `\t\t${rule}\n`).join('')}		counter drop
	}
}
`;
}

function served(config: Config): readonly string[] {
  const { access, anycast, dataplane, dhcp, gslb, listen, notices, operator, plain, routing, tls, box } =
    config;
  const rules: string[] = [];
  const allow = (match: readonly (string | undefined)[], comment: string): void => {
    rules.push(`${match.filter(part => part !== undefined).join(' ')} accept comment "${comment}"`);
  };
  const { keys = [], from = [] } = box?.ssh ?? {};
  if (keys.length > 0) {
    if (from.length === 0) allow(['tcp dport 22'], 'SSH');
    for (const [match, some] of byFamily(from)) allow([match, some, 'tcp dport 22'], 'SSH');
  }
  // Also by way of a VIP.
  rules.push('tcp dport 22 counter drop');
  rules.push(`${OURS} accept comment "handed over by the data plane"`);
  for (const { address, port } of listen)
    allow(
      [
        // Where anybody may register, only those on the links that are trusted.
        plain && tls === undefined && access.length > 0 ? `iifname ${set(access.map(quoted))}` : undefined,
        to(address),
        `tcp dport ${port}`,
      ],
      'registration',
    );
  allow([`udp dport ${anycast.port}`], 'anycast ARP, solicitations, polls');
  if (notices.interfaces.length + notices.peers.length > 0) allow([`udp dport ${notices.port}`], 'notices');
  if (gslb !== undefined)
    for (const address of gslb.addresses)
      allow([to(address), `meta l4proto { tcp, udp } th dport ${gslb.port}`], 'DNS');
  if (dhcp.length > 0)
    allow([`iifname ${set(dhcp.map(cell => quoted(cell.interface)))}`, 'udp dport 67'], 'DHCP server');
  if (routing.driver === 'frr') {
    const links =
      routing.interfaces.length > 0 ? `iifname ${set(routing.interfaces.map(quoted))}` : undefined;
    allow([links, 'meta l4proto { 89, 103 }'], 'OSPF, PIM');
    allow([links, 'udp dport { 3784, 3785, 4784 }'], 'BFD');
  }
  if (operator.http !== undefined && !/^(127\.|::1$)/.test(operator.http.address))
    allow([to(operator.http.address), `tcp dport ${operator.http.port}`], 'metrics');
  // IPVS takes a VIP's flows behind this chain; nftables, before it.
  if (!['nftables', 'none'].includes(dataplane.driver)) {
    const vips = poolPrefixes(
      [...config.pools, ...config.roaming.vips],
      config.static.map(({ vip }) => vip),
    );
    for (const [match, some] of byFamily(vips, 'daddr'))
      allow([match, some, 'meta l4proto { tcp, udp, sctp }'], 'VIPs');
  }
  return rules;
}

const set = (members: readonly string[]): string => `{ ${[...new Set(members)].join(', ')} }`;

const quoted = (name: string): string => `"${name.replaceAll(/["\\]/g, '')}"`;

/** Undefined for the address of all. */
const to = (address: Address): string | undefined =>
  address === '0.0.0.0' || address === '::'
    ? undefined
    : `${familyOf(address) === 4 ? 'ip' : 'ip6'} daddr ${address}`;

function byFamily(
  prefixes: readonly Prefix[],
  field: 'saddr' | 'daddr' = 'saddr',
): readonly (readonly [string, string])[] {
  const of = (family: 4 | 6): readonly Prefix[] =>
    prefixes.filter(prefix => prefix.includes(':') === (family === 6));
  return ([4, 6] as const)
    .filter(family => of(family).length > 0)
    .map(family => [`${family === 4 ? 'ip' : 'ip6'} ${field}`, set(of(family))] as const);
}
