/** What makes the links of a lab: an `ip -batch` on the host, and one script in each node. Pure text. */
import type { Node, Topology } from '../topology/model.ts';
import { interfacesOf } from '../topology/model.ts';
import { quote } from '../topology/words.ts';

/** Lines for `ip -batch`. Both ends are born inside their nodes, so no name is ever seen, or taken, on the host. */
export function renderLinks(topology: Topology, pid: (node: string) => number): string {
  return topology.links
    .map(
      ({ a, b, mtu }) =>
        `link add name ${a.interface} mtu ${mtu} netns ${pid(a.node)} type veth ` +
        `peer name ${b.interface} mtu ${mtu} netns ${pid(b.node)}\n`,
    )
    .join('');
}

/** A script for `sh -c` in the node: its interfaces up (a bridge's into the bridge), then its `exec` commands one by one. */
export function renderConfigure(topology: Topology, node: Node): string {
  const ports = interfacesOf(topology, node.name);
  const bridge =
    node.kind === 'bridge'
      ? [
          'ip link add br0 type bridge',
          'ip link set br0 up',
          ...ports.map(port => `ip link set ${port} master br0`),
        ]
      : [];
  const commands = node.exec.map(
    command => `${command.map(quote).join(' ')} || fail "$?" ${quote(command.join(' '))}`,
  );
  return [
    'fail() { echo "exec of $2 ended with status $1" >&2; exit 1; }',
    'set -e',
    ...ports.map(port => `ip link set ${port} up`),
    ...bridge,
    ...commands,
  ].join('\n');
}
