/**
 * What was changed in FRR's running configuration, so that it can be put back: which line of ours stands where, and what stood there
 * before. Lists and route-maps of our own namespace need no record: they are known by their names. Pure.
 */
import { additions, OURS, parse, type Section, stale } from './running-config.ts';

/** One line, or header, that we put in. */
export interface Change {
  /** The headers that it stands under, outermost first. */
  readonly path: readonly string[];
  readonly ours: string;
  /** The line that it took the place of; absent = none, or one of FRR's defaults. */
  readonly before?: string;
}

/**
 * The commands that turn `running` into one that has all of `wanted`, and nothing of what we put in earlier (`known`) and is wanted no
 * more; and what is to be remembered, before the first of them is sent.
 */
export function reconcile(
  running: string,
  wanted: string,
  known: readonly Change[],
): { readonly commands: readonly string[]; readonly changes: readonly Change[] } {
  const [present, goal] = [parse(running), parse(wanted)];
  // A daemon that restarted has forgotten ours, and has what is in its file.
  const standing = known.filter(change => find(present, change.path)?.has(change.ours) === true);
  const kept = standing.filter(change => find(goal, change.path)?.has(change.ours) === true);
  const replaced = new Map(
    standing.filter(change => !kept.includes(change)).map(change => [idOf(change), change]),
  );
  const fresh = missingFrom(present, goal, []).map(({ path, line }): Change => {
    const old = replaced.get(idOf({ path, ours: line }));
    replaced.delete(idOf({ path, ours: line }));
    const before = old === undefined ? lineLike(find(present, path), line) : old.before;
    return { path, ours: line, ...(before !== undefined && { before }) };
  });
  return {
    commands: [
      ...undoing(present, [...replaced.values()], standing),
      ...additions(present, goal, replacing),
      ...stale(present, goal),
    ],
    changes: [...kept, ...fresh],
  };
}

/** The commands that put everything back. */
export function undo(running: string, known: readonly Change[]): readonly string[] {
  const present = parse(running);
  const standing = known.filter(change => find(present, change.path)?.has(change.ours) === true);
  const lines = standing.filter(({ ours }) => !HEADER.test(ours));
  const headers = standing.filter(({ ours }) => HEADER.test(ours));
  // Lists and maps only after nothing refers to them any more.
  return [
    ...undoing(present, lines, standing),
    ...stale(present, new Map()),
    ...undoing(present, headers, standing),
  ];
}

/** Sections that FRR can take out as a whole; an interface it cannot. */
const HEADER = /^(router |profile |bfd$)/;

/** The setting that a line makes, without its value: FRR has one of each at a place, and takes `no` with it. */
const SETTING =
  /^(?:ip ospf message-digest-key \d+|(?:ip ospf|ipv6 ospf6) (?:area|authentication|dead-interval|hello-interval|network|priority|cost|bfd profile)|ospf6? router-id|timers throttle (?:spf|lsa all)|timers lsa min-arrival|redistribute kernel|zebra work-queue|detect-multiplier|transmit-interval|receive-interval)\b/;

/** Settings that FRR has no `no` for: they are given their default. */
const DEFAULTS: Readonly<Record<string, string>> = {
  'detect-multiplier': '3',
  'transmit-interval': '300',
  'receive-interval': '300',
};

/** What takes a line out. Of OSPFv3's authentication FRR wants to hear all again, of the grace period nothing. */
function without(line: string): string {
  const setting = settingOf(line);
  const usual = DEFAULTS[setting];
  if (usual !== undefined) return `${setting} ${usual}`;
  if (line.startsWith('no ')) return line.slice(3);
  if (line.startsWith('graceful-restart grace-period ')) return 'no graceful-restart';
  return `no ${setting === 'ipv6 ospf6 authentication' ? line : setting}`;
}

const settingOf = (line: string): string => SETTING.exec(line)?.[0] ?? line;
const idOf = ({ path, ours }: Pick<Change, 'path' | 'ours'>): string => [...path, settingOf(ours)].join('\n');

/** Settings that FRR refuses to overwrite. */
const REMOVE_FIRST = /^(?:(?:ip ospf|ipv6 ospf6) area|ip ospf message-digest-key)/;

const lineLike = (section: Section | undefined, line: string): string | undefined =>
  [...(section?.keys() ?? [])].find(other => other !== line && settingOf(other) === settingOf(line));

/** What has to go before the line may come. */
function replacing(section: Section | undefined, line: string): readonly string[] {
  const old = REMOVE_FIRST.test(line) ? lineLike(section, line) : undefined;
  return old === undefined ? [] : [without(old)];
}

function find(section: Section | undefined, path: readonly string[]): Section | undefined {
  return path.reduce<Section | undefined>((at, header) => at?.get(header), section);
}

/** The lines of `goal` that are not there, and the headers that FRR can take out again. */
function missingFrom(
  present: Section | undefined,
  goal: Section,
  path: readonly string[],
): readonly { readonly path: readonly string[]; readonly line: string }[] {
  return [...goal].flatMap(([line, under]) => {
    if (OURS.test(line)) return [];
    const there = present?.get(line);
    const own = there === undefined && (under.size === 0 || HEADER.test(line)) ? [{ path, line }] : [];
    return [...own, ...missingFrom(there, under, [...path, line])];
  });
}

/** Takes these out, or puts back what they replaced; a section only if nobody else has put a line into it. */
function undoing(present: Section, changes: readonly Change[], ours: readonly Change[]): readonly string[] {
  const known = new Set(ours.map(({ path, ours: line }) => [...path, line].join('\n')));
  const isOurs = (path: readonly string[], section: Section): boolean =>
    [...section].every(
      ([line, under]) => known.has([...path, line].join('\n')) && isOurs([...path, line], under),
    );
  // Innermost first: `bfd` goes after its profile.
  const sorted = [...changes].sort((one, other) => other.path.length - one.path.length);
  return sorted.flatMap(({ path, ours: line, before }) => {
    const under = find(present, [...path, line]) ?? new Map();
    if (HEADER.test(line) && !isOurs([...path, line], under)) return [];
    const back = HEADER.test(line) || before === undefined ? [without(line)] : restoring(line, before);
    return [...path, ...back, ...path.map(() => 'exit')];
  });
}

const restoring = (line: string, before: string): readonly string[] =>
  REMOVE_FIRST.test(line) ? [without(line), before] : [before];
