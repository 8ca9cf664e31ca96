/** The picture as SVG: each node a box with its addresses and the VIPs that live there, each VIP in a colour of its own. */
import type { Link } from '../topology/model.ts';
import { type Box, INDENT, type Layout, LINE, type Line, layOut, MARGIN } from './layout.ts';
import type { Drawn, Picture } from './picture.ts';

const GROUPS: Readonly<Record<string, string>> = {
  router: '#dbe7f5',
  appliance: '#fbe3b8',
  gslb: '#e6dcf5',
  switch: '#e8e8e8',
  server: '#dff0dc',
  mobile: '#cdeaf0',
  client: '#f3dfef',
};

const STYLE = [
  'text{font:11px "DejaVu Sans",Verdana,sans-serif;fill:#222}',
  '.name{font-weight:bold}.faded{fill:#777}',
  'path{stroke:#888;fill:none}rect{stroke:#666}.paper{fill:#fff;stroke:none}',
].join('');

export function renderSvg(picture: Picture): string {
  const colours = coloursOf(picture);
  const layout = layOut(picture, drawn => linesOf(drawn, colours));
  const height = layout.height + LINE + 4;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${layout.width}" height="${height}" viewBox="0 0 ${layout.width} ${height}">`,
    `<style>${STYLE}</style>`,
    `<rect class="paper" width="${layout.width}" height="${height}" rx="6"/>`,
    ...renderLinks(picture.links, layout),
    ...layout.boxes.flatMap(renderBox),
    ...renderKey(layout.height + 4),
    '</svg>',
  ].join('\n')}\n`;
}

/** A colour for each VIP, as far apart as they can be. */
function coloursOf(picture: Picture): ReadonlyMap<string, string> {
  const vips = [
    ...new Set(picture.nodes.flatMap(({ placements }) => placements.map(({ vip }) => vip))),
  ].sort();
  return new Map(
    vips.map((vip, index) => [vip, `hsl(${Math.round((index * 360) / vips.length)} 75% 42%)`] as const),
  );
}

/** Name and addresses, those of links between two routers excepted, then the VIPs. */
function linesOf({ node, addresses, placements }: Drawn, colours: ReadonlyMap<string, string>): Line[] {
  const own = addresses
    .filter(address => !/\/3[01]$/.test(address))
    .map(address => address.replace('/32', ''));
  const [first, ...more] = own;
  const head = first === undefined ? node.name : `${node.name}  ${first}`;
  return [
    { kind: 'name', text: head },
    ...more.map(text => ({ kind: 'faded' as const, text })),
    ...placements.map(({ vip, service, state }) => ({
      kind: 'vip' as const,
      text: `${vip} ${service}${state === 'up' ? '' : ` (${state})`}`,
      colour: state === 'up' ? colours.get(vip)! : '#bbb',
    })),
  ];
}

/** A link of the tree has right angles, one beside the tree is straight. */
function renderLinks(links: readonly Link[], { boxes }: Layout): string[] {
  const at = new Map(boxes.map(box => [box.drawn.node.name, box]));
  return links.map(({ a, b }) => {
    const [one, two] = [at.get(a.node)!, at.get(b.node)!];
    const [upper, lower] = two.drawn.parent === a.node ? [one, two] : [two, one];
    if (lower.drawn.parent !== upper.drawn.node.name)
      return `<path d="M${middle(one)} ${center(one)}L${middle(two)} ${center(two)}"/>`;
    if (lower.hangs) {
      const x = upper.x + INDENT / 2;
      return `<path d="M${x} ${upper.y + upper.height}V${center(lower)}H${lower.x}"/>`;
    }
    const turn = lower.y - 20;
    return `<path d="M${middle(upper)} ${upper.y + upper.height}V${turn}H${middle(lower)}V${lower.y}"/>`;
  });
}

const middle = (box: Box): number => box.x + box.width / 2;
const center = (box: Box): number => box.y + box.height / 2;

function renderBox({ drawn, x, y, width, height, lines }: Box): string[] {
  const fill = GROUPS[drawn.node.group] ?? '#ffffff';
  const rows = lines.map(({ kind, text, colour }, index) => {
    const base = y + LINE * (index + 1) - 1;
    if (kind === 'vip')
      return `<circle cx="${x + 14}" cy="${base - 4}" r="4" fill="${colour}"/><text x="${x + 24}" y="${base}">${xml(text)}</text>`;
    const [name = '', ...rest] = kind === 'name' ? text.split('  ') : ['', text];
    const head = name === '' ? '' : `<tspan class="name">${xml(name)}</tspan>`;
    const tail =
      rest.length === 0 ? '' : `<tspan class="faded"${head && ' dx="6"'}>${xml(rest.join(' '))}</tspan>`;
    return `<text x="${x + 8}" y="${base}">${head}${tail}</text>`;
  });
  return [`<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="5" fill="${fill}"/>`, ...rows];
}

/** What the colours of the boxes mean, in one line. */
function renderKey(y: number): string[] {
  return Object.entries(GROUPS).flatMap(([group, fill], index) => {
    const x = MARGIN + index * 90;
    return [
      `<rect x="${x}" y="${y - 8}" width="12" height="12" rx="3" fill="${fill}"/>`,
      `<text x="${x + 18}" y="${y + 2}">${group}</text>`,
    ];
  });
}

const xml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
