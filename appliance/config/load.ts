/**
 * Reads a configuration from its text. Never touches the network or the disk; every fault names the line, the value and the mend.
 */
import { Ajv } from 'ajv';
import { parseAddress } from '../../sdk/wire/address.ts';
import type { PoolRange } from '../registry/config.ts';
import schema from './bivouac.schema.json' with { type: 'json' };
import type { Config } from './config.ts';
import { type Fault, isTelling, lineFor, sentenceOf, syntaxFault } from './faults.ts';
import { linesOf } from './lines.ts';
import { parseEndpoint, parsePool } from './pools.ts';

export { type Fault, formatFault } from './faults.ts';

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
        .map(error => at(error.instancePath, sentenceOf(error, formatSentence))),
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

type Written =
  | 'listen'
  | 'pools'
  | 'roaming'
  | 'notices'
  | 'static'
  | 'damping'
  | 'operator'
  | 'tls'
  | 'routing';
type Raw = Omit<Config, Written> & {
  listen: string[];
  pools: string[];
  static: { vip: string; holder?: string }[];
  damping: NonNullable<Config['damping']> & { enabled: boolean };
  roaming: { vips?: string[] };
  notices: Omit<Config['notices'], 'peers' | 'addresses' | 'groups'> & {
    peers: string[];
    addresses: string[];
    groups: string[];
  };
  operator: { socket: string; http: false | string };
  tls?: NonNullable<Config['tls']>;
  routing: Omit<Config['routing'], 'password'> & { password?: string };
};

function finish(raw: Raw): Config {
  return {
    ...raw,
    listen: raw.listen.map(text => parseEndpoint(text)!),
    pools: raw.pools.map(poolOf),
    static: raw.static.map(({ vip, holder }) => ({ vip: parseAddress(vip)!, holder })),
    damping: raw.damping.enabled ? raw.damping : undefined,
    roaming: { ...raw.roaming, vips: raw.roaming.vips?.map(poolOf) },
    notices: {
      ...raw.notices,
      peers: raw.notices.peers.map(text => parseAddress(text)!),
      addresses: raw.notices.addresses.map(text => parseAddress(text)!),
      groups: raw.notices.groups.map(text => parseAddress(text)!),
    },
    operator: {
      socket: raw.operator.socket,
      http: raw.operator.http === false ? undefined : parseEndpoint(raw.operator.http)!,
    },
    tls: raw.tls,
    routing: { ...raw.routing, password: raw.routing.password },
  };
}

/** A pool that the schema's format has let through. */
const poolOf = (text: string): PoolRange => parsePool(text) as PoolRange;

function formatSentence(format: string, text: string): string {
  if (format === 'pool') return String(parsePool(text));
  if (format === 'endpoint') return `'${text}' must be address:port, such as 0.0.0.0:9746 or [::]:9746`;
  return `'${text}' is no IP address`;
}
