/** The picture as a tree for a terminal; links beside the tree are told at their lower end. */
import type { Drawn, Picture } from './picture.ts';

export function renderText(picture: Picture): string {
  const lines: string[] = [];
  const draw = (drawn: Drawn, lead: string, branch: '' | '├─ ' | '└─ '): void => {
    const spare = picture.links
      .filter(({ a, b }) => [a.node, b.node].includes(drawn.node.name))
      .map(({ a, b }) => (a.node === drawn.node.name ? b.node : a.node))
      .filter(other => other !== drawn.parent && before(picture, other, drawn));
    const facts = [
      drawn.node.group,
      ...drawn.addresses,
      ...(spare.length > 0 ? [`also linked to ${spare.join(', ')}`] : []),
    ].filter(fact => fact !== '');
    lines.push(`${lead}${branch}${drawn.node.name}  ${facts.join('  ')}`.trimEnd());
    const under = lead + { '': '', '├─ ': '│  ', '└─ ': '   ' }[branch];
    for (const { vip, service, state, manager } of drawn.placements)
      lines.push(`${under}   ▸ ${vip}  ${service}  ${state}  (by ${manager})`);
    const children = picture.nodes.filter(other => other.parent === drawn.node.name);
    children.forEach((child, at) => {
      draw(child, under, at === children.length - 1 ? '└─ ' : '├─ ');
    });
  };
  for (const root of picture.nodes.filter(drawn => drawn.parent === undefined)) draw(root, '', '');
  return `${lines.join('\n')}\n`;
}

/** Whether `other` stands before `drawn`, and is not its child: the link between them is told at `drawn`. */
function before(picture: Picture, other: string, drawn: Drawn): boolean {
  const there = picture.nodes.findIndex(node => node.node.name === other);
  return there < picture.nodes.indexOf(drawn) && picture.nodes[there]!.parent !== drawn.node.name;
}
