/**
 * What is wrong with a configuration, so that a person can mend it: the line, the value, the mend.
 */
import type { Violation } from './validate.ts';

/** One fault of a configuration. */
export interface Fault {
  /** From 1. */
  readonly line: number;
  /** JSON pointer of the value, '' for the whole file. */
  readonly path: string;
  readonly sentence: string;
}

/** A fault in one line, as compilers print them. */
export const formatFault = (file: string, fault: Fault): string =>
  `${file}:${fault.line}: ${fault.path === '' ? '' : `${fault.path}: `}${fault.sentence}`;

/** `oneOf`, `anyOf` and `if` only repeat what the errors below them say. */
export const isTelling = (error: Violation): boolean =>
  !['oneOf', 'anyOf', 'if', 'const'].includes(error.keyword);

/** A violation in words; `formatSentence` words that of a format of one's own. */
export function sentenceOf(
  error: Violation,
  formatSentence: (format: string, text: string) => string,
): string {
  const value = JSON.stringify(error.data);
  const shown = value !== undefined && value.length <= 60 ? value : typeof error.data;
  const known = Object.keys(error.parentSchema['properties'] ?? {});
  switch (error.keyword) {
    case 'additionalProperties':
      return `unknown key '${error.params['additionalProperty']}': one of ${known.join(', ')}`;
    case 'required':
      return `'${error.params['missingProperty']}' is missing`;
    case 'enum':
      return `${shown} must be one of ${(error.params['allowedValues'] as unknown[]).join(', ')}`;
    case 'format':
      return formatSentence(String(error.params['format']), String(error.data));
    default:
      return `${shown} ${error.message}`;
  }
}

/** The line of the value, or of the nearest one around it. */
export function lineFor(lines: ReadonlyMap<string, number>, path: string): number {
  for (let pointer = path; ; pointer = pointer.slice(0, pointer.lastIndexOf('/'))) {
    const line = lines.get(pointer);
    if (line !== undefined) return line;
    if (pointer === '') return 1;
  }
}

/** The fault of a text that is no JSON. */
export function syntaxFault(text: string, error: SyntaxError): Fault {
  const position = Number(/position (\d+)/.exec(error.message)?.[1] ?? text.length);
  return {
    line: text.slice(0, position).split('\n').length,
    path: '',
    sentence: `not JSON: ${error.message}`,
  };
}
