/** What Bivouac may change on an appliance or a server, before and after. */
import type { LabNode } from '../runner/node.ts';

/** A question's name → the lines of its answer. */
export type Snapshot = ReadonlyMap<string, readonly string[]>;

const QUESTIONS: Readonly<Record<string, string>> = {
  addresses: 'ip -brief address',
  rules: 'ip rule; ip -6 rule',
  // OSPF's routes come and go with the network, link-local ones with the kernel; Bivouac's are of other protocols or tables.
  routes: 'ip route show table all | grep -v -e "proto ospf" -e fe80: -e ff00:',
  nftables: 'nft list ruleset',
  parameters: [
    'cd /proc/sys/net; grep .',
    ...['rp_filter', 'accept_local', 'send_redirects', 'arp_ignore', 'arp_announce'].map(
      name => `ipv4/conf/*/${name}`,
    ),
    ...['ipv4/ip_forward', 'ipv6/conf/all/forwarding'],
  ].join(' '),
  frr: 'if [ -d /run/frr ]; then vtysh -c "show running-config"; fi',
};

export async function snapshot(node: LabNode): Promise<Snapshot> {
  const answers = await Promise.all(
    Object.entries(QUESTIONS).map(async ([name, question]) => {
      const text = await node.must(['sh', '-c', question]);
      return [name, text.split('\n').filter(line => line.trim() !== '')] as const;
    }),
  );
  return new Map(answers);
}

/** Lines that came or went, each with its question. */
export function differences(before: Snapshot, after: Snapshot): string[] {
  return [...before].flatMap(([name, lines]) => {
    const now = after.get(name) ?? [];
    return [
      ...now.filter(line => !lines.includes(line)).map(line => `${name} + ${line.trim()}`),
      ...lines.filter(line => !now.includes(line)).map(line => `${name} - ${line.trim()}`),
    ];
  });
}
