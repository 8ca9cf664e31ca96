/**
 * Where each node of the picture stands. A node whose neighbours below are all ends of the tree (a switch with its hosts) has them
 * hanging from it in a column; any other stands above the middle of what is below it, side by side. Pure geometry, in pixels.
 */
import type { Drawn, Picture } from './picture.ts';

/** A line of a box: text, and the colour of the dot before it, if it has one. */
export interface Line {
  readonly text: string;
  readonly kind: 'name' | 'vip' | 'faded';
  readonly colour?: string;
}

export interface Box {
  readonly drawn: Drawn;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly lines: readonly Line[];
  /** Hangs from its parent in a column. */
  readonly hangs: boolean;
}

export interface Layout {
  readonly boxes: readonly Box[];
  readonly width: number;
  readonly height: number;
}

export const LINE = 16;
export const MARGIN = 16;
/** How far a hanging box stands to the right of what it hangs from. */
export const INDENT = 24;
const PADDING = 8;
/** A character of the font, on the average: a little more than what is usual, so that text never runs out of its box. */
const CHARACTER = 6.2;
const BESIDE = 20;
const BELOW = 40;
const HANGING = 8;

const textOf = (line: Line): number => line.text.length + (line.kind === 'vip' ? 3 : 0);

export function layOut(picture: Picture, linesOf: (drawn: Drawn) => readonly Line[]): Layout {
  const lines = new Map(picture.nodes.map(drawn => [drawn, linesOf(drawn)]));
  const longest = Math.max(...[...lines.values()].flat().map(textOf));
  const width = Math.ceil(longest * CHARACTER) + 2 * PADDING;
  const heightOf = (drawn: Drawn): number => lines.get(drawn)!.length * LINE + PADDING;
  const below = (drawn: Drawn): Drawn[] => picture.nodes.filter(({ parent }) => parent === drawn.node.name);
  const hangsFrom = (drawn: Drawn): boolean => below(drawn).every(child => below(child).length === 0);
  const widthOf = (drawn: Drawn): number => {
    if (hangsFrom(drawn)) return width + (below(drawn).length > 0 ? INDENT : 0);
    const widths = below(drawn).map(widthOf);
    return Math.max(
      width,
      widths.reduce((sum, each) => sum + each + BESIDE, -BESIDE),
    );
  };

  const boxes: Box[] = [];
  const put = (drawn: Drawn, x: number, y: number, hangs: boolean): Box => {
    const box = { drawn, x, y, width, height: heightOf(drawn), lines: lines.get(drawn)!, hangs };
    boxes.push(box);
    return box;
  };
  /** Places a node and all below it, in a strip that begins at `x`. */
  const place = (drawn: Drawn, x: number, y: number): Box => {
    const children = below(drawn);
    if (hangsFrom(drawn)) {
      const box = put(drawn, x, y, false);
      let at = y + box.height + HANGING;
      for (const child of children) at += put(child, x + INDENT, at, true).height + HANGING;
      return box;
    }
    let left = x;
    const placed = children.map(child => {
      const box = place(child, left, y + heightOf(drawn) + BELOW);
      left += widthOf(child) + BESIDE;
      return box;
    });
    return put(drawn, (placed[0]!.x + placed.at(-1)!.x) / 2, y, false);
  };
  let left = MARGIN;
  for (const root of picture.nodes.filter(({ parent }) => parent === undefined)) {
    place(root, left, MARGIN);
    left += widthOf(root) + BESIDE;
  }
  return {
    boxes,
    width: Math.max(...boxes.map(box => box.x + box.width)) + MARGIN,
    height: Math.max(...boxes.map(box => box.y + box.height)) + MARGIN,
  };
}
