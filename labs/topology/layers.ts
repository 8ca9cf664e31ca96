/**
 * How containerlab makes one node of four layers (defaults, kind, group, the node itself, from general to special): one-word
 * settings are taken from the most special layer that has them, mappings are merged by key, binds by the path in the node,
 * and `exec` runs all layers' commands, the general ones first.
 */
import { dirname, isAbsolute, join, normalize } from 'node:path';
import type { Bind, Node } from './model.ts';
import type { Value } from './source.ts';
import { words } from './words.ts';

/** Understood here and in force. */
const ACTIVE = ['kind', 'group', 'image', 'binds', 'env', 'sysctls', 'labels', 'cmd', 'exec'];
/** Understood, and true of every node of this runner anyway: no management network, every capability of the caller. */
const IMPLIED = ['network-mode', 'cap-add', 'privileged', 'image-pull-policy'];

/** One layer as written. */
export type Layer = Map<string, Value>;

/** Reads a node, a kind, a group or the defaults; refuses what this runner cannot honour. */
export function readLayer(value: Value): Layer {
  const layer = value.fields([...ACTIVE, ...IMPLIED]);
  const mode = layer.get('network-mode');
  if (mode && mode.text() !== 'none')
    throw mode.fail("must be 'none': nodes have the links of the file and no others");
  return layer;
}

/** The layers that a node is made of, and the file they are in. */
export interface Layers {
  readonly defaults: Layer;
  readonly kinds: ReadonlyMap<string, Layer>;
  readonly groups: ReadonlyMap<string, Layer>;
}

/** Merges the layers into a node. `file` is the topology's path: relative binds start at its directory. */
export function mergeNode(name: string, at: Value, own: Layer, layers: Layers, file: string): Node {
  const groupName = (own.get('group') ?? layers.defaults.get('group'))?.text() ?? '';
  const group: Layer = layers.groups.get(groupName) ?? new Map();
  const kindOf = own.get('kind') ?? group.get('kind') ?? layers.defaults.get('kind');
  const kind = kindOf?.text();
  if (kind !== 'linux' && kind !== 'bridge')
    throw (kindOf ?? at).fail(`the kind of node '${name}' is ${kind ?? 'missing'}; supported: linux, bridge`);
  const stack = [layers.defaults, layers.kinds.get(kind) ?? new Map<string, Value>(), group, own];
  const last = (key: string): Value | undefined =>
    stack.map(layer => layer.get(key)).findLast(value => value !== undefined);
  const all = (key: string): Value[] => stack.flatMap(layer => layer.get(key) ?? []);
  const record = (key: string): Record<string, string> =>
    Object.assign({}, ...all(key).map(value => value.record()));

  if (kind === 'linux' && !last('image')) throw at.fail(`node '${name}' has no image`);
  return {
    name,
    kind,
    group: groupName,
    image: last('image')?.text() ?? '',
    binds: mergeBinds(name, all('binds'), file),
    env: record('env'),
    sysctls: record('sysctls'),
    labels: record('labels'),
    command: split(last('cmd')),
    exec: all('exec').flatMap(value => value.items().map(split)),
  };
}

function split(value: Value | undefined): string[] {
  if (!value) return [];
  try {
    return words(value.text());
  } catch (error) {
    throw value.fail((error as Error).message);
  }
}

function mergeBinds(node: string, lists: readonly Value[], file: string): Bind[] {
  const binds = new Map<string, Bind>();
  for (const value of lists.flatMap(list => list.items())) {
    // containerlab's magic variable: one line of a group names a file of each node.
    const [source = '', target = '', options = ''] = value
      .text()
      .replaceAll('__clabNodeName__', node)
      .split(':');
    if (source === '' || !isAbsolute(target))
      throw value.fail(`must be host-path:/absolute/path/in/node[:ro], not '${value.text()}'`);
    if (!['', 'ro', 'rw'].includes(options))
      throw value.fail(`the option '${options}' is not supported; supported: ro, rw`);
    const from = isAbsolute(source) ? normalize(source) : join(dirname(file), source);
    binds.set(normalize(target), {
      source: from,
      target: normalize(target),
      readOnly: options === 'ro',
    });
  }
  return [...binds.values()];
}
