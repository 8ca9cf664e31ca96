/**
 * Reads a configuration from its text. Never touches the network or the disk; every fault names the line, the value and the mend.
 */
import { Ajv, type ErrorObject } from 'ajv';
import { parseAddress } from '../../sdk/wire/address.ts';
import schema from './bivouac.schema.json' with { type: 'json' };
import type { Config } from './config.ts';
import { linesOf } from './lines.ts';
import { parseEndpoint, parsePool } from './pools.ts';

/** One fault of a configuration. */
export interface Fault {
  /** From 1. */
  readonly line: number;
  /** JSON pointer of the value, '' for the whole file. */
  readonly path: string;
  readonly sentence: string;
}

const ajv = new Ajv({ allErrors: true, useDefaults: true, strict: false, verbose: true });
ajv.addFormat('endpoint', text => parseEndpoint(text) !== undefined);
ajv.addFormat('pool', text => typeof parsePool(text) !== 'string');
ajv.addFormat('address', text => parseAddress(text) !== undefined);
ajv.addFormat('ipv4', text => parseAddress(text)?.includes('.') === true);
const validate = ajv.compile<Raw>(schema);

/** The configuration, or all that is wrong with it. */
export function loadConfig(
  text: string,
): { readonly config: Config } | { readonly faults: readonly Fault[] } {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    return { faults: [syntaxFault(text, error as SyntaxError)] };
  }
  const lines = linesOf(text);
  const at = (path: string, sentence: string): Fault => ({ line: lineFor(lines, path), path, sentence });
  if (!validate(raw))
    return {
      faults: (validate.errors ?? [])
        .filter(isTelling)
        .map(error => at(error.instancePath, sentenceOf(error))),
    };
  const faults: Fault[] = [];
  if (raw.tls === undefined && !raw.plain)
    faults.push(
      at(
        '',
        "neither 'tls' nor 'plain' is given: make certificates with `bivouac pki`, or say \"plain\": true to let anyone register",
      ),
    );
  if (raw.tls !== undefined && raw.plain)
    faults.push(at('/plain', "'plain' goes with no 'tls': take one of them out"));
  if (raw.damping.reuse >= raw.damping.suppress)
    faults.push(at('/damping', "'reuse' must be below 'suppress'"));
  return faults.length > 0 ? { faults } : { config: finish(raw) };
}

/** A fault in one line, as compilers print them. */
export const formatFault = (file: string, fault: Fault): string =>
  `${file}:${fault.line}: ${fault.path === '' ? '' : `${fault.path}: `}${fault.sentence}`;

type Written = 'listen' | 'pools' | 'static' | 'damping' | 'operator' | 'tls' | 'routing';
type Raw = Omit<Config, Written> & {
  listen: string[];
  pools: string[];
  static: { vip: string; holder?: string }[];
  damping: NonNullable<Config['damping']> & { enabled: boolean };
  operator: { socket: string; http: false | string };
  tls?: NonNullable<Config['tls']>;
  routing: Omit<Config['routing'], 'password'> & { password?: string };
};

function finish(raw: Raw): Config {
  return {
    ...raw,
    listen: raw.listen.map(text => parseEndpoint(text)!),
    pools: raw.pools.map(text => parsePool(text) as Exclude<ReturnType<typeof parsePool>, string>),
    static: raw.static.map(({ vip, holder }) => ({ vip: parseAddress(vip)!, holder })),
    damping: raw.damping.enabled ? raw.damping : undefined,
    operator: {
      socket: raw.operator.socket,
      http: raw.operator.http === false ? undefined : parseEndpoint(raw.operator.http)!,
    },
    tls: raw.tls,
    routing: { ...raw.routing, password: raw.routing.password },
  };
}

/** `oneOf` and `if` only repeat what the errors below them say. */
const isTelling = (error: ErrorObject): boolean =>
  error.keyword !== 'oneOf' && error.keyword !== 'if' && error.keyword !== 'const';

function sentenceOf(error: ErrorObject): string {
  const value = JSON.stringify(error.data);
  const shown = value !== undefined && value.length <= 60 ? value : typeof error.data;
  const known = Object.keys((error.parentSchema as { properties?: object } | undefined)?.properties ?? {});
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
      return `${shown} ${error.message ?? 'is not valid'}`;
  }
}

function formatSentence(format: string, text: string): string {
  if (format === 'pool') return String(parsePool(text));
  if (format === 'endpoint') return `'${text}' must be address:port, such as 0.0.0.0:9746 or [::]:9746`;
  return `'${text}' is no IP address`;
}

/** The line of the value, or of the nearest one around it. */
function lineFor(lines: ReadonlyMap<string, number>, path: string): number {
  for (let pointer = path; ; pointer = pointer.slice(0, pointer.lastIndexOf('/'))) {
    const line = lines.get(pointer);
    if (line !== undefined) return line;
    if (pointer === '') return 1;
  }
}

function syntaxFault(text: string, error: SyntaxError): Fault {
  const position = Number(/position (\d+)/.exec(error.message)?.[1] ?? text.length);
  return {
    line: text.slice(0, position).split('\n').length,
    path: '',
    sentence: `not JSON: ${error.message}`,
  };
}
