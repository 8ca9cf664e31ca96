/**
 * Reads a configuration from its text. Never touches the network or the disk; every fault names the line, the value and the mend.
 */
import { parseAddress, parsePrefix } from '../../sdk/wire/address.ts';
import type { PoolRange } from '../registry/config.ts';
import schema from './bivouac.schema.json' with { type: 'json' };
import type { BoxConfig, Config, DhcpCell, GslbConfig } from './config.ts';
import type { Fault } from './faults.ts';
import { parseEndpoint, parsePool, parseRange4 } from './pools.ts';
import { createReader, tlsFaults } from './schema.ts';

export { type Fault, formatFault } from './faults.ts';

const noAddress = (text: string): string => `'${text}' is no IP address`;

const read = createReader<Raw>(schema, {
  endpoint: {
    takes: text => parseEndpoint(text) !== undefined,
    sentence: text => `'${text}' must be address:port, such as 0.0.0.0:9746 or [::]:9746`,
  },
  pool: { takes: text => typeof parsePool(text) !== 'string', sentence: text => String(parsePool(text)) },
  range4: {
    takes: text => parseRange4(text) !== undefined,
    sentence: text => `'${text}' is no range: write 10.1.0.100-10.1.0.199`,
  },
  address: { takes: text => parseAddress(text) !== undefined, sentence: noAddress },
  group: {
    takes: text => /^(22[4-9]|23\d)\.|^ff/.test(parseAddress(text) ?? ''),
    sentence: text => `'${text}' is no multicast group: take one of 239.0.0.0/8 or ff00::/8`,
  },
  prefix: {
    takes: text => parsePrefix(text) !== undefined,
    sentence: text => `'${text}' is no prefix: write 10.1.0.0/16`,
  },
  interfaceAddress: {
    takes: text => {
      const [address = '', length = '', ...rest] = text.split('/');
      const most = parseAddress(address)?.includes('.') === true ? 32 : 128;
      return (
        rest.length === 0 &&
        parseAddress(address) !== undefined &&
        /^\d{1,3}$/.test(length) &&
        Number(length) <= most
      );
    },
    sentence: text => `'${text}' is no address with a prefix length: write 10.1.0.1/24`,
  },
  ipv4: { takes: text => parseAddress(text)?.includes('.') === true, sentence: noAddress },
});

/** The configuration, or all that is wrong with it. */
export function loadConfig(
  text: string,
): { readonly config: Config } | { readonly faults: readonly Fault[] } {
  const found = read(text);
  if ('faults' in found) return found;
  const { raw, at } = found;
  const mend = 'make certificates with `bivouac pki`, or say "plain": true to let anyone register';
  const faults = tlsFaults(raw, mend).map(({ path, sentence }) => at(path, sentence));
  if (raw.pools === undefined && raw.gslb === undefined)
    faults.push(at('', "'pools' is missing: from them servers get their VIPs; only a GSLB can do without"));
  if (raw.damping.reuse >= raw.damping.suppress)
    faults.push(at('/damping', "'reuse' must be below 'suppress'"));
  for (const [index, { interface: name }] of raw.dhcp.entries()) {
    const first = raw.dhcp.findIndex(cell => cell.interface === name);
    if (first < index)
      faults.push(
        at(`/dhcp/${index}/interface`, `'${name}' is served by /dhcp/${first} already: take one of them out`),
      );
  }
  return faults.length > 0 ? { faults } : { config: finish(raw) };
}

type Written =
  | 'alone'
  | 'listen'
  | 'pools'
  | 'dhcp'
  | 'roaming'
  | 'notices'
  | 'static'
  | 'damping'
  | 'operator'
  | 'tls'
  | 'routing'
  | 'gslb'
  | 'box';
type Raw = Omit<Config, Written> & {
  listen: string[];
  pools?: string[];
  static: { vip: string; holder?: string }[];
  damping: NonNullable<Config['damping']> & { enabled: boolean };
  dhcp: (Omit<DhcpCell, 'range'> & { range: string })[];
  roaming: { dhcp: boolean; vips: string[] };
  notices: Omit<Config['notices'], 'peers' | 'addresses' | 'groups'> & {
    peers: string[];
    addresses: string[];
    groups: string[];
  };
  operator: { socket: string; http: false | string };
  tls?: NonNullable<Config['tls']>;
  box?: Omit<BoxConfig, 'ssh'> & { ssh: { keys: string[]; from: string[] } };
  gslb?: Omit<GslbConfig, 'addresses' | 'notify' | 'transfers' | 'nameServers'> & {
    addresses: string[];
    notify: string[];
    transfers: string[];
    nameServers: Record<string, string[]>;
  };
  routing: Omit<Config['routing'], 'password'> & { password?: string };
};

function finish(raw: Raw): Config {
  const alone = raw.pools === undefined;
  return {
    ...raw,
    alone,
    ...(alone && { dataplane: { driver: 'none' } }),
    listen: raw.listen.map(text => parseEndpoint(text)!),
    pools: (raw.pools ?? []).map(poolOf),
    static: raw.static.map(({ vip, holder }) => ({ vip: parseAddress(vip)!, holder })),
    damping: raw.damping.enabled ? raw.damping : undefined,
    dhcp: raw.dhcp.map(cell => ({ ...cell, range: parseRange4(cell.range)! })),
    roaming: { ...raw.roaming, vips: raw.roaming.vips.map(poolOf) },
    notices: {
      ...raw.notices,
      interfaces: hearsAll(raw) ? ['*'] : raw.notices.interfaces,
      peers: raw.notices.peers.map(text => parseEndpoint(text)!),
      addresses: raw.notices.addresses.map(text => parseAddress(text)!),
      groups: raw.notices.groups.map(text => parseAddress(text)!),
    },
    operator: {
      socket: raw.operator.socket,
      http: raw.operator.http === false ? undefined : parseEndpoint(raw.operator.http)!,
    },
    tls: raw.tls,
    gslb: raw.gslb && {
      ...raw.gslb,
      addresses: raw.gslb.addresses.map(text => parseAddress(text)!),
      notify: raw.gslb.notify.map(text => parseEndpoint(text)!),
      transfers: raw.gslb.transfers.map(text => parsePrefix(text)!),
      nameServers: Object.fromEntries(
        Object.entries(raw.gslb.nameServers).map(([name, list]) => [
          name,
          list.map(text => parseAddress(text)!),
        ]),
      ),
    },
    routing: { ...raw.routing, ...(alone && { driver: 'none' }), password: raw.routing.password },
    box: raw.box && {
      ...raw.box,
      ssh: { keys: raw.box.ssh.keys, from: raw.box.ssh.from.map(text => parsePrefix(text)!) },
    },
  };
}

/** Without pools, and without a word of where, a GSLB listens wherever it can. */
const hearsAll = ({ pools, notices }: Raw): boolean =>
  pools === undefined && notices.interfaces.length === 0 && notices.peers.length === 0;

/** A pool that the schema's format has let through. */
const poolOf = (text: string): PoolRange => parsePool(text) as PoolRange;
