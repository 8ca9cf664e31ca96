/** What the picture of a network shows, before anybody draws it: nodes by rank, links, and where each VIP lives. Pure. */
import type { Link, Node, Topology } from '../topology/model.ts';

/** A VIP at a server: one row of what a manager shows of its services. */
export interface Placement {
  readonly vip: string;
  /** The service's name. */
  readonly service: string;
  /** The node that serves it. */
  readonly server: string;
  /** The node whose manager says so. */
  readonly manager: string;
  /** As the manager says: up, draining, down… */
  readonly state: string;
}

export interface Drawn {
  readonly node: Node;
  /** IPv4 addresses with prefix lengths, as the file's `exec` sets them, then those that it was leased. */
  readonly addresses: readonly string[];
  /** Distance from the first node of the file, in links. */
  readonly rank: number;
  /** The neighbour through which the rank was found; undefined for the first node. */
  readonly parent: string | undefined;
  readonly placements: readonly Placement[];
}

export interface Picture {
  readonly name: string;
  readonly nodes: readonly Drawn[];
  readonly links: readonly Link[];
}

/**
 * Ranks the nodes by distance from the first one, in the order in which they are found. `leased`: addresses of nodes that the file
 * does not tell.
 */
export function pictureOf(
  topology: Topology,
  placements: readonly Placement[],
  leased: ReadonlyMap<string, readonly string[]> = new Map(),
): Picture {
  const near = new Map<string, string[]>();
  for (const { a, b } of topology.links) {
    near.set(a.node, [...(near.get(a.node) ?? []), b.node]);
    near.set(b.node, [...(near.get(b.node) ?? []), a.node]);
  }
  const drawn = new Map<string, Drawn>();
  const place = (name: string, rank: number, parent: string | undefined): void => {
    const node = topology.nodes.get(name)!;
    const own = placements.filter(placement => placement.server === name);
    const addresses = [...addressesOf(node), ...(leased.get(name) ?? [])];
    drawn.set(name, { node, addresses, rank, parent, placements: own });
  };
  // A component that is not linked to the first node begins a picture of its own beside it.
  for (const root of topology.nodes.keys()) {
    if (drawn.has(root)) continue;
    const queue = [root];
    place(root, 0, undefined);
    for (const name of queue)
      for (const neighbor of near.get(name) ?? []) {
        if (drawn.has(neighbor)) continue;
        place(neighbor, drawn.get(name)!.rank + 1, name);
        queue.push(neighbor);
      }
  }
  return { name: topology.name, nodes: [...drawn.values()], links: topology.links };
}

/** The IPv4 addresses that a node's commands give it (`ip address add A dev I`). */
export function addressesOf(node: Node): string[] {
  return node.exec.flatMap(command => {
    const at = command.findIndex(word => /^\d+\.\d+\.\d+\.\d+\/\d+$/.test(word));
    return command[0] === 'ip' && /^a/.test(command[1] ?? '') && at > 0 ? [command[at]!] : [];
  });
}
