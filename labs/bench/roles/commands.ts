/** What the programs of the benchmarks have in common: commands by lines on stdin, events by lines of JSON on stdout. */
import { createInterface } from 'node:readline';

/** Says what happened. */
export const say = (event: string, fields: object = {}): void =>
  void process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);

/** Obeys `word argument…` by the function of that name, until stdin ends; then the process ends, too. */
export function obey(commands: Readonly<Record<string, (...words: string[]) => void>>): void {
  createInterface({ input: process.stdin })
    .on('line', line => {
      const [word = '', ...rest] = line.split(' ');
      commands[word]!(...rest);
    })
    .on('close', () => process.exit(0));
}
