/**
 * The GSLB's figures: its DNS server beside others, how soon it knows of what came and went, how well it chooses, and what memory it takes.
 */
import { dnsFigures } from './dns.ts';
import { type Figure, sample } from './figure.ts';
import { choiceFigures } from './gslb/choice.ts';
import { memoryFigures } from './gslb/memory.ts';
import { newsFigures } from './gslb/news.ts';

const PARTS: Readonly<Record<string, (options: { readonly runs: number }) => Promise<Figure[]>>> = {
  DNS: dnsFigures,
  news: newsFigures,
  choice: choiceFigures,
  memory: memoryFigures,
};

/** Measures one part after the other; one that fails is a figure that says so. Needs root, FRR with its pimd, and what the DNS figures need. */
export async function gslbFigures(options: { readonly runs: number }): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const [name, measure] of Object.entries(PARTS))
    try {
      figures.push(...(await measure(options)));
    } catch (error) {
      const nothing = { ours: sample([0]), beside: [], unit: '', goal: 'a measurement', met: false };
      figures.push({ name: `${name} was not measured: ${(error as Error).message}`, ...nothing });
    }
  return figures;
}
