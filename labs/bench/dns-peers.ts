/**
 * Authoritative servers that people use today, each with the zone that ours has when it is measured: 1,000 names with an address each,
 * the same for everybody, or another one for each of so many subnets. One thread for queries.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const ZONE = 'bench.cell';
export const NAMES = 1000;

/** How to start one. Each listens at the address and port that it was rendered for, and stays in the foreground. */
export interface DnsPeer {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
}

/** Where a peer is to be, and what it is to know. */
export interface PeerOptions {
  /** A directory of its own, which it fills. */
  readonly directory: string;
  readonly address: string;
  readonly port: number;
  /** Subnets 10.0.0.0/24, 10.0.1.0/24 … that have answers of their own; 0: everybody gets the same. */
  readonly subnets: number;
  /** For queries by UDP; absent: one. Only gdnsd is asked for more. */
  readonly threads?: number;
}

/** A name with much to tell: what can be made of a small query. */
export const WIDE = {
  addresses: Array.from({ length: 13 }, (_, index) => `192.0.2.${index + 101}`),
  texts: Array.from({ length: 3 }, (_, index) => `${index}`.repeat(250)),
} as const;
const wideLines = (ttl: string): readonly string[] => [
  ...WIDE.addresses.map(one => `wide ${ttl} A ${one}`),
  ...WIDE.texts.map(text => `wide ${ttl} TXT "${text}"`),
];

const hosts = Array.from({ length: NAMES }, (_, index) => `h${index}`);
const subnet = (index: number): string => `10.${index >> 8}.${index & 255}.0/24`;
const addressOf = (index: number): string => `198.51.100.${index & 255}`;
const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);
const soa = 'ns root 1 60 10 3600 5';

/** gdnsd, with its geoip plug-in where subnets count. */
export function gdnsd({ directory, address, port, subnets, threads = 1 }: PeerOptions): DnsPeer {
  for (const part of ['zones', 'run', 'state']) mkdirSync(join(directory, part), { recursive: true });
  const map = `nets => { ${numbers(subnets)
    .map(index => `${subnet(index)} => [ dc${index} ]`)
    .join(', ')} }, datacenters => [ far, ${numbers(subnets)
    .map(index => `dc${index}`)
    .join(', ')} ]`;
  const places = numbers(subnets)
    .map(index => `dc${index} => ${addressOf(index)}`)
    .join(', ');
  const plugin = `plugins => { geoip => { maps => { m => { ${map} } }, resources => { r => { map => m, dcmap => { far => 192.0.2.1, ${places} } } } } }`;
  writeFileSync(
    join(directory, 'config'),
    `options => { listen => ${address}, dns_port => ${port}, udp_threads => ${threads}, tcp_threads => 1,
  run_dir => ${directory}/run, state_dir => ${directory}/state }
${subnets > 0 ? plugin : ''}
`,
  );
  const record = subnets > 0 ? 'DYNA geoip!r' : 'A 192.0.2.1';
  const lines = [
    `@ 60 SOA ${soa}`,
    '@ 60 NS ns',
    'ns 30 A 192.0.2.1',
    ...wideLines('30'),
    ...hosts.map(host => `${host} 30 ${record}`),
  ];
  writeFileSync(join(directory, 'zones', ZONE), `${lines.join('\n')}\n`);
  return { name: subnets > 0 ? 'gdnsd, geoip' : 'gdnsd', command: ['gdnsd', '-c', directory, '-f', 'start'] };
}

/** knot, with its geoip module. */
export function knot({ directory, address, port, subnets }: PeerOptions): DnsPeer {
  mkdirSync(join(directory, 'db'), { recursive: true });
  const lines = [
    `@ 60 SOA ${soa}`,
    '@ 60 NS ns',
    'ns 30 A 192.0.2.1',
    ...wideLines('30'),
    ...hosts.map(host => `${host} 30 A 192.0.2.1`),
  ];
  writeFileSync(join(directory, 'zone'), `$ORIGIN ${ZONE}.\n${lines.join('\n')}\n`);
  const nets =
    subnets > 0
      ? numbers(subnets).map(index => [subnet(index), addressOf(index)])
      : [['0.0.0.0/0', '192.0.2.1']];
  writeFileSync(
    join(directory, 'geo.conf'),
    hosts
      .map(host =>
        [`${host}.${ZONE}:`, ...nets.flatMap(([net, own]) => [`  - net: ${net}`, `    A: ${own}`])].join(
          '\n',
        ),
      )
      .join('\n'),
  );
  writeFileSync(
    join(directory, 'knot.conf'),
    `server:
    listen: ${address}@${port}
    rundir: ${directory}
    user: root:root
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    edns-client-subnet: on
database:
    storage: ${directory}/db
mod-geoip:
  - id: geo
    config-file: ${directory}/geo.conf
    ttl: 30
    mode: subnet
zone:
  - domain: ${ZONE}
    file: ${directory}/zone
    module: mod-geoip/geo
`,
  );
  return { name: 'knot, geoip', command: ['knotd', '-c', join(directory, 'knot.conf')] };
}

/** PowerDNS with its geoip back end, and its packet cache as it comes. */
export function powerdns({ directory, address, port, subnets }: PeerOptions): DnsPeer {
  mkdirSync(directory, { recursive: true });
  const own =
    subnets > 0
      ? hosts.flatMap(host => [
          `      ${host}.${ZONE}:`,
          "        default: [ 'far.bench.cell' ]",
          ...numbers(subnets).map(index => `        ${subnet(index)}: [ 'dc${index}.${ZONE}' ]`),
        ])
      : [];
  const targets =
    subnets > 0
      ? [['far', '192.0.2.1'], ...numbers(subnets).map(index => [`dc${index}`, addressOf(index)])]
      : hosts.map(host => [host, '192.0.2.1']);
  writeFileSync(
    join(directory, 'zones.yaml'),
    [
      'domains:',
      `  - domain: ${ZONE}`,
      '    ttl: 30',
      '    records:',
      `      ${ZONE}:`,
      `        - soa: ns.${ZONE} root.${ZONE} 1 60 10 3600 5`,
      `        - ns: ns.${ZONE}`,
      `      wide.${ZONE}:`,
      ...WIDE.addresses.map(one => `        - a: ${one}`),
      ...WIDE.texts.map(text => `        - txt: '"${text}"'`),
      ...targets.flatMap(([host, target]) => [`      ${host}.${ZONE}:`, `        - a: ${target}`]),
      ...(subnets > 0 ? ['    services:', ...own] : []),
      '',
    ].join('\n'),
  );
  writeFileSync(
    join(directory, 'pdns.conf'),
    `launch=geoip
geoip-zones-file=${directory}/zones.yaml
geoip-database-files=
local-address=${address}
local-port=${port}
receiver-threads=1
distributor-threads=1
socket-dir=${directory}
edns-subnet-processing=yes
daemon=no
guardian=no
disable-syslog=yes
loglevel=3
security-poll-suffix=
zone-cache-refresh-interval=300
`,
  );
  return { name: 'PowerDNS, geoip', command: ['pdns_server', `--config-dir=${directory}`] };
}
