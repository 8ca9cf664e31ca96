/**
 * Who is where: subnets and resolvers of clients, and managers, by site; read from a file in JSON (docs/operations.md, GSLB). Pure.
 */
import {
  type Address,
  addressBytes,
  familyOf,
  type Prefix,
  parseAddress,
  parsePrefix,
} from '../../sdk/wire/address.ts';
import type { Site } from './view.ts';

/** A site as the file has it. */
interface Place {
  readonly name: string;
  /** Subnets, and single addresses of resolvers, as prefixes. */
  readonly prefixes: readonly Prefix[];
  /** Managers there, by name, identity or address; none = by their addresses alone. */
  readonly managers: readonly string[];
  /** The WAN router: an appliance that has this address measures for the site, wherever its other addresses are. */
  readonly router: Address | undefined;
}

/** Where a client is. */
export interface Located {
  /** Undefined: nobody knows. */
  readonly site: string | undefined;
  /** The prefix that said so. */
  readonly prefix: Prefix | undefined;
  /** 0…SLOTS−1: which part of the site's clients it belongs to. */
  readonly slot: number;
}

/** A place's clients are dealt with in so many parts, so that load can be spread although answers are kept. */
export const SLOTS = 32;
/** Subnets down to which a prefix is dealt out: by so many bits, but no longer than this. */
const DEAL = 12;
/** Subnets that are dealt out in all: what a DNS server looks its clients up in. */
const MOST_SUBNETS = 1 << 17;
const FINEST = { 4: 32, 6: 76 } as const;
/** In a file. */
const MOST_SITES = 1000;
const MOST_PREFIXES = 10_000;

export interface Topology {
  readonly sites: ReadonlyMap<string, Place>;
  /** Prefixes are dealt out in subnets that are longer by so many bits, or fewer. */
  readonly deal: number;
  /** By length, the longest first. */
  readonly lengths: readonly (readonly [length: number, prefixes: ReadonlyMap<Prefix, string>])[];
}

export const emptyTopology: Topology = { sites: new Map(), deal: DEAL, lengths: [] };

/** What is wrong, and where. */
export interface TopologyFault {
  readonly path: string;
  readonly sentence: string;
}

/** The topology that the text says, or all that is wrong with it. */
export function readTopology(
  text: string,
): { readonly topology: Topology } | { readonly faults: readonly TopologyFault[] } {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    return { faults: [{ path: '/', sentence: `it is no JSON: ${(error as Error).message}` }] };
  }
  const faults: TopologyFault[] = [];
  const fault = (path: string, sentence: string): void => void faults.push({ path, sentence });
  const sites = new Map<string, Place>();
  const owners = new Map<Prefix, string>();
  const listed = fieldsOf(document, '/', ['sites'], fault)['sites'];
  for (const [name, value] of Object.entries(fieldsOf(listed ?? {}, '/sites', undefined, fault))) {
    const path = `/sites/${name}`;
    if (!/^[a-z0-9][a-z0-9._-]{0,62}$/.test(name))
      fault(path, "a site's name has 1…63 of a-z, 0-9, '.', '_', '-'");
    const site = placeOf(name, value, path, fault);
    for (const prefix of site.prefixes) {
      const owner = owners.get(prefix);
      if (owner !== undefined && owner !== name) fault(path, `${prefix} belongs to ${owner} already`);
      owners.set(prefix, name);
    }
    sites.set(name, site);
  }
  if (sites.size > MOST_SITES) fault('/sites', `${sites.size} sites, at most ${MOST_SITES}`);
  if (owners.size > MOST_PREFIXES) fault('/sites', `${owners.size} prefixes, at most ${MOST_PREFIXES}`);
  return faults.length > 0
    ? { faults }
    : { topology: { sites, deal: dealOf(owners.size), lengths: byLength(owners) } };
}

type Complain = (path: string, sentence: string) => void;

function fieldsOf(
  value: unknown,
  path: string,
  known: readonly string[] | undefined,
  fault: Complain,
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    fault(path, 'it must be an object');
    return {};
  }
  for (const key of Object.keys(value))
    if (known !== undefined && !known.includes(key))
      fault(`${path === '/' ? '' : path}/${key}`, `it is not known: one of ${known.join(', ')}`);
  return value as Readonly<Record<string, unknown>>;
}

