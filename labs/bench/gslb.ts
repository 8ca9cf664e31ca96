/**
 * The GSLB's figures: its DNS server beside others, how soon it knows of what came and went, how well it chooses, and what memory it takes.
 */
import { dnsFigures } from './dns.ts';
import type { Figure } from './figure.ts';
import { choiceFigures } from './gslb/choice.ts';
import { memoryFigures } from './gslb/memory.ts';
import { newsFigures } from './gslb/news.ts';

/** Measures one part after the other; needs root, FRR with its pimd, and what the DNS figures need. */
export async function gslbFigures(options: { readonly runs: number }): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const measure of [dnsFigures, newsFigures, choiceFigures, memoryFigures])
    figures.push(...(await measure(options)));
  return figures;
}
