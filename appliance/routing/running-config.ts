/**
 * FRR's configuration text compared with what is wanted of it: only lines that are missing are sent, and only objects in our own
 * namespace are ever removed.
 */
import { NAMESPACE } from './ospf.ts';

/** Lines by indentation: a line, and the lines under it. */
export interface Section extends Map<string, Section> {}

/** The commands, from the top of configuration mode, that turn `running` into one that has all of `wanted`. Empty: it has. */
export function commandsFor(running: string, wanted: string): readonly string[] {
  const present = parse(running);
  const goal = parse(wanted);
  return [...additions(present, goal), ...stale(present, goal)];
}

/** Whether the text has this line, or header, at the top level. */
export const hasLine = (running: string, line: string): boolean => parse(running).has(line);

/** The lines under a header of the top level. */
export const linesUnder = (running: string, header: string): readonly string[] => [
  ...(parse(running).get(header)?.keys() ?? []),
];

/** The text as lines under lines. */
export function parse(text: string): Section {
  const top: Section = new Map();
  const stack: { readonly indent: number; readonly section: Section }[] = [{ indent: -1, section: top }];
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    if (line === '' || line.startsWith('!') || line === 'end' || line.startsWith('exit')) continue;
    const indent = raw.search(/\S/);
    while (stack.at(-1)!.indent >= indent) stack.pop();
    const { section } = stack.at(-1)!;
    const own: Section = section.get(line) ?? new Map();
    section.set(line, own);
    stack.push({ indent, section: own });
  }
  return top;
}

/** The commands for what is missing; `ahead` gives those that a line needs before it, in the section that it is to stand in. */
export function additions(
  present: Section | undefined,
  goal: Section,
  ahead: (section: Section | undefined, line: string) => readonly string[] = () => [],
): readonly string[] {
  return [...goal].flatMap(([line, under]) => {
    const there = present?.get(line);
    if (under.size === 0) return there === undefined ? [...ahead(present, line), line] : [];
    const deeper = additions(there, under, ahead);
    return deeper.length === 0 ? [] : [line, ...deeper, 'exit'];
  });
}

/** Lists and route-maps of our own. */
export const OURS = new RegExp(`^(ip prefix-list|ipv6 prefix-list|route-map) ${NAMESPACE}6?[- ]`);

/** The commands that take out what is ours by its name, and not in `goal`. */
export function stale(present: Section, goal: Section): readonly string[] {
  const removed: string[] = [];
  for (const [line, under] of present) {
    if (!OURS.test(line)) continue;
    const wanted = goal.get(line);
    if (wanted === undefined) removed.push(`no ${line}`);
    // Entries of a route-map that are wanted, with a match too many: a `set` of the same kind has been replaced already.
    else {
      const extra = [...under.keys()].filter(inner => inner.startsWith('match ') && !wanted.has(inner));
      if (extra.length > 0) removed.push(line, ...extra.map(inner => `no ${inner}`), 'exit');
    }
  }
  return removed;
}
