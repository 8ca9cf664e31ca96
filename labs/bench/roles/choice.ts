/** Judges ways to choose (../gslb/judge.ts): `node bench-choice.mjs FILE`, a JSON list of seeds with gdnsd's answers. A line of JSON for each. */
import { readFileSync } from 'node:fs';
import { judge } from '../gslb/judge.ts';

export interface ChoiceTask {
  readonly seed: number;
  readonly weighted: readonly number[];
}

for (const { seed, weighted } of JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as ChoiceTask[])
  console.log(JSON.stringify(judge(seed, weighted)));
