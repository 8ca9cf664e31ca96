/** Reads the words behind `npm run lab --`. */
import { parseArgs } from 'node:util';
import type { Scale } from './scenario/scenario.ts';

export interface Options {
  /** The lab's name, when it is not the file's. */
  readonly lab: string | undefined;
  /** The containerlab file. */
  readonly file: string | undefined;
  readonly json: string | undefined;
  readonly svg: string | undefined;
  readonly dot: string | undefined;
  /** Of scenarios that can be of any size. */
  readonly scale: Scale;
  /** After a failed step, leave everything as it is until Ctrl-C. */
  readonly inspect: boolean;
  /** Of `up`: the links that have a shape get it. */
  readonly wan: boolean;
  /** Nodes are containers. */
  readonly docker: boolean;
  readonly help: boolean;
}

/** The words cannot be understood: exit status 2. */
export class UsageError extends Error {}

const KNOWN = {
  lab: { type: 'string' },
  file: { type: 'string' },
  json: { type: 'string' },
  svg: { type: 'string' },
  dot: { type: 'string' },
  servers: { type: 'string' },
  seconds: { type: 'string' },
  inspect: { type: 'boolean', default: false },
  wan: { type: 'boolean', default: false },
  docker: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** It becomes the name of a directory. */
const LAB_NAME = /^\w[\w.-]{0,62}$/;

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
    const { lab, file, json, svg, dot, inspect, wan, docker, help } = values;
    const [servers, seconds] = [countOf(values, 'servers'), countOf(values, 'seconds')];
    const scale = { ...(servers && { servers }), ...(seconds && { seconds }) };
    if (lab !== undefined && !LAB_NAME.test(lab))
      throw new UsageError(`--lab '${lab}': letters, digits, '.', '_' and '-', 63 at most`);
    return {
      command,
      words: [...words, ...theirs],
      options: { lab, file, json, svg, dot, scale, inspect, wan, docker, help },
    };
  } catch (error) {
    // Node's advice behind the first sentence is of no use behind `npm run lab --`.
    throw new UsageError((error as Error).message.replace(/\. .*$/s, ''));
  }
}

/** A number from 1 that was told, or undefined. */
function countOf(
  values: Readonly<Record<string, string | boolean | undefined>>,
  name: 'servers' | 'seconds',
): number | undefined {
  const text = values[name];
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,4}$/.test(String(text)))
    throw new UsageError(`--${name} wants a number from 1, not '${text}'`);
  return Number(text);
}

/** `exec [--lab NAME] NODE COMMAND…`: what is before the node, and the rest. */
function splitExec(args: readonly string[]): [ours: readonly string[], theirs: readonly string[]] {
  let node = 1;
  while (args[node]?.startsWith('-')) node += ['--lab', '--file'].includes(args[node]!) ? 2 : 1;
  return [args.slice(0, node), args.slice(node)];
}
