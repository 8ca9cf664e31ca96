/**
 * Reads a configuration from its text by a JSON Schema, with all defaults filled in; what is wrong is said with line, value and mend.
 */
import { Ajv } from 'ajv';
import { type Fault, isTelling, lineFor, sentenceOf, syntaxFault } from './faults.ts';
import { linesOf } from './lines.ts';

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

/**
 * Gives what reads texts by the schema. `Raw` is what a text is that the schema takes. It is compiled at each reading, in some 20 ms: a
 * daemon reads once, and the compiler would stay in its memory.
 */
export function createReader<Raw>(
  schema: object,
  formats: Readonly<Record<string, Format>>,
): (text: string) => ReadResult<Raw> {
  const compile = () => {
    const ajv = new Ajv({ allErrors: true, useDefaults: true, strict: false, verbose: true });
    for (const [name, { takes }] of Object.entries(formats)) ajv.addFormat(name, takes);
    return ajv.compile<Raw>(schema);
  };
  const say = (format: string, text: string): string =>
    formats[format]?.sentence(text) ?? `'${text}' is no ${format}`;
  return text => {
    let raw: unknown;
    try {
      raw = JSON.parse(text);
    } catch (error) {
      return { faults: [syntaxFault(text, error as SyntaxError)] };
    }
    const validate = compile();
    const lines = linesOf(text);
    const at = (path: string, sentence: string): Fault => ({ line: lineFor(lines, path), path, sentence });
    if (validate(raw)) return { raw, at };
    const errors = (validate.errors ?? []).filter(isTelling);
    return { faults: errors.map(error => at(error.instancePath, sentenceOf(error, say))) };
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
