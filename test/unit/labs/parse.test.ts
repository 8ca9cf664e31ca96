/** The part of containerlab's file format that the runner honours, and how it refuses the rest. */
import { describe, expect, test } from 'vitest';
import { interfacesOf } from '../../../labs/topology/model.ts';
import { parseTopology } from '../../../labs/topology/parse.ts';

const FILE = '/somewhere/lab.yml';
const read = (text: string) => parseTopology(FILE, text);

const MERGED = `name: small
topology:
  defaults:
    kind: linux
    image: i
    env: { A: default, B: default }
    exec: [ "first" ]
    binds: [ "x:/shared:ro" ]
  kinds:
    linux:
      env: { B: kind, C: kind }
      exec: [ "second" ]
  groups:
    router:
      cmd: /start.sh router
      exec: [ "third" ]
      binds: [ "conf/__clabNodeName__.conf:/etc/frr.conf", "y:/shared" ]
  nodes:
    r1:
      group: router
      env: { C: node }
      exec: [ "sh -c 'echo \\"a b\\"'" ]
    plain:
    sw: { kind: bridge }
  links:
    - endpoints: [ "r1:eth1", "sw:p1" ]
      mtu: 1500
    - type: veth
      endpoints: [ { node: r1, interface: eth2 }, { node: plain, interface: eth1 } ]
`;

describe('a node is made of four layers', () => {
  const node = read(MERGED).nodes.get('r1')!;

  test('mappings are merged, the special layer wins', () => {
    expect(node.env).toEqual({ A: 'default', B: 'kind', C: 'node' });
  });

  test('exec runs all layers, the general ones first, in words', () => {
    expect(node.exec).toEqual([['first'], ['second'], ['third'], ['sh', '-c', 'echo "a b"']]);
  });

  test('binds are merged by their path in the node, relative to the file, with the magic variable', () => {
    expect(node.binds).toEqual([
      { source: '/somewhere/y', target: '/shared', readOnly: false },
      { source: '/somewhere/conf/r1.conf', target: '/etc/frr.conf', readOnly: false },
    ]);
  });

  test('a node with nothing of its own is the defaults', () => {
    const plain = read(MERGED).nodes.get('plain')!;
    expect(plain).toMatchObject({ kind: 'linux', image: 'i', command: [], group: '' });
    expect(plain.binds).toEqual([{ source: '/somewhere/x', target: '/shared', readOnly: true }]);
  });

  test('the command of the group', () => {
    expect(node.command).toEqual(['/start.sh', 'router']);
  });
});

test('links, short and long, with their MTU', () => {
  const topology = read(MERGED);
  expect(topology.links.map(link => link.mtu)).toEqual([1500, 9500]);
  expect(interfacesOf(topology, 'r1')).toEqual(['eth1', 'eth2']);
});

const wrong = (body: string): string =>
  `name: x\ntopology:\n  nodes:\n    n:\n      kind: linux\n      image: i\n${body}`;

describe('what cannot be honoured is refused by line and name', () => {
  test.each([
    [
      'a node key',
      wrong('      startup-config: c\n'),
      "lab.yml:7: topology.nodes.n.startup-config: 'startup-config' is not",
    ],
    [
      'an alias',
      wrong('      env: &e { A: b }\n      labels: *e\n'),
      "lab.yml:8: the alias '*e' is not supported",
    ],
    [
      'a kind',
      'name: x\ntopology:\n  nodes:\n    n:\n      kind: nokia_srlinux\n',
      ':5: topology.nodes.n.kind: the kind',
    ],
    [
      'no kind',
      'name: x\ntopology:\n  nodes:\n    n:\n      image: i\n',
      ":5: topology.nodes.n: the kind of node 'n' is missing",
    ],
    ['no image', 'name: x\ntopology:\n  nodes:\n    n:\n      kind: linux\n', "node 'n' has no image"],
    [
      'a network mode',
      wrong('      network-mode: host\n'),
      ":7: topology.nodes.n.network-mode: must be 'none'",
    ],
    [
      'a bind without a target',
      wrong('      binds: [ "only" ]\n'),
      ':7: topology.nodes.n.binds[0]: must be host-path',
    ],
    ['a bind option', wrong('      binds: [ "a:/b:z" ]\n'), "the option 'z'"],
    ['an open quote', wrong("      exec:\n        - echo 'x\n"), ':8: topology.nodes.n.exec[0]: the quote'],
    ['a list that is none', wrong('      exec: true\n'), ':7: topology.nodes.n.exec: must be a list'],
    [
      'a link to nowhere',
      wrong('  links:\n    - endpoints: [ "n:eth1", "m:eth1" ]\n'),
      ":8: topology.links[0].endpoints[1]: there is no node 'm'",
    ],
    [
      'an end used twice',
      wrong('  links:\n    - endpoints: [ "n:eth1", "n:eth1" ]\n'),
      "'n:eth1' is already used",
    ],
    ['a link of another type', wrong('  links:\n    - type: vxlan\n'), ":8: topology.links[0].type: 'vxlan'"],
    ['one endpoint', wrong('  links:\n    - endpoints: [ "n:eth1" ]\n'), 'exactly two endpoints'],
    [
      'a long interface',
      wrong('  links:\n    - endpoints: [ "n:eth1", "n:sixteen-letters-" ]\n'),
      "'sixteen-letters-' cannot",
    ],
    ['an MTU', wrong('  links:\n    - { endpoints: [ "n:a", "n:b" ], mtu: 12 }\n'), 'whole number of 68'],
    ['a top-level key', 'name: x\nlinks: []\n', ":2: links: 'links' is not supported here"],
    ['no topology', 'name: x\n', "needs 'name' and 'topology'"],
    ['no nodes', 'name: x\ntopology: {}\n', 'at least one node'],
    ['a name', 'name: "X y"\ntopology:\n  nodes: { n: }\n', ':1: name: must be 1 to 32'],
    ['a key given twice', 'name: x\nname: y\n', 'lab.yml:2: Map keys must be unique'],
    ['no YAML at all', 'name: [\n', /lab\.yml:\d+: /],
  ])('%s', (_what, text, message) => {
    expect(() => read(text)).toThrow(message);
  });
});
