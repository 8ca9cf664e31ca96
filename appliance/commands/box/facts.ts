/**
 * What the box's commands have in common: which box this is.
 */
import { readFileSync } from 'node:fs';
import { type BoxFacts, readFacts } from '../../box/facts.ts';

/** The text of a file, or undefined. */
export function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** What /usr/lib/bivouac/box/state had to do to the state partition, as sentences; nothing where all was well, and where there is no box. */
export const stateNotes = (): readonly string[] =>
  (textOf('/run/bivouac-state') ?? '').split('\n').filter(line => line !== '');

/** This box; undefined where it is none. */
export const boxOrNone = (): BoxFacts | undefined =>
  readFacts(textOf('/usr/lib/os-release'), textOf('/proc/cmdline'));

/** This box. Throws where it is none. */
export function thisBox(): BoxFacts {
  const facts = boxOrNone();
  if (facts === undefined)
    throw new Error('this host was not started from an image of Bivouac: it is updated as it was installed');
  return facts;
}
