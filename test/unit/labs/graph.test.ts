/** The picture of the network, drawn three ways. */
import { expect, test } from 'vitest';
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

test('as SVG: well-formed, every box within it', () => {
  const svg = renderSvg(picture);
  expect(svg.match(/<rect /g)).toHaveLength(5);
  expect(svg.match(/<line /g)).toHaveLength(4);
  expect(svg).toContain('web&lt;&amp;&gt;&quot;');
  const [width, height] = ['width', 'height'].map(name =>
    Number(new RegExp(`svg .*?${name}="(\\d+)"`).exec(svg)?.[1]),
  );
  for (const [, x, y] of svg.matchAll(/<rect x="([\d.]+)" y="([\d.]+)"/g)) {
    expect(Number(x) + 170).toBeLessThanOrEqual(width!);
    expect(Number(y)).toBeLessThan(height!);
  }
});
