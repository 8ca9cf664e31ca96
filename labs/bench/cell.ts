/**
 * One cell: a client, the appliance, and two servers behind a switch whose ports can be taken down without anybody being told.
 *
 *     client 10.2.0.2 ── 10.2.0.1 appliance 10.1.0.1 ── switch ── server1 10.1.0.11, server2 10.1.0.12
 */
import type { Namespace, Network } from '../../test/support/netns.ts';

export const VIP = '10.50.0.1';
export const SERVERS = ['server1', 'server2'] as const;
export type ServerName = (typeof SERVERS)[number];
export const addressOf = (name: ServerName): string => `10.1.0.${11 + SERVERS.indexOf(name)}`;

export interface Cell {
  readonly client: Namespace;
  readonly appliance: Namespace;
  readonly servers: Readonly<Record<ServerName, Namespace>>;
  /** Takes a server's port of the switch down, or up again. */
  cable(name: ServerName, up: boolean): void;
}

export function makeCell(network: Network): Cell {
  const [client, appliance, lan] = [
    network.namespace('client'),
    network.namespace('appliance'),
    network.namespace('switch'),
  ];
  appliance.sysctl({ 'net.ipv4.ip_forward': 1 });
  network.veth(
    { in: client, name: 'eth0', addresses: ['10.2.0.2/24'] },
    { in: appliance, name: 'wan', addresses: ['10.2.0.1/24'] },
  );
  client.ip('route add default via 10.2.0.1');
  lan.ip('link add br0 type bridge forward_delay 0 mcast_snooping 0');
  lan.ip('link set br0 up');
  network.veth({ in: lan, name: 'port0' }, { in: appliance, name: 'lan', addresses: ['10.1.0.1/24'] });
  lan.ip('link set port0 master br0');
  const server = (name: ServerName): Namespace => {
    const namespace = network.namespace(name);
    network.veth({ in: lan, name }, { in: namespace, name: 'eth0', addresses: [`${addressOf(name)}/24`] });
    lan.ip(`link set ${name} master br0`);
    namespace.ip('route add default via 10.1.0.1');
    return namespace;
  };
  return {
    client,
    appliance,
    servers: { server1: server('server1'), server2: server('server2') },
    cable: (name, up) => void lan.ip(`link set ${name} ${up ? 'up' : 'down'}`),
  };
}
