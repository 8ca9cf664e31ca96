/** The picture in Graphviz's language, for those who want to lay it out by other means. */
import type { Picture } from './picture.ts';

const SHAPES: Readonly<Record<string, string>> = {
  router: 'ellipse',
  appliance: 'component',
  switch: 'diamond',
};

export function renderDot(picture: Picture): string {
  const nodes = picture.nodes.map(({ node, addresses, placements }) => {
    const lines = [node.name, ...addresses, ...placements.map(({ vip, service }) => `▸ ${vip} ${service}`)];
    return `  ${text(node.name)} [shape=${SHAPES[node.group] ?? 'box'}, label=${text(lines.join('\n'))}];`;
  });
  const links = picture.links.map(
    ({ a, b }) =>
      `  ${text(a.node)} -- ${text(b.node)} [taillabel=${text(a.interface)}, headlabel=${text(b.interface)}];`,
  );
  return `graph ${text(picture.name)} {\n${[...nodes, ...links].join('\n')}\n}\n`;
}

const text = (value: string): string =>
  `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
