/**
 * Reads a configuration from its text by a JSON Schema, with all defaults filled in; what is wrong is said with line, value and mend.
 */
import { type Fault, isTelling, lineFor, sentenceOf, syntaxFault } from './faults.ts';
import { linesOf } from './lines.ts';
import { type Formats, type Schema, validate } from './validate.ts';

/** A format of the schema's own: what it takes, and what is said of a text that it does not. */
export interface Format {
  readonly takes: (text: string) => boolean;
  readonly sentence: (text: string) => string;
}

export type ReadResult<Raw> =
  | {
      readonly raw: Raw;
      /** A fault of the value at a JSON pointer (RFC 6901) in the text. */
      readonly at: (path: string, sentence: string) => Fault;
    }
  | { readonly faults: readonly Fault[] };

/** Gives what reads texts by the schema. `Raw` is what a text is that the schema takes. */
export function createReader<Raw>(
  schema: object,
  formats: Readonly<Record<string, Format>>,
): (text: string) => ReadResult<Raw> {
  const takes: Formats = Object.fromEntries(
    Object.entries(formats).map(([name, { takes }]) => [name, takes]),
  );
  const say = (format: string, text: string): string =>
    formats[format]?.sentence(text) ?? `'${text}' is no ${format}`;
  return text => {
    let raw: unknown;
    try {
      raw = JSON.parse(text);
    } catch (error) {
      return { faults: [syntaxFault(text, error as SyntaxError)] };
    }
    const lines = linesOf(text);
    const at = (path: string, sentence: string): Fault => ({ line: lineFor(lines, path), path, sentence });
    const violations = validate(schema as Schema, takes, raw);
    // What it takes is a Raw: who writes the schema answers for that.
    if (violations.length === 0) return { raw: raw as Raw, at };
    return {
      faults: violations.filter(isTelling).map(one => at(one.instancePath, sentenceOf(one, say))),
    };
  };
}

/** Whether a manager or an agent is told to do with TLS or without: one of both, as `tls` and `plain` of its configuration say. */
export function tlsFaults(
  { tls, plain }: { readonly tls?: unknown; readonly plain: boolean },
  mend: string,
): readonly { readonly path: string; readonly sentence: string }[] {
  if (tls === undefined && !plain)
    return [{ path: '', sentence: `neither 'tls' nor 'plain' is given: ${mend}` }];
  if (tls !== undefined && plain)
    return [{ path: '/plain', sentence: "'plain' goes with no 'tls': take one of them out" }];
  return [];
}
