/** The picture of the network, drawn three ways. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { cablesOf, replug } from '../../../labs/graph/cables.ts';
import { renderDot } from '../../../labs/graph/dot.ts';
import { pictureOf } from '../../../labs/graph/picture.ts';
import { renderSvg } from '../../../labs/graph/svg.ts';
import { renderText } from '../../../labs/graph/text.ts';
import { parseTopology } from '../../../labs/topology/parse.ts';

const topology = parseTopology(
  '/x.yml',
  `name: x
topology:
  defaults: { kind: linux, image: i }
  nodes:
    hq: { group: router, exec: [ "ip address add 10.0.0.1/24 dev eth1" ] }
    r1: { group: router }
    r2: { group: router }
    s: { group: server, exec: [ "ip addr add 10.1.0.1/24 dev eth1", "ip route add default via 10.1.0.9" ] }
    alone:
  links:
    - endpoints: [ "hq:eth1", "r1:eth1" ]
    - endpoints: [ "hq:eth2", "r2:eth1" ]
    - endpoints: [ "r1:eth2", "r2:eth2" ]
    - endpoints: [ "r2:eth3", "s:eth1" ]
`,
);
const picture = pictureOf(topology, [
  { vip: '10.255.0.1', service: 'web<&>"', server: 's', manager: 'r2', state: 'up' },
]);

test('as text: a tree, the links beside it, and where the VIP lives', () => {
  expect(renderText(picture)).toBe(`hq  router  10.0.0.1/24
├─ r1  router
└─ r2  router  also linked to r1
   └─ s  server  10.1.0.1/24
         ▸ 10.255.0.1  web<&>"  up  (by r2)
alone
`);
});

test('as dot: every node and every link', () => {
  const dot = renderDot(picture);
  expect(dot.match(/ -- /g)).toHaveLength(4);
  expect(dot).toContain('"s" [shape=box, label="s\\n10.1.0.1/24\\n▸ 10.255.0.1 web<&>\\""];');
});

describe('as SVG', () => {
  const svg = renderSvg(picture);
  const attribute = (tag: string, name: string): number =>
    Number(new RegExp(` ${name}="([\\d.]+)"`).exec(tag)?.[1]);
  const frame = svg.split('\n')[0]!;
  const boxes = [...svg.matchAll(/<rect x="[^>]*rx="5"[^>]*>/g)].map(([tag]) => ({
    left: attribute(tag, 'x'),
    top: attribute(tag, 'y'),
    right: attribute(tag, 'x') + attribute(tag, 'width'),
    bottom: attribute(tag, 'y') + attribute(tag, 'height'),
  }));

  test('every node has a box within the picture, and none covers another', () => {
    expect(boxes).toHaveLength(5);
    for (const box of boxes) {
      expect(box.right).toBeLessThan(attribute(frame, 'width'));
      expect(box.bottom).toBeLessThan(attribute(frame, 'height'));
      const covered = boxes.filter(
        other =>
          other !== box &&
          other.left < box.right &&
          box.left < other.right &&
          other.top < box.bottom &&
          box.top < other.bottom,
      );
      expect(covered).toEqual([]);
    }
  });

  test('every link has a line; text is escaped; a VIP has its colour, and none while it is not up', () => {
    expect(svg.match(/<path /g)).toHaveLength(4);
    expect(svg).toContain('>10.255.0.1 web&lt;&amp;&gt;&quot;</text>');
    expect(svg).toContain('<circle cx="');
    expect(svg).not.toContain('#bbb');
    const down = pictureOf(topology, [
      { vip: '10.255.0.1', service: 'w', server: 's', manager: 'r2', state: 'down' },
    ]);
    expect(renderSvg(down)).toMatch(/fill="#bbb".*10\.255\.0\.1 w \(down\)/);
  });
});

const at = (path: string): string => new URL(`../../../${path}`, import.meta.url).pathname;
const reference = parseTopology(at('containerlab.yml'), readFileSync(at('containerlab.yml'), 'utf8'));

test('the picture in docs/ is that of the reference network', () => {
  const drawn = readFileSync(at('docs/network.svg'), 'utf8');
  const names = [...drawn.matchAll(/<tspan class="name">([^<]*)</g)].map(([, name]) => name);
  expect(names.sort()).toEqual([...replug(reference, cablesOf(reference)).nodes.keys()].sort());
  expect(drawn).toContain('10.255.0.80 www.bivouac.test');
});

describe('the patch panel', () => {
  const parentOf = (cables: ReadonlyMap<string, string>, name: string): string | undefined =>
    pictureOf(replug(reference, cables), []).nodes.find(({ node }) => node.name === name)?.parent;

  test('a mobile server hangs from the switch that its cable leads to', () => {
    const cables = cablesOf(reference);
    expect(parentOf(cables, 'm-web')).toBe('a-switch');
    expect(parentOf(cables, 'm-mcu')).toBe('b-switch');
    expect(parentOf(new Map([...cables, ['patch:eth4', 'cell-c']]), 'm-web')).toBe('c-switch');
  });

  test('one that is plugged in nowhere stands by itself; one with two cables is linked twice', () => {
    const cables = new Map(cablesOf(reference));
    const linksOf = (name: string): string[] =>
      replug(reference, cables).links.flatMap(({ a, b }) => (b.node === name ? [a.node] : []));
    cables.set('patch:eth5', 'cell-b');
    expect(linksOf('m-web')).toEqual(['a-switch', 'b-switch']);
    cables.delete('patch:eth4');
    cables.delete('patch:eth5');
    expect(linksOf('m-web')).toEqual([]);
    expect(parentOf(cables, 'm-web')).toBeUndefined();
  });
});
