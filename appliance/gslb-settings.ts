/**
 * What the role of a GSLB is started with, out of the configuration.
 */
import type { Address } from '../sdk/wire/address.ts';
import type { Config, GslbConfig } from './config/config.ts';
import type { Zone } from './dns/view.ts';
import type { Fixed } from './gslb/fixed.ts';
import type { Policy } from './gslb/policy.ts';
import { emptyTopology, readTopology, type Topology } from './gslb/topology.ts';
import type { Links, Random } from './host/ports.ts';

/** A configuration with the role of a GSLB in it. */
export type GslbHostConfig = Config & { readonly gslb: GslbConfig };

const EVERYWHERE: readonly string[] = ['0.0.0.0', '::'];

/** The topology that the text says; none without. Throws a sentence for one with faults. */
export function topologyOf(text: string | undefined): Topology {
  if (text === undefined) return emptyTopology;
  const read = readTopology(text);
  if ('topology' in read) return read.topology;
  throw new Error(
    `the topology: ${read.faults.map(({ path, sentence }) => `${path}: ${sentence}`).join('; ')}`,
  );
}

/** As decisions take them. */
export const policiesOf = ({ policies }: GslbConfig): readonly Policy[] =>
  policies.map(({ policy, ...rest }) => ({ ...rest, kind: policy }));

/**
 * The zones; one without name servers of its own has `ns1`. The mailbox is RFC 2142's for who runs a network, and the shortest there is: SOA
 * is in every answer that says no, and that has to stay below twice its query (dns/reply.ts).
 */
export const zonesOf = ({ zones, nameServers }: GslbConfig): readonly Zone[] =>
  zones.map(apex => {
    const named = Object.keys(nameServers);
    return {
      ...{ apex, nameServers: named.length > 0 ? named : [`ns1.${apex}`], mailbox: `noc.${apex}` },
      ...{ refresh: 60, retry: 10, expire: 3600, minimum: 2, ttl: 300 },
    };
  });

/** What is configured of names in the zones; others are not answered. */
export function fixedOf(config: GslbHostConfig, links: Pick<Links, 'list'>): Fixed {
  const { nameServers, aliases, texts, zones } = config.gslb;
  const own =
    Object.keys(nameServers).length > 0
      ? {}
      : Object.fromEntries(zones.map(apex => [`ns1.${apex}`, addressesOf(config, links)]));
  const within = <T>(names: Readonly<Record<string, T>>): ReadonlyMap<string, T> =>
    new Map(
      Object.entries(names).filter(([name]) =>
        zones.some(apex => name === apex || name.endsWith(`.${apex}`)),
      ),
    );
  return { addresses: within({ ...own, ...nameServers }), aliases: within(aliases), texts: within(texts) };
}

/** What DNS is started with, in each thread. */
export const dnsSettings = ({ name, gslb }: GslbHostConfig, random: Random) => ({
  addresses: gslb.addresses,
  port: gslb.port,
  limits: { rate: gslb.rate, slip: 2 },
  secrets: [random.bytes(16)],
  nsid: new TextEncoder().encode(name).subarray(0, 64),
  amplification: 2,
});

/** Where this name server is reached, when nobody has said so. */
function addressesOf({ gslb, notices }: GslbHostConfig, links: Pick<Links, 'list'>): readonly Address[] {
  const bound = gslb.addresses.filter(one => !EVERYWHERE.includes(one));
  const found = links
    .list()
    .filter(({ name }) => name !== 'lo')
    .flatMap(({ addresses }) => addresses.map(({ address }) => address));
  const all = bound.length > 0 ? bound : notices.addresses.length > 0 ? notices.addresses : found;
  return all.filter(one => !/^(fe[89ab]|169\.254\.|127\.|::1$)/.test(one)).slice(0, MOST_ADDRESSES);
}

/** Of a name server whose addresses nobody has said. */
const MOST_ADDRESSES = 4;

/** Where the manager of this process is, for the topology. */
export const ownAddresses = ({ notices, listen }: Config): readonly Address[] =>
  notices.addresses.length > 0
    ? notices.addresses
    : listen.map(({ address }) => address).filter(address => !EVERYWHERE.includes(address));
