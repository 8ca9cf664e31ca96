/** Questions to FRR in a node. */
import type { LabNode } from '../runner/node.ts';
import type { Topology } from '../topology/model.ts';

interface Neighbors {
  readonly neighbors: Readonly<
    Record<string, readonly { readonly nbrState?: string; readonly state?: string }[]>
  >;
}

/** The routers of a lab: nodes that run OSPF. */
export const routersOf = (topology: Topology): string[] =>
  [...topology.nodes.values()]
    .filter(node => node.group === 'router' || node.group === 'appliance')
    .map(node => node.name);

/** How many neighbours of a router are in state Full. */
export async function fullNeighbors(router: LabNode): Promise<number> {
  const answer = JSON.parse(await router.must(['vtysh', '-c', 'show ip ospf neighbor json'])) as Neighbors;
  return Object.values(answer.neighbors)
    .flat()
    .filter(neighbor => (neighbor.nbrState ?? neighbor.state ?? '').startsWith('Full')).length;
}

/** How many BFD sessions of a router are up. Until they are, a link that dies silently is found out only by missing hellos. */
export async function bfdSessions(router: LabNode): Promise<number> {
  const answer = JSON.parse(await router.must(['vtysh', '-c', 'show bfd peers json'])) as {
    readonly status: string;
  }[];
  return answer.filter(peer => peer.status === 'up').length;
}

/** How many neighbours a router has when all of its links to other routers work. */
export function wantedNeighbors(topology: Topology, router: string): number {
  const routers = new Set(routersOf(topology));
  return topology.links.filter(
    ({ a, b }) => routers.has(a.node) && routers.has(b.node) && (a.node === router || b.node === router),
  ).length;
}

/** Prefixes of the kernel's main table that OSPF brought. */
export async function ospfRoutes(router: LabNode): Promise<string[]> {
  const routes = JSON.parse(await router.must(['ip', '-json', 'route', 'show', 'proto', 'ospf'])) as {
    readonly dst: string;
  }[];
  return routes.map(route => route.dst);
}

/** The interface of `node` that leads to `neighbor`. */
export function interfaceTo(topology: Topology, node: string, neighbor: string): string {
  const link = topology.links.find(
    ({ a, b }) => (a.node === node && b.node === neighbor) || (b.node === node && a.node === neighbor),
  );
  if (!link) throw new Error(`no link from ${node} to ${neighbor}`);
  return link.a.node === node ? link.a.interface : link.b.interface;
}
