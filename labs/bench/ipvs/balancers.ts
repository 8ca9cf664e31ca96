/** The three that are measured beside one another: the driver, what people use today with the same kernel, and the other driver. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LongProcess, Namespace } from '../../../test/support/netns.ts';
import { poll } from '../../scenario/poll.ts';

export const BALANCERS = ['ipvs', 'keepalived', 'nftables'] as const;
export type Balancer = (typeof BALANCERS)[number];
export type Measured = Readonly<Record<Balancer, number[]>>;

export const nothing = (): Measured => ({ ipvs: [], keepalived: [], nftables: [] });

/** All of them, another first in each run. */
export const inTurn = (run: number): readonly Balancer[] =>
  BALANCERS.map((_, at) => BALANCERS[(at + run) % BALANCERS.length]!);

export interface KeepalivedOptions {
  readonly vip: string;
  readonly ports: readonly number[];
  readonly servers: readonly string[];
  readonly kind: 'NAT' | 'DR';
  /** Seconds of persistence; 0 = none. */
  readonly persistence: number;
  /** Each 100 ms, and a second look before a server is given up; else servers are taken to be there. */
  readonly checks: boolean;
}

/** Starts keepalived's checkers, and waits until IPVS has all servers. The VIP is put on lo, as its users do. */
export async function startKeepalived(
  namespace: Namespace,
  directory: string,
  options: KeepalivedOptions,
): Promise<LongProcess> {
  const file = join(directory, 'keepalived.conf');
  writeFileSync(file, configuration(options));
  namespace.ip(`addr replace ${options.vip}/32 dev lo`);
  namespace.sysctl({ 'net.ipv4.ip_forward': 1 });
  const words = ['--dont-fork', '--check', '--log-console', '--use-file', file];
  const files = ['--pid', join(directory, 'pid'), '--checkers_pid', join(directory, 'checkers.pid')];
  const process = namespace.spawn('keepalived', [...words, ...files]);
  await untilServed(namespace, options.servers);
  return process;
}

/** Waits until IPVS has all of these servers. */
export const untilServed = (namespace: Namespace, servers: readonly string[]): Promise<unknown> =>
  poll(
    'IPVS has all servers',
    () => {
      const listing = namespace.runSync('ipvsadm', ['-Ln']);
      return servers.every(server => listing.includes(`${server}:`));
    },
    { timeout: 60_000, interval: 50 },
  );

/** Pure. */
export function configuration({ vip, ports, servers, kind, persistence, checks }: KeepalivedOptions): string {
  const check = checks
    ? 'TCP_CHECK {\n      connect_timeout 1\n      retry 1\n      delay_before_retry 0.1\n    }'
    : '';
  const server = (port: number) => (address: string) =>
    `  real_server ${address} ${port} {\n    weight 1\n    ${check}\n  }\n`;
  const service = (port: number): string => `virtual_server ${vip} ${port} {
  delay_loop 0.1
  lb_algo wrr
  lb_kind ${kind}
  ${persistence > 0 ? `persistence_timeout ${persistence}` : ''}
  protocol TCP
${servers.map(server(port)).join('')}}
`;
  return `global_defs {\n  router_id bench\n}\n${ports.map(service).join('')}`;
}
