/** The picture as SVG: one row a rank, each node a box with its addresses and the VIPs that live there. */
import type { Drawn, Picture } from './picture.ts';

const BOX = 170;
const GAP = 16;
const LINE = 15;
const ROW = 90;
const COLOURS: Readonly<Record<string, string>> = {
  router: '#dbe7f5',
  appliance: '#f5e3c8',
  switch: '#ececec',
  server: '#dff0dc',
  client: '#f3dfef',
};

interface Placed {
  readonly drawn: Drawn;
  readonly x: number;
  readonly y: number;
  readonly lines: readonly string[];
}

export function renderSvg(picture: Picture): string {
  const placed = place(picture);
  const at = new Map(placed.map(box => [box.drawn.node.name, box]));
  const width = Math.max(...placed.map(box => box.x + BOX)) + GAP;
  const height = Math.max(...placed.map(box => box.y + heightOf(box))) + GAP;
  const links = picture.links.map(({ a, b }) => {
    const [from, to] = [at.get(a.node)!, at.get(b.node)!];
    const ends = `x1="${from.x + BOX / 2}" y1="${from.y + heightOf(from) / 2}" x2="${to.x + BOX / 2}" y2="${to.y + heightOf(to) / 2}"`;
    return `<line ${ends}/>`;
  });
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    '<style>text{font:11px sans-serif}.name{font-weight:bold}.vip{fill:#8a3a00}line{stroke:#888}rect{stroke:#555}</style>',
    ...links,
    ...placed.flatMap(renderBox),
    '</svg>',
  ].join('\n')}\n`;
}

/** Each rank is a row, centred; its height is that of its highest box. */
function place(picture: Picture): Placed[] {
  const placed: Placed[] = [];
  const last = Math.max(...picture.nodes.map(drawn => drawn.rank));
  const ranks = Array.from({ length: last + 1 }, (_, rank) =>
    picture.nodes.filter(drawn => drawn.rank === rank),
  );
  const widest = Math.max(...ranks.map(rank => rank.length)) * (BOX + GAP);
  let y = GAP;
  for (const rank of ranks) {
    const left = (widest - rank.length * (BOX + GAP)) / 2 + GAP;
    const boxes = rank.map((drawn, column) => ({
      ...{ drawn, y, x: left + column * (BOX + GAP) },
      lines: [...drawn.addresses, ...drawn.placements.map(({ vip, service }) => `▸ ${vip} ${service}`)],
    }));
    placed.push(...boxes);
    y += Math.max(ROW, ...boxes.map(box => heightOf(box) + ROW / 2));
  }
  return placed;
}

const heightOf = (box: Pick<Placed, 'lines'>): number => (box.lines.length + 1) * LINE + 8;

function renderBox({ drawn, x, y, lines }: Placed): string[] {
  const text = (line: string, index: number): string => {
    const kind = index === 0 ? ' class="name"' : line.startsWith('▸') ? ' class="vip"' : '';
    return `<text${kind} x="${x + 8}" y="${y + LINE * (index + 1)}">${xml(line)}</text>`;
  };
  const fill = COLOURS[drawn.node.group] ?? '#ffffff';
  return [
    `<rect x="${x}" y="${y}" width="${BOX}" height="${heightOf({ lines })}" rx="5" fill="${fill}"/>`,
    ...[drawn.node.name, ...lines].map(text),
  ];
}

const xml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
