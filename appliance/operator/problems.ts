/**
 * What the drivers could not reach, as the operator sees it: events when something goes wrong and when it is right again, and the
 * farms that it concerns.
 */
import type { Decision } from '../registry/decision.ts';

/** A driver's sentences of one farm begin like this: `farm 10.255.0.1|tcp|80-80: …`. */
const OF_FARM = /^farm (\S+): (.*)$/s;

/** A sentence of the data plane that begins like this is about all of it: it forwards nothing. */
const OF_ALL = /^the table /;

export interface Problems {
  /** Takes what is wrong with a part now; tells of what was not, or is no more. */
  note(part: string, sentences: readonly string[]): void;
  all(): readonly string[];
  /** How many each part has, with those that have none any more. */
  counts(): ReadonlyMap<string, number>;
}

/** `tell` gets an event for each change. */
export function createProblems(tell: (event: Decision) => void): Problems {
  const parts = new Map<string, readonly string[]>();
  return {
    note(part, sentences) {
      const before = parts.get(part) ?? [];
      parts.set(part, sentences);
      const event = (kind: Decision['kind'], code: string, sentence: string): void =>
        tell({ kind, name: part, reason: { code, sentence } });
      for (const sentence of sentences) if (!before.includes(sentence)) event('not-reached', part, sentence);
      for (const sentence of before)
        if (!sentences.includes(sentence)) event('reached-again', part, `over: ${sentence}`);
    },
    all: () => [...parts.values()].flat(),
    counts: () => new Map([...parts].map(([part, sentences]) => [part, sentences.length])),
  };
}

/** The sentences that say that nothing at all is forwarded. */
export const totalProblems = (sentences: readonly string[]): readonly string[] =>
  sentences.filter(sentence => OF_ALL.test(sentence));

/** The sentences that are of one farm, by its key. */
export const farmProblems = (sentences: readonly string[]): ReadonlyMap<string, string> =>
  new Map(
    sentences.flatMap(sentence => {
      const [, key, what] = OF_FARM.exec(sentence) ?? [];
      return key === undefined || what === undefined ? [] : [[key, what] as const];
    }),
  );
