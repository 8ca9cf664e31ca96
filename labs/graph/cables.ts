/**
 * Which cell each cable of the patch panel is in. In the picture the panel itself is not seen: a mobile server hangs from the switch
 * that its cable leads to.
 */
import type { Lab } from '../runner/lab.ts';
import type { Endpoint, Link, Node, Topology } from '../topology/model.ts';

/** `panel:port` → the panel's bridge that the port is in. A port that is in none is not plugged in. */
export type Cables = ReadonlyMap<string, string>;

const isPanel = (node: Node | undefined): boolean => node?.group === 'patch';
const panelsOf = (topology: Topology): Node[] => [...topology.nodes.values()].filter(isPanel);
const keyOf = ({ node, interface: port }: Endpoint): string => `${node}:${port}`;

/** As the file plugs them in (`ip link set PORT master BRIDGE`). */
export function cablesOf(topology: Topology): Cables {
  return new Map(
    panelsOf(topology).flatMap(({ name, exec }) =>
      exec
        .filter(command => command[4] === 'master')
        .map(command => [`${name}:${command[3]}`, command[5]!] as const),
    ),
  );
}

/** As they are now. */
export async function askCables(lab: Lab): Promise<Cables> {
  const all = await Promise.all(
    panelsOf(lab.topology).map(async ({ name }) => {
      const links = JSON.parse(await lab.node(name).must(['ip', '-json', 'link', 'show', 'up'])) as {
        readonly ifname: string;
        readonly master?: string;
      }[];
      return links.flatMap(({ ifname, master }) => (master ? [[`${name}:${ifname}`, master] as const] : []));
    }),
  );
  return new Map(all.flat());
}

/** The topology without its panels: what two ports of one bridge lead to is linked, a switch to each of the others. */
export function replug(topology: Topology, cables: Cables): Topology {
  const nodes = new Map([...topology.nodes].filter(([, node]) => !isPanel(node)));
  /** The link's end at the panel, and the other one. */
  const ends = topology.links.flatMap(({ a, b, mtu }) => {
    if (isPanel(topology.nodes.get(a.node))) return [{ port: a, far: b, mtu }];
    return isPanel(topology.nodes.get(b.node)) ? [{ port: b, far: a, mtu }] : [];
  });
  const bridgeOf = ({ port }: (typeof ends)[number]): string | undefined => {
    const bridge = cables.get(keyOf(port));
    return bridge && `${port.node}:${bridge}`;
  };
  const isSwitch = ({ far }: (typeof ends)[number]): boolean =>
    topology.nodes.get(far.node)?.group === 'switch';
  const plugged = ends
    .filter(end => !isSwitch(end))
    .flatMap((end): Link[] => {
      const bridge = bridgeOf(end);
      const trunk = ends.find(other => isSwitch(other) && bridge !== undefined && bridgeOf(other) === bridge);
      return trunk ? [{ a: trunk.far, b: end.far, mtu: end.mtu }] : [];
    });
  const direct = topology.links.filter(({ a, b }) => nodes.has(a.node) && nodes.has(b.node));
  return { ...topology, nodes, links: [...direct, ...plugged] };
}

/** The addresses with prefix lengths that mobile servers have been leased, by node. */
export async function askLeased(lab: Lab): Promise<ReadonlyMap<string, readonly string[]>> {
  const mobiles = [...lab.topology.nodes.values()].filter(node => node.group === 'mobile');
  return new Map(
    await Promise.all(
      mobiles.map(async ({ name }) => {
        const text = await lab.node(name).must(['ip', '-4', '-brief', 'address', 'show', 'up']);
        const addresses = text
          .split('\n')
          .filter(line => !line.startsWith('lo'))
          .flatMap(line => line.match(/\d+\.\d+\.\d+\.\d+\/\d+/g) ?? []);
        return [name, addresses] as const;
      }),
    ),
  );
}
