/** Reads the words behind `npm run lab --`. */
import { parseArgs } from 'node:util';

export interface Options {
  /** The lab's name, when it is not the file's. */
  readonly lab: string | undefined;
  /** The containerlab file. */
  readonly file: string | undefined;
  readonly json: string | undefined;
  readonly svg: string | undefined;
  readonly dot: string | undefined;
  /** After a failed step, leave everything as it is until Ctrl-C. */
  readonly inspect: boolean;
}

/** The words cannot be understood: exit status 2. */
export class UsageError extends Error {}

const KNOWN = {
  lab: { type: 'string' },
  file: { type: 'string' },
  json: { type: 'string' },
  svg: { type: 'string' },
  dot: { type: 'string' },
  inspect: { type: 'boolean', default: false },
} as const;

/** The command, `story` when none is given, its words, and the options. Whatever follows the node of `exec` is not ours. */
export function readOptions(args: readonly string[]): {
  readonly command: string;
  readonly words: readonly string[];
  readonly options: Options;
} {
  const [ours, theirs] = args[0] === 'exec' ? splitExec(args) : [args, []];
  try {
    const { values, positionals } = parseArgs({ args: [...ours], options: KNOWN, allowPositionals: true });
    const [command = 'story', ...words] = positionals;
    const { lab, file, json, svg, dot, inspect } = values;
    return { command, words: [...words, ...theirs], options: { lab, file, json, svg, dot, inspect } };
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** `exec [--lab NAME] NODE COMMAND…`: what is before the node, and the rest. */
function splitExec(args: readonly string[]): [ours: readonly string[], theirs: readonly string[]] {
  const node = args[1] === '--lab' ? 3 : 1;
  return [args.slice(0, node), args.slice(node)];
}
