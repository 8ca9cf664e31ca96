/**
 * The quality of choice: response times that clients see in a simulation with the GSLB's own code (world.ts says of what), beside peers and
 * the best in hindsight. Each run is another world; gdnsd's answers are those of the real program.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Figure, ratios, sample } from '../figure.ts';
import { bundles } from '../role.ts';
import type { ChoiceTask } from '../roles/choice.ts';
import { type Judged, type Times, worldOf } from './judge.ts';
import { weightedAnswers } from './weighted.ts';

/** Answers of gdnsd: more than clients ask for in a story. */
const ANSWERS = 15_000;
const GOAL = 1.15;

export async function choiceFigures({ runs }: { readonly runs: number }): Promise<Figure[]> {
  const seeds = Array.from({ length: runs }, (_, run) => run + 1);
  const weighted = await weightedAnswers(seeds.map(worldOf), ANSWERS);
  const judged = await inParallel(seeds.map((seed, at) => ({ seed, weighted: weighted[at]! })));
  return [
    figureOf(judged, 'mean', 'mean response time of clients (simulated, each run another world)'),
    figureOf(judged, 'p99', 'the same, 99th percentile'),
  ];
}

async function inParallel(tasks: readonly ChoiceTask[]): Promise<Judged[]> {
  const directory = mkdtempSync(join(tmpdir(), 'bivouac-choice-'));
  const parts = Math.min(tasks.length, Math.max(1, availableParallelism() - 1));
  try {
    const said = await Promise.all(
      Array.from({ length: parts }, async (_, part) => {
        const file = join(directory, `${part}.json`);
        writeFileSync(file, JSON.stringify(tasks.filter((_task, at) => at % parts === part)));
        const words = [join(bundles, 'bench-choice.mjs'), file];
        const { stdout } = await promisify(execFile)(process.execPath, words, { maxBuffer: 1 << 26 });
        return stdout.trim().split('\n');
      }),
    );
    return said.flat().map(line => JSON.parse(line) as Judged);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function figureOf(judged: readonly Judged[], field: keyof Times, name: string): Figure {
  const all = (who: keyof Judged): number[] => judged.map(one => one[who][field]);
  // Whichever of the two is better by its mean: neither can be had by who does not know what comes.
  const best = judged.map(({ request, answers }) => (request.mean < answers.mean ? request : answers)[field]);
  const ratio = ratios(all('ours'), best);
  const beside = (title: string, numbers: readonly number[]) => ({ name: title, sample: sample(numbers) });
  return {
    name,
    unit: 'ms',
    ours: sample(all('ours')),
    beside: [
      beside('the best in hindsight: the better of the next two', best),
      beside('each request where it is done first, everything known', all('request')),
      beside('the best DNS answers, the demand known beforehand, TTL 20', all('answers')),
      beside('round robin', all('roundRobin')),
      beside('nearest only', all('nearest')),
      beside('gdnsd, weighted by servers (its real answers)', all('weighted')),
    ],
    ratio,
    goal: 'at most 1.15 × the best in hindsight',
    met: ratio.median <= GOAL,
  };
}
