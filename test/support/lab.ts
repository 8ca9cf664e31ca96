/** What a lab holds on this machine, and the reference network cut down. dist/ must be built (`npm test` does it). */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { processesOf } from '../../labs/runner/lab.ts';
import { directory } from '../../labs/runner/state.ts';

/** The project's directory. */
export const ROOT = new URL('../..', import.meta.url).pathname.replace(/\/$/, '');

/** What a lab holds on this machine: its processes, these network namespaces, its mounts and files. */
export function holdings(id: string, namespaces: readonly string[]): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter(line => line.includes(directory(id)));
  const held = heldNamespaces();
  return [
    ...processesOf(id).map(pid => `process ${pid}`),
    ...namespaces.filter(space => held.has(space)).map(space => `namespace ${space}`),
    ...mounts.map(mount => `mount ${mount}`),
    ...(existsSync(directory(id)) ? [`directory ${directory(id)}`] : []),
  ];
}

/** The network namespaces of a lab's nodes. */
export function namespacesOf(id: string): string[] {
  const spaces = processesOf(id).map(pid => namespaceOf(String(pid)));
  const own = namespaceOf('self');
  return [...new Set(spaces)].filter(space => space !== undefined && space !== own) as string[];
}

const heldNamespaces = (): Set<string | undefined> =>
  new Set(
    readdirSync('/proc')
      .filter(name => /^\d+$/.test(name))
      .map(namespaceOf),
  );

function namespaceOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}

/** Where nodes write what is their own: nothing of it may reach the host. */
const WRITTEN = [
  ...['manager', 'agent', 'service'].flatMap(part => [`/run/${part}.pid`, `/var/log/${part}.log`]),
  ...['/run/bivouac', '/run/frr', '/var/lib/bivouac', '/var/lib/bivouac-agent', '/etc/bivouac', '/lab'],
  ...['/run/dhcpcd', '/var/lib/dhcpcd', '/run/dnsmasq.leases', '/run/dhcpd.leases', '/run/members'],
  ...['zebra', 'ospfd', 'bfdd', 'staticd', 'pimd'].map(daemon => `/var/log/${daemon}.log`),
  ...['/etc/frr/frr.conf', '/usr/bin/bivouac'],
];

/** The host as a lab must leave it: its network, and the files that nodes write to. */
export function hostSnapshot(): Readonly<Record<string, string>> {
  const ask = (file: string, ...args: string[]): string => execFileSync(file, args, { encoding: 'utf8' });
  const time = (path: string): string =>
    existsSync(path) ? `${path} ${statSync(path).mtimeMs}` : `${path} absent`;
  const conf = ['all', 'default'].flatMap(name =>
    ['rp_filter', 'forwarding', 'arp_ignore', 'arp_announce', 'send_redirects', 'accept_local'].map(
      key => `/proc/sys/net/ipv4/conf/${name}/${key}`,
    ),
  );
  return {
    links: ask('ip', '-o', 'link').replaceAll(/ qlen \d+/g, ''),
    addresses: ask('ip', '-brief', 'address'),
    routes: ask('ip', 'route'),
    rules: ask('ip', 'rule'),
    nftables: ask('nft', '-s', 'list', 'ruleset'),
    parameters: ['/proc/sys/net/ipv4/ip_forward', ...conf]
      .map(path => `${path} ${readFileSync(path, 'utf8').trim()}`)
      .join('\n'),
    files: WRITTEN.map(time).join('\n'),
  };
}

interface LabFile {
  topology: {
    nodes: Record<string, { exec?: string[]; env?: object; binds?: string[]; cmd?: string }>;
    links: { endpoints: string[] }[];
  };
}

/**
 * containerlab.yml with these nodes only and the links between them, as YAML that can stand anywhere; `change` has each node's
 * own settings merged into it.
 */
export function reduced(kept: readonly string[], change: Readonly<Record<string, object>> = {}): string {
  const text = readFileSync(join(ROOT, 'containerlab.yml'), 'utf8').replaceAll(
    /- (labs|dist|\.lab|node_modules)\//g,
    `- ${ROOT}/$1/`,
  );
  const lab = parse(text) as LabFile;
  const { topology } = lab;
  topology.nodes = Object.fromEntries(Object.entries(topology.nodes).filter(([name]) => kept.includes(name)));
  for (const [name, settings] of Object.entries(change)) Object.assign(topology.nodes[name]!, settings);
  topology.links = topology.links.filter(link =>
    link.endpoints.every(end => kept.includes(end.split(':')[0]!)),
  );
  // Addresses of interfaces whose links are gone would fail.
  const ends = new Set(topology.links.flatMap(link => link.endpoints));
  for (const [name, node] of Object.entries(topology.nodes))
    if (node.exec)
      node.exec = node.exec.filter(command => {
        const port = / dev (eth\d+)$/.exec(command)?.[1];
        return port === undefined || ends.has(`${name}:${port}`);
      });
  return stringify(lab, { aliasDuplicateObjects: false });
}
