/**
 * Reads a containerlab file (https://containerlab.dev/manual/topo-def-file/) as far as one Linux machine without containers can
 * honour it. What it cannot is refused by name and line: a lab that differs silently from its file proves nothing.
 */
import { type Layer, type Layers, mergeNode, readLayer } from './layers.ts';
import type { Endpoint, Link, Node, Topology } from './model.ts';
import { readShape } from './shape.ts';
import { TopologyError, Value } from './source.ts';

/** containerlab's own default for veth links, bytes. */
const DEFAULT_MTU = 9500;
/** IFNAMSIZ less the closing zero. */
const LONGEST_INTERFACE = 15;

/** `file` is absolute: relative paths inside start at its directory. Throws TopologyError with file and line. */
export function parseTopology(file: string, text: string): Topology {
  const top = Value.parse(file, text);
  const fields = top.fields(['name', 'prefix', 'mgmt', 'topology']);
  const name = fields.get('name');
  const body = fields.get('topology');
  if (!name || !body) throw top.fail("needs 'name' and 'topology'");
  if (!/^[a-z0-9][a-z0-9-]{0,31}$/.test(name.text()))
    throw name.fail('must be 1 to 32 lower-case letters, digits and hyphens');
  const sections = body.fields(['defaults', 'kinds', 'groups', 'nodes', 'links']);
  const nodes = readNodes(sections, file);
  return { name: name.text(), file, nodes, links: readLinks(sections.get('links'), nodes) };
}

function readNodes(sections: ReadonlyMap<string, Value>, file: string): Map<string, Node> {
  const named = (key: string): Map<string, Layer> =>
    new Map((sections.get(key)?.entries() ?? []).map(([name, value]) => [name, readLayer(value)]));
  const defaults = sections.get('defaults');
  const layers: Layers = {
    defaults: defaults ? readLayer(defaults) : new Map(),
    kinds: named('kinds'),
    groups: named('groups'),
  };
  const nodes = new Map<string, Node>();
  for (const [name, value] of sections.get('nodes')?.entries() ?? []) {
    if (!/^[a-zA-Z0-9][a-zA-Z0-9-._]{0,62}$/.test(name))
      throw value.fail('a node is named by letters, digits, hyphens, dots and underscores');
    nodes.set(name, mergeNode(name, value, readLayer(value), layers, file));
  }
  if (nodes.size === 0) throw new TopologyError(`${file}: topology.nodes: a lab needs at least one node`);
  return nodes;
}

function readLinks(section: Value | undefined, nodes: ReadonlyMap<string, Node>): Link[] {
  const taken = new Map<string, string>();
  return (section?.items() ?? []).map(item => {
    const fields = item.fields(['endpoints', 'type', 'mtu', 'labels', 'vars']);
    const type = fields.get('type');
    if (type && type.text() !== 'veth') throw type.fail(`'${type.text()}' is not supported; supported: veth`);
    const ends = fields.get('endpoints')?.items() ?? [];
    const [first, second] = ends;
    if (!first || !second || ends.length !== 2) throw item.fail('needs exactly two endpoints');
    const vars = fields.get('vars');
    const link = {
      ...{ a: readEndpoint(first), b: readEndpoint(second), mtu: readMtu(fields.get('mtu')) },
      ...(vars && { shape: readShape(vars) }),
    };
    for (const [end, at] of [
      [link.a, first],
      [link.b, second],
    ] as const) {
      const key = `${end.node}:${end.interface}`;
      const before = taken.get(key);
      if (!nodes.has(end.node)) throw at.fail(`there is no node '${end.node}'`);
      if (before) throw at.fail(`'${key}' is already used by ${before}`);
      taken.set(key, at.path);
    }
    return link;
  });
}

/** `node:interface`, or a mapping with both. */
function readEndpoint(value: Value): Endpoint {
  const fields = value.isMap ? value.fields(['node', 'interface']) : undefined;
  const [node, name] = fields
    ? [fields.get('node')?.text(), fields.get('interface')?.text()]
    : value.text().split(':');
  if (!node || !name) throw value.fail('must be node:interface');
  if (name.length > LONGEST_INTERFACE || !/^[\w.-]+$/.test(name) || name === 'lo')
    throw value.fail(
      `'${name}' cannot name an interface (at most ${LONGEST_INTERFACE} letters, digits, dots, hyphens)`,
    );
  return { node, interface: name };
}

function readMtu(value: Value | undefined): number {
  if (!value) return DEFAULT_MTU;
  const mtu = Number(value.text());
  if (!Number.isInteger(mtu) || mtu < 68 || mtu > 65535)
    throw value.fail('must be a whole number of 68 to 65535');
  return mtu;
}