function placeOf(name: string, value: unknown, path: string, fault: Complain): Place {
  const fields = fieldsOf(value, path, ['clients', 'resolvers', 'router', 'managers'], fault);
  const texts = (key: string): readonly string[] => {
    const list = fields[key] ?? [];
    if (Array.isArray(list) && list.every(item => typeof item === 'string')) return list;
    fault(`${path}/${key}`, 'it must be a list of texts');
    return [];
  };
  const prefixes: Prefix[] = [];
  for (const key of ['clients', 'resolvers'])
    for (const text of texts(key)) {
      const prefix = parsePrefix(text.includes('/') ? text : `${text}/${text.includes(':') ? 128 : 32}`);
      if (prefix === undefined) fault(`${path}/${key}`, `'${text}' is no address or prefix`);
      else prefixes.push(prefix);
    }
  const { router } = fields;
  const at = typeof router === 'string' ? parseAddress(router) : undefined;
  if (router !== undefined && at === undefined) fault(`${path}/router`, 'it must be an IP address');
  return { name, prefixes, managers: texts('managers'), router: at };
}

function byLength(owners: ReadonlyMap<Prefix, string>): Topology['lengths'] {
  const lengths = new Map<number, Map<Prefix, string>>();
  for (const [prefix, site] of owners) {
    const length = lengthOf(prefix);
    const list = lengths.get(length);
    if (list === undefined) lengths.set(length, new Map([[prefix, site]]));
    else list.set(prefix, site);
  }
  return [...lengths].sort(([one], [other]) => other - one);
}

const lengthOf = (prefix: Prefix): number => Number(prefix.slice(prefix.indexOf('/') + 1));

/** Where a client is: by the longest prefix that holds it. */
export function locate({ lengths, deal }: Topology, client: Address): Located {
  const most = familyOf(client) === 4 ? 32 : 128;
  for (const [length, prefixes] of lengths) {
    if (length > most) continue;
    const prefix = parsePrefix(`${client}/${length}`)!;
    const site = prefixes.get(prefix);
    if (site !== undefined) return { site, prefix, slot: slotOf(client, prefix, deal) };
  }
  const all = parsePrefix(`${client}/0`)!;
  return { site: undefined, prefix: undefined, slot: slotOf(client, all, deal) };
}

/** The subnets that a prefix is dealt out in, and each one's slot: what a DNS server's own look-up needs, which knows only prefixes. */
export function* dealt(prefix: Prefix, deal: number): Iterable<readonly [Prefix, number]> {
  const length = lengthOf(prefix);
  const bits = dealtBits(prefix, deal);
  const base = addressBytes(prefix.slice(0, prefix.indexOf('/')) as Address);
  for (let index = 0; index < 2 ** bits; index++) {
    const bytes = Uint8Array.from(base);
    for (let bit = 0; bit < bits; bit++)
      if ((index >> (bits - 1 - bit)) & 1) bytes[(length + bit) >> 3]! |= 0x80 >> ((length + bit) & 7);
    yield [`${textOf(bytes)}/${length + bits}` as Prefix, index % SLOTS];
  }
}

const textOf = (bytes: Uint8Array): string =>
  bytes.length === 4
    ? bytes.join('.')
    : parseAddress(
        Array.from({ length: 8 }, (_, at) => ((bytes[at * 2]! << 8) | bytes[at * 2 + 1]!).toString(16)).join(
          ':',
        ),
      )!;

/** So that all of them together stay within the limit. */
const dealOf = (prefixes: number): number =>
  Math.min(DEAL, Math.floor(Math.log2(MOST_SUBNETS / (prefixes + 2))));

const dealtBits = (prefix: Prefix, deal: number): number => {
  const finest = prefix.includes(':') ? FINEST[6] : FINEST[4];
  return Math.max(0, Math.min(deal, finest - lengthOf(prefix)));
};

/** Which of the subnets of `dealt` the client is in. */
function slotOf(client: Address, prefix: Prefix, deal: number): number {
  const length = lengthOf(prefix);
  const bits = dealtBits(prefix, deal);
  const bytes = addressBytes(client);
  let index = 0;
  for (let bit = length; bit < length + bits; bit++)
    index = index * 2 + ((bytes[bit >> 3]! >> (7 - (bit & 7))) & 1);
  return index % SLOTS;
}

/** The site that a manager is at: said of it, or by its addresses; else it is a site of its own. */
export function siteOf(topology: Topology, site: Pick<Site, 'manager' | 'name' | 'addresses'>): string {
  for (const { name, managers, router } of topology.sites.values()) {
    if (router !== undefined && site.addresses.includes(router)) return name;
    const known = [site.name, site.manager, ...site.addresses] as readonly string[];
    if (managers.some(one => known.includes(one))) return name;
  }
  for (const address of site.addresses) {
    const { site: found } = locate(topology, address);
    if (found !== undefined) return found;
  }
  return site.name;
}
